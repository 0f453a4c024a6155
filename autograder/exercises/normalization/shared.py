"""What all exercises of the family share: how a normalization is called, and tried.

Inputs are awkward on purpose: N ≠ D, H ≠ W, C ≠ G², eps large enough to see, a momentum that is
neither the default nor ½, gamma ≠ 1, features and examples of very different mean and spread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from autograder.checking.judge import follow_through, keeps_types
from autograder.checking.scenarios import afterwards, family
from autograder.checking.slopes import with_place
from autograder.checking.spec import Check

EPS, MOMENTUM = 0.3, 0.7  # neither the usual values nor each other's complement
LARGE = 1e9  # a spread beside whose square the usual eps is nothing
GRADIENTS = ("dx", "dgamma", "dbeta")
FORBIDDEN = (
    "torch.batch_norm",
    "torch.instance_norm",
    "torch.layer_norm",
    "torch.group_norm",
    "torch.native_batch_norm",
    "torch.native_layer_norm",
    "torch.native_group_norm",
    "torch.nn.functional.batch_norm",
    "torch.nn.functional.group_norm",
    "torch.nn.functional.instance_norm",
    "torch.nn.functional.layer_norm",
    "torch.nn.BatchNorm1d",
    "torch.nn.BatchNorm2d",
    "torch.nn.BatchNorm3d",
    "torch.nn.GroupNorm",
    "torch.nn.InstanceNorm1d",
    "torch.nn.InstanceNorm2d",
    "torch.nn.InstanceNorm3d",
    "torch.nn.LayerNorm",
)
RETURNS = {
    "batchnorm_forward": ("out", "cache"),
    "batchnorm_backward": GRADIENTS,
    "batchnorm_backward_alt": GRADIENTS,
    "BatchNorm": ("layer",),
    "separating_input": ("x",),
    "spatial_batchnorm_forward": ("out", "cache"),
    "spatial_batchnorm_backward": GRADIENTS,
    "fold_batchnorm": ("W_folded", "b_folded"),
    "effective_learning_rate": ("rate",),
    "debias_running": ("debiased",),
    "layernorm_forward": ("out", "cache"),
    "layernorm_backward": GRADIENTS,
    "instancenorm_forward": ("out", "cache"),
    "instancenorm_backward": GRADIENTS,
    "spatial_groupnorm_forward": ("out", "cache"),
    "spatial_groupnorm_backward": GRADIENTS,
    "GroupNorm": ("layer",),
}
exercise = family("normalization", RETURNS, FORBIDDEN)


@dataclass(frozen=True, eq=False)
class Normalization:
    """A normalization as scenarios meet it: its functions, its input, and what shares one mean.

    Args:
        forward, backward: names of the two functions.
        shape: of x.
        axes: one mean runs over these axes of x, or of x in the shape `view`.
        one_mean: index of numbers of x that share a mean.
        options: the options of an ordinary call.
        parameters: shape of gamma and beta, (C,) unless given.
        extra: arguments between beta and the options.
        unlike: whether examples differ in mean and spread as the features do.
        scale: of x; so large that the usual eps is negligible beside its variance.
    """

    forward: str
    backward: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    one_mean: tuple
    options: Mapping = field(default_factory=lambda: {"eps": EPS})
    view: tuple[int, ...] | None = None
    parameters: tuple[int, ...] = (-1,)
    extra: tuple = ()
    unlike: bool = True
    scale: float = 1.0

    def arrays(self, rng):
        """Return random x, gamma and beta."""
        x, gamma, beta = batch(rng, *self.shape)
        if self.unlike:
            examples = [len(x)] + [1] * (x.ndim - 1)
            x = x * rng.uniform(0.5, 2, examples) + rng.normal(0, 4, examples)
        return self.scale * x, gamma.reshape(self.parameters), beta.reshape(self.parameters)

    def enlarged(self):
        """Return the same with x so large that eps, which has its usual value, is negligible."""
        return replace(self, options={**self.options, "eps": 1e-5}, scale=LARGE)

    def call(self, impl, arrays, options=None, extra=None):
        """Run the forward pass on copies of the arrays."""
        extra = self.extra if extra is None else extra
        options = dict(self.options) if options is None else options
        copies = [array.copy() for array in arrays]
        return getattr(impl, self.forward)(*copies, *extra, options)

    def centred(self, a):
        """Return a with zero mean wherever x has one mean."""
        viewed = a.reshape(self.view or self.shape)
        return (viewed - viewed.mean(axis=self.axes, keepdims=True)).reshape(self.shape)

    def without(self, a, x_mu):
        """Return a without its share along x − μ, wherever x has one mean."""
        a, x_mu = (array.reshape(self.view or self.shape) for array in (a, x_mu))
        sums = [(b * x_mu).sum(axis=self.axes, keepdims=True) for b in (a, x_mu)]
        return (a - x_mu * sums[0] / sums[1]).reshape(self.shape)


def batch(rng, *shape):
    """Return x with features (axis 1) of different mean and spread, and gamma and beta for it."""
    features = [1, shape[1]] + [1] * (len(shape) - 2)
    spread, mean = rng.uniform(0.5, 3, features), rng.normal(0, 4, features)
    gamma, beta = rng.uniform(0.5, 2, shape[1]), rng.normal(0, 1, shape[1])
    return mean + spread * rng.normal(size=shape), gamma, beta


# ------------------------------------------------------------------ forward


def output(norm, extra=None):
    """Scenario: the output of a batch; `extra` replaces the arguments before the options."""

    def scenario(impl, rng):
        return {"out": norm.call(impl, norm.arrays(rng), extra=extra)[0]}

    return scenario


def defaults(norm):
    """Scenario: default options, and numbers that hardly vary, some not at all: eps shows."""

    def scenario(impl, rng):
        x, gamma, beta = norm.arrays(rng)
        x *= 0.003  # its variance is about the usual eps
        x[norm.one_mean] = 3.75  # whose mean is exact
        options = {"mode": "train"} if "mode" in norm.options else {}
        out, _ = norm.call(impl, (x, gamma, beta), options)
        return {"out": out, **running(options)}

    return scenario


def large_mean(norm):
    """Scenario: float32 far from zero, where a one-pass variance has no digits left."""

    def scenario(impl, rng):
        x, gamma, beta = norm.arrays(rng)
        single = [a.astype(np.float32) for a in (10_000 + x, gamma, beta)]
        options = dict(norm.options)
        out, _ = norm.call(impl, single, options)
        left = running(options)
        return {"out": out, **{key: left[key] for key in left if key == "running_var"}}

    return scenario


def types_and_inputs(norm):
    """Scenario: the output in both precisions, and the inputs after the call."""

    def scenario(impl, rng):
        arrays = norm.arrays(rng)
        single = [a.astype(np.float32) for a in arrays]
        out, _ = getattr(impl, norm.forward)(*single, *norm.extra, dict(norm.options))
        double, _ = norm.call(impl, arrays)
        return {"out": out, "out of float64 x": double, **afterwards("x gamma beta", single)}

    return scenario


def running(options):
    """Return the running statistics that a forward pass left behind, whatever their axes."""
    return {key: array.ravel() for key, array in shaped(options).items()}


def shaped(options):
    """Return the running statistics that a forward pass left behind, with their axes."""
    keys = ("running_mean", "running_var")
    return {key: np.array(options[key]) for key in keys if key in options}


def checks(scenarios, points):
    """Return checks from {title: (scenario, judge, …)} and the points of each."""
    return tuple(
        Check(title, worth, *parts)
        for (title, parts), worth in zip(scenarios.items(), points, strict=True)
    )


PRECISION = "float32 and float64 alike, inputs stay as they were"

# ------------------------------------------------------------------ backward


def backward_checks(norm, points):
    """Return the checks of a backward pass; dout chooses the path that is tried."""

    def along_path(choose, *keys):
        def scenario(impl, rng):
            x, gamma, beta = norm.arrays(rng)
            dx_hat = choose(rng.normal(size=norm.shape), norm.centred(x))
            dout = dx_hat / gamma.reshape(1, -1, *[1] * (x.ndim - 2))
            return gradients(impl, (x, gamma, beta), dout, keys)

        return scenario

    def forward(impl, *arrays):
        return norm.call(impl, arrays)[0]

    def gradients(impl, arrays, dout, keys):
        out, cache = norm.call(impl, arrays)
        returned = getattr(impl, norm.backward)(dout.copy(), cache)
        named = zip(GRADIENTS, enumerate(returned), strict=True)
        wanted = {key: placed for key, placed in named if key in keys}
        return with_place(out, arrays, dout, wanted)

    def precision(impl, rng):
        arrays = norm.arrays(rng)
        dout = rng.normal(size=norm.shape)
        single = dout.astype(np.float32)
        _, cache = norm.call(impl, [a.astype(np.float32) for a in arrays])
        observed = dict(zip(GRADIENTS, getattr(impl, norm.backward)(single, cache), strict=True))
        double, *_ = getattr(impl, norm.backward)(dout, norm.call(impl, arrays)[1])
        return {**observed, "dx of float64 dout": double, **afterwards("dout", [single])}

    def direct(noise, x_mu):
        """Remove both sums: neither the mean nor the variance moves the loss."""
        return norm.without(norm.centred(noise), x_mu)

    def centre(noise, x_mu):
        return norm.centred(noise)

    def offset(noise, x_mu):
        return norm.without(noise + 1, x_mu)

    def whole(noise, x_mu):
        return noise + 1

    scenarios = {
        "dbeta": along_path(whole, "dbeta"),
        "dgamma": along_path(whole, "dgamma"),
        "dx, direct path (the loss feels neither mean nor variance)": along_path(direct, "dx"),
        "dx, through the variance (the loss does not feel the mean)": along_path(centre, "dx"),
        "dx, through the mean (the loss does not feel the variance)": along_path(offset, "dx"),
        "dx, every path at once": along_path(whole, "dx"),
    }
    judged: dict[str, tuple[Callable, ...]] = {
        title: (part, follow_through, forward) for title, part in scenarios.items()
    }
    judged["float32 and float64 alike, dout stays as it was"] = (precision, keeps_types)
    return checks(judged, points)
