"""Mutants of the references of `optim` that are right answers, with the reason."""

SAME_SHAPE = "the gradient has the shape and the dtype of w"
VELOCITY = {"v = config.get('velocity', np.zeros_like(dw))": SAME_SHAPE}
CACHE = {"cache = config.get('cache', np.zeros_like(dw))": SAME_SHAPE}
MEANS = {
    "m = config.get('m', np.zeros_like(dw))": SAME_SHAPE,
    "v = config.get('v', np.zeros_like(dw))": SAME_SHAPE,
    "v = config.get('v', np.zeros_like(m))": SAME_SHAPE,
}
EQUIVALENT = {
    "optim.sgd_momentum": VELOCITY,
    "optim.sgd_momentum_unscaled": VELOCITY,
    "optim.nesterov": {"old_v = config.get('velocity', np.zeros_like(dw))": SAME_SHAPE},
    "optim.separating_curvatures": {"...": "any bowl that separates is a right answer"},
    "optim.adagrad": CACHE,
    "optim.rmsprop": CACHE,
    "optim.adam_uncorrected": MEANS,
    "optim.adam": MEANS,
    "optim.adamw": MEANS,
    "optim.separating_gradients": {"...": "any gradients that separate are a right answer"},
}
