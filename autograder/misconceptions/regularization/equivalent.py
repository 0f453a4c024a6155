"""Mutants of the references of `regularization` that are right answers, with the reason."""

OPTIONS_GIVEN = "every option is passed: code for the usual assignment reads them without a default"
CACHE = "what is kept for the way back is asked for with the backward pass"
SAME_LAW = "the boundary is met with probability 0"
SAME_SIZE = "only the shape or the dtype is read, and it is the same"
MORE_DIGITS = "the same law, with more digits"
WIDER = "right, in more memory than needed, and remarked upon"
SYMMETRIC = "a normal random number is as likely with the other sign"
OTHER_DEFAULT = "any default that is not the other kind is the default"
EQUAL_LENGTHS = "both lists have the same length, which `strict` makes sure of"
A_LIST = "a list is taken for the array that it makes"
NUMBERS = "NumPy's numbers, where the reference has Python's"
ANY_ORDER = "tied numbers of a region may be met in any order"
NO_MORE_ROWS = "no region has so many rows or columns: there is nothing to meet"
NOT_USED = "stands in for a deviation of 0, where the mean itself is the answer"
NO_DEVIATION = "a deviation of 0, and nothing else, is a variance of 0"
ZERO_FOR_ZERO = "what is divided by a deviation of 0 is not used"
NO_GPU = "differs on a GPU only, and checks run without one"
FORWARD_ALIKE = {
    "p, mode = (dropout_param.get('p', 1.0), dropout_param.get('mode', 'train'))": OPTIONS_GIVEN,
    "p, mode = (dropout_param.get('p', 0.25), dropout_param.get('mode', 'train'))": OPTIONS_GIVEN,
    "p, mode = (dropout_param.get('p', 0.5), dropout_param.get('mode', 'train_'))": OPTIONS_GIVEN,
    "return (out, out)": CACHE,
    "return (out, x)": CACHE,
}
DEPTH_ALIKE = {
    "draws = len(branch) if depth_param.get('mode', 'batch') == 'row' else 1": SAME_SIZE,
    "draws = len(x) if depth_param.get('mode', 'batch_') == 'row' else 1": OTHER_DEFAULT,
}
EQUIVALENT = {
    "regularization.l1_proximal_step": {
        "next_w = np.sign(v) * np.clip(0, np.abs(v) - learning_rate * reg, None)": "the larger of "
        "the two, in any order",
    },
    "regularization.train_regularized": {
        "accuracies, losses = ([], [])": "two empty lists have no order",
        "return (losses, np.array(accuracies))": A_LIST,
        "return (np.array(losses), accuracies)": A_LIST,
    },
    "regularization.dropout_forward": {
        **FORWARD_ALIKE,
        "kept = rng.random(x.shape, dtype=np.float32) <= p": SAME_LAW,
        "kept = rng.random(x.shape) < p": MORE_DIGITS,
        "mask = kept / p": WIDER,
    },
    "regularization.torch.dropout_forward": {
        "kept = torch.rand(x.shape, generator=rng) < p": NO_GPU,
        "mask = kept.to(kept.dtype) / p": "a mask of float32 serves any x of more digits",
    },
    "regularization.vanilla_dropout_forward": {
        **FORWARD_ALIKE,
        "mask = rng.random(x.shape, dtype=np.float32) <= p": SAME_LAW,
        "mask = rng.random(x.shape) < p": MORE_DIGITS,
    },
    "regularization.dropout_backward": {"dx = dout * cache": "the cache is the mask"},
    "regularization.vanilla_dropout_backward": {"dx = dout * cache": "the cache is the mask"},
    "regularization.expectation_over_masks": {
        "for kept in itertools.product((1, 0), repeat=D):": "the same masks in another order",
        "m = kept": "numbers 0 and 1, of whatever type",
        "m = np.array(kept)": "numbers 0 and 1, of whatever type",
    },
    "regularization.separating_products": {"...": "any products that separate are right"},
    "regularization.dropconnect_forward": {
        "drawn = rng.random((*x.shape, w.shape[1]))": MORE_DIGITS,
        "mask = drawn <= p": SAME_LAW,
        "return (out, (...": CACHE,
    },
    "regularization.torch.dropconnect_forward": {
        "drawn = torch.rand((*x.shape, w.shape[1]), generator=rng)": NO_GPU,
    },
    "regularization.separating_weights": {"...": "any weights that separate are a right answer"},
    "regularization.dropconnect_inference": {
        "z = rng.standard_normal((samples, *mean.shape))": WIDER,
        "z = rng.standard_normal((samples, *mean.shape), dtype=variance.dtype)": SAME_SIZE,
        "z = rng.standard_normal((samples, *variance.shape), dtype=mean.dtype)": SAME_SIZE,
        "u = mean - np.sqrt(variance) * z": SYMMETRIC,
    },
    "regularization.torch.dropconnect_inference": {
        "z = torch.randn((samples, *mean.shape), generator=rng, device=x.device)": WIDER,
        "z = torch.randn((samples, *mean.shape), generator=rng, dtype=x.dtype)": NO_GPU,
        "z = torch.randn((samples, *variance.shape), generator=rng, dtype=x.dtype, "
        "device=x.device)": SAME_SIZE,
    },
    "regularization.dropconnect_closed_form": {
        "t = mean / np.where(sigma > 0, sigma, 2)": NOT_USED,
        "t = mean / np.where(sigma > 0, sigma, 0)": ZERO_FOR_ZERO,
        "t = mean / np.where(sigma >= 0, sigma, 1)": ZERO_FOR_ZERO,
        "t = mean / np.where(sigma > -1, sigma, 1)": ZERO_FOR_ZERO,
        "t = mean / np.where(variance > 0, sigma, 1)": NO_DEVIATION,
        "return np.where(variance > 0, out, mean.clip(0))": NO_DEVIATION,
        "return np.where(sigma > 0, out, t.clip(0))": "where it is used, t is the mean",
    },
    "regularization.pooling_boundaries": {
        "k = n_in * u": "the formula itself; the boundaries are whole numbers all the same",
    },
    "regularization.pooling_regions": {
        "if pool_param.get('kind', 'pseudo-random_') == 'random':": OTHER_DEFAULT,
    },
    "regularization.fractional_max_pool_forward": {
        "bands = [x[:, :, a:b + 1].max(axis=2) for a, b in zip(*rows...)]": EQUAL_LENGTHS,
        "out = [x_rows[..., a:b + 1].max(axis=3) for a, b in zip(*cols...)]": EQUAL_LENGTHS,
        "return (out, (...": CACHE,
    },
    "regularization.fractional_max_pool_backward": {
        "open_regions = np.ones(dout.shape, bool)": SAME_SIZE,
        "for j, i in np.ndindex(3, 3):": ANY_ORDER,
        "for i, j in np.ndindex(4, 3):": NO_MORE_ROWS,
        "for i, j in np.ndindex(3, 4):": NO_MORE_ROWS,
        "cols = left + j <= right": "a mask chooses the columns that its indices name",
    },
    "regularization.stochastic_depth_forward": {
        **DEPTH_ALIKE,
        "q = rng.random((draws, *[1] * (x.ndim - 1))) <= p": SAME_LAW,
        "q = rng.random((draws, *[1] * (branch.ndim - 1))) < p": SAME_SIZE,
        "q = q / (p if scale == 'train' else 1)": WIDER,
        "q = q.astype(branch.dtype) / (p if scale == 'train' else 1)": SAME_SIZE,
    },
    "regularization.torch.stochastic_depth_forward": {
        "q = torch.rand((draws, *[1] * (x.ndim - 1)), generator=rng, device=x.device) <= p": (
            SAME_LAW
        ),
        "q = torch.rand((draws, *[1] * (x.ndim - 1)), generator=rng) < p": NO_GPU,
        "q = torch.rand((draws, *[1] * (x.ndim - 1)), generator=rng, device=branch.device) < p": (
            SAME_SIZE
        ),
        "q = torch.rand((draws, *[1] * (branch.ndim - 1)), generator=rng, device=x.device) < p": (
            SAME_SIZE
        ),
        "q = q / (p if scale == 'train' else 1)": "a factor of float32 serves any x of more digits",
    },
    "regularization.stochastic_depth_backward": {
        "return (dout, q * dout)": "dx is dout itself, as in a variant",
        "return (dout.copy(), cache * dout)": "the cache is q",
    },
    "regularization.stochastic_depth_network": {
        "kept_with = survival_probabilities(len(blocks), p_last)": NUMBERS,
        "for block, p in zip(blocks, kept_with...):": EQUAL_LENGTHS,
    },
}
