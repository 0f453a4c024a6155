"""DropConnect, fractional max pooling and stochastic depth: both frameworks against oracles.

The oracles: enumeration of all masks, brute force over regions, autograd, numerical integration.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import Implementation, relative_difference

from cs231n_lib.gradcheck import numerical_gradient
from cs231n_lib.regularization import in_numpy, in_torch, tuned

IMPLEMENTATIONS = [
    Implementation("NumPy", in_numpy),
    Implementation("PyTorch", in_torch, tensors=True),
]
for_both = pytest.mark.parametrize("impl", IMPLEMENTATIONS, ids=lambda i: i.name)
FALSE_ALARM = 1e-10  # of each statistical bound below


def source(impl, seed):
    """Return the random generator of a framework."""
    if impl.tensors:
        return torch.Generator().manual_seed(seed)
    return np.random.default_rng(seed)


def layer(seed, N=3, D=4, M=2, dtype=float):
    """Return x (N, D), w (D, M), b (M,)."""
    rng = np.random.default_rng(seed)
    shapes = (N, D), (D, M), (M,)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


def binomial_margin(trials):
    """Return how far a share may be from its probability (Hoeffding)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * trials))


# ---------------------------------------------------------------------------------- DropConnect


def all_masks(D, M):
    """Yield every (D, M) mask of zeros and ones."""
    for bits in itertools.product((0.0, 1.0), repeat=D * M):
        yield np.array(bits).reshape(D, M)


def decoded(impl, N, D, M, p, seed):
    """Return the masks (N, D, M) of a call: the weights are powers of two, so sums name them."""
    w = np.repeat(2.0 ** np.arange(D)[:, None], M, axis=1)
    out, _ = impl.dropconnect_forward(np.ones((N, D)), w, np.zeros(M), p, source(impl, seed))
    assert (out == out.round()).all() and out.min() >= 0 and out.max() < 2**D
    return out.astype(int)[:, None, :] >> np.arange(D)[:, None] & 1


@for_both
def test_masks_are_of_weights_and_examples(impl):
    masks = decoded(impl, N=400, D=10, M=7, p=0.7, seed=0)
    for axis in range(3):
        assert masks.std(axis=axis).max() > 0, "no two draws along this axis may be one"
        kept = masks.mean(axis=tuple(a for a in range(3) if a != axis))
        assert (abs(kept - 0.7) < binomial_margin(masks.size / len(kept))).all()
    centred = (masks - 0.7).reshape(400, -1)
    covariance = centred.T @ centred / 400 - 0.21 * np.eye(70)
    assert abs(covariance).max() < 2 * binomial_margin(400)  # products within (−0.21, 0.49)


@for_both
def test_the_seed_and_nothing_else_chooses_the_masks(impl):
    first, again, other = (decoded(impl, 5, 6, 4, 0.5, seed) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


@for_both
def test_all_and_none_of_the_weights(impl):
    x, w, b = layer(0)
    for p, expected in ((1.0, x @ w + b), (0.0, np.broadcast_to(b, (3, 2)))):
        out, _ = impl.dropconnect_forward(x, w, b, p, source(impl, 0))
        assert relative_difference(out, expected) < 1e-15


@for_both
def test_a_masked_bias_is_a_weight_of_a_constant_input(impl):
    """The paper's form: its moments are those over all masks of weights and bias together."""
    x, w, b = layer(6, N=1, D=2, M=1)
    wide = np.hstack([x, [[1.0]]]), np.vstack([w, b[None]]), np.zeros(1)
    outs = [(x @ (m[:2] * w) + m[2] * b).item() for m in all_masks(3, 1)]  # p = ½: equally likely
    mean, variance = impl.dropconnect_moments(*wide, 0.5)
    assert (
        relative_difference([mean.item(), variance.item()], [np.mean(outs), np.var(outs)]) < 1e-14
    )
    drawn = {impl.dropconnect_forward(*wide, 0.5, source(impl, s))[0].item() for s in range(300)}
    assert len(drawn) == 8 and np.allclose(sorted(drawn), sorted(outs))


def replayed(arrays, dout, seed):
    """Return PyTorch's own gradients of sum(dout·out), with the mask that the seed draws."""
    x, w, b = (torch.from_numpy(a).requires_grad_() for a in arrays)
    rng = torch.Generator().manual_seed(seed)
    mask = torch.rand((*x.shape, w.shape[1]), generator=rng) < 0.6
    out = torch.stack([x[n] @ (mask[n] * w) for n in range(len(x))]) + b
    gradients = torch.autograd.grad((torch.from_numpy(dout) * out).sum(), (x, w, b))
    return out.detach().numpy(), [g.numpy() for g in gradients]


@pytest.mark.parametrize("seed", range(10))
def test_dropconnect_in_pytorch_is_what_autograd_says(seed):
    impl, arrays = IMPLEMENTATIONS[1], layer(seed)
    dout = np.random.default_rng(seed + 100).normal(size=(3, 2))
    out, cache = impl.dropconnect_forward(*arrays, 0.6, source(impl, seed))
    expected, gradients = replayed(arrays, dout, seed)
    assert relative_difference(out, expected) < 1e-14
    for gradient, right in zip(impl.dropconnect_backward(dout, cache), gradients, strict=True):
        assert relative_difference(gradient, right) < 1e-13


@for_both
@pytest.mark.parametrize("seed", range(5))
def test_dropconnect_backward_against_centred_differences(impl, seed):
    arrays, dout = layer(seed), np.random.default_rng(seed).normal(size=(3, 2))
    _, cache = impl.dropconnect_forward(*arrays, 0.6, source(impl, seed))
    for place, gradient in enumerate(impl.dropconnect_backward(dout, cache)):

        def loss(a, place=place):
            changed = [a if i == place else other for i, other in enumerate(arrays)]
            out, _ = impl.dropconnect_forward(*changed, 0.6, source(impl, seed))
            return float((out * dout).sum())

        assert relative_difference(gradient, numerical_gradient(loss, arrays[place])) < 1e-8


@for_both
@pytest.mark.parametrize("p", [0.3, 0.8])
def test_the_moments_are_those_of_all_masks(impl, p):
    x, w, b = layer(3, N=2, D=3, M=2)
    mean, square = np.zeros((2, 2)), np.zeros((2, 2))
    for mask in all_masks(3, 2):
        probability = np.prod(np.where(mask, p, 1 - p))
        out = x @ (mask * w) + b
        mean += probability * out
        square += probability * out**2
    ours = impl.dropconnect_moments(x, w, b, p)
    assert relative_difference(ours[0], mean) < 1e-14
    assert relative_difference(ours[1], square - mean**2) < 1e-13


@for_both
@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_the_integral_over_the_gaussian(impl, seed):
    x, w, b = layer(seed)
    mean, variance = in_numpy.dropconnect_moments(x, w, b, 0.6)
    z = np.linspace(-12, 12, 200_001)
    weights = scipy.stats.norm.pdf(z) * (z[1] - z[0])
    expected = [
        (np.maximum(m + math.sqrt(v) * z, 0) * weights).sum()
        for m, v in zip(mean.ravel(), variance.ravel(), strict=True)
    ]
    out = impl.dropconnect_closed_form(x, w, b, 0.6)
    assert relative_difference(out, np.reshape(expected, (3, 2))) < 1e-8


@for_both
def test_the_closed_form_without_variance_is_the_mean_network(impl):
    x, w, b = layer(1)
    x[0] = 0
    out = impl.dropconnect_closed_form(x, w, b, 1.0)
    assert (out == impl.dropconnect_mean_network(x, w, b, 1.0)).all() and out.max() > 0
    assert (impl.dropconnect_closed_form(x, w, b, 0.5)[0] == np.maximum(b, 0)).all()


@for_both
def test_sampled_inference_approaches_the_closed_form(impl):
    """The mean of K draws has a sub-Gaussian error with σ / √K, for ReLU stretches nothing."""
    x, w, b = layer(2, N=5, D=4, M=3)
    K, p = 20_000, 0.7
    sigma = np.sqrt(in_numpy.dropconnect_moments(x, w, b, p)[1])
    bound = sigma * math.sqrt(2 * math.log(2 * sigma.size / FALSE_ALARM) / K)
    out = impl.dropconnect_inference(x, w, b, p, K, source(impl, 0))
    assert (abs(out - in_numpy.dropconnect_closed_form(x, w, b, p)) < bound).all()
    assert (abs(out - impl.dropconnect_mean_network(x, w, b, p)) > bound).any()


@for_both
def test_one_sample_is_one_draw_for_each_output(impl):
    x, w, b = np.ones((3000, 2)), np.array([[1.0, 2.0], [-0.5, 1.0]]), np.array([0.3, -1.0])
    out = impl.dropconnect_inference(x, w, b, 0.6, 1, source(impl, 1))
    mean, variance = in_numpy.dropconnect_moments(x[:1], w, b, 0.6)
    for m in range(2):  # Dvoretzky–Kiefer–Wolfowitz, where the ReLU has cut nothing off
        drawn = np.sort(out[:, m])
        theirs = scipy.stats.norm.cdf(drawn, mean[0, m], math.sqrt(variance[0, m]))
        ours = np.arange(1, 3001) / 3000
        assert (drawn > 0).sum() > 500
        assert abs(theirs - ours)[drawn > 0].max() < binomial_margin(3000) + 1 / 3000
    assert abs(np.corrcoef(out.T)[0, 1]) < 0.3


def gaussian_error(n, p, seed, mean_network):
    """Return the rms error, in σ, of E[max(0, u)] for n inputs: all masks are enumerated."""
    rng = np.random.default_rng(seed)
    x, w = np.ones((1, n)), rng.normal(size=(n, 8))
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    probability = p ** masks.sum(axis=1) * (1 - p) ** (n - masks.sum(axis=1))
    b = -p * w.sum(axis=0)  # around 0, where the ReLU bends
    exact = probability @ np.maximum(masks @ w + b, 0)
    ours = in_numpy.dropconnect_mean_network if mean_network else in_numpy.dropconnect_closed_form
    sigma = np.sqrt(in_numpy.dropconnect_moments(x, w, b, p)[1])
    return float(np.sqrt(np.mean(((ours(x, w, b, p) - exact) / sigma) ** 2)))


def test_the_gaussian_gets_better_with_more_inputs_and_the_mean_network_does_not():
    few, many = (
        np.mean([[gaussian_error(n, 0.5, seed, mean) for mean in (0, 1)] for seed in range(20)], 0)
        for n in (4, 12)
    )
    assert many[0] < 0.6 * few[0], "the Gaussian's error falls with the fan-in"
    assert many[1] > 0.8 * few[1] and many[1] > 10 * many[0]


# ---------------------------------------------------------------------------------- pooling

SIZES = [(3, 2), (5, 3), (7, 5), (16, 11), (25, 18), (32, 22)]


@for_both
@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
def test_pseudo_random_boundaries_are_the_papers_formula(impl, n_in, n_out):
    """With exact fractions, for any u of a million parts."""
    from fractions import Fraction

    alpha, rng = Fraction(n_in, n_out), np.random.default_rng(0)
    for part in (0, 1, 499_999, 999_999, *rng.integers(10**6, size=60).tolist()):
        u = Fraction(part, 10**6)
        a = [math.ceil(alpha * (i + u)) - math.ceil(alpha * u) for i in range(n_out + 1)]
        assert list(impl.pooling_boundaries(n_in, n_out, float(u))) == a


@for_both
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_boundaries_rise_by_one_or_two_from_end_to_end(impl, data):
    n_out = data.draw(st.integers(2, 40))
    n_in = data.draw(st.integers(n_out + 1, 2 * n_out - 1))
    u = data.draw(st.floats(0, 1, exclude_max=True))
    rng = source(impl, data.draw(st.integers(0, 1000)))
    first, last = impl.pooling_regions(n_in, n_out, {"kind": "random"}, rng)
    assert (first[1:] == last[:-1] + 1).all()
    for a in (impl.pooling_boundaries(n_in, n_out, u), np.append(first, last[-1] + 1)):
        assert len(a) == n_out + 1 and a[0] == 0 and a[-1] == n_in
        assert set(np.diff(a).tolist()) == {1, 2}


def test_how_many_sequences_there_are():
    """16 to 11: eleven pseudo-random ones, C(11, 5) random ones."""
    pseudo = {tuple(in_numpy.pooling_boundaries(16, 11, u)) for u in np.linspace(0, 0.999, 3000)}
    assert len(pseudo) == 11
    rng = np.random.default_rng(0)
    param = {"kind": "random"}
    random = {(*in_numpy.pooling_regions(16, 11, param, rng)[0], 16) for _ in range(20_000)}
    assert len(random) == math.comb(11, 5) == 462
    assert pseudo < random


def sequences(n_in, n_out):
    """Return {boundaries: probability} of all pseudo-random sequences, by their breakpoints."""
    edges = np.unique([0, 1, *(k / n_in for k in range(1, n_in))])
    found = {}
    for low, high in itertools.pairwise(edges):
        a = tuple(in_numpy.pooling_boundaries(n_in, n_out, (low + high) / 2).tolist())
        found[a] = found.get(a, 0) + high - low
    return found


def pooled(x, rows, cols, overlapping):
    """Return brute-force max pooling and, for each output, the place of its first maximum."""
    N, C, H, W = x.shape
    out = np.empty((N, C, len(rows) - 1, len(cols) - 1))
    places = np.empty((*out.shape, 2), int)
    for n, c, i, j in np.ndindex(out.shape):
        inside = [
            (r, s)
            for r in range(rows[i], min(rows[i + 1] + overlapping, H))
            for s in range(cols[j], min(cols[j + 1] + overlapping, W))
        ]
        best = max(inside, key=lambda place: x[n, c][place])  # the first, where several are equal
        out[n, c, i, j], places[n, c, i, j] = x[n, c][best], best
    return out, places


def ramp(shape):
    """Return x that grows from row to row and column to column: a maximum tells where it was."""
    return np.arange(float(np.prod(shape[2:]))).reshape(1, 1, *shape[2:]) + np.zeros(shape)


def regions_of(impl, shape, param, seed):
    """Return the boundaries of rows and columns that a call with this seed draws."""
    disjoint = {**param, "overlapping": False}
    out, _ = impl.fractional_max_pool_forward(ramp(shape), disjoint, source(impl, seed))
    rows, cols = np.divmod(out[0, 0].astype(int), shape[3])
    assert (rows == rows[:, :1]).all() and (cols == cols[:1]).all()
    assert (out == out[:1, :1]).all(), "all images and channels have the same regions"
    return [0, *(rows[:, 0] + 1)], [0, *(cols[0] + 1)]


@for_both
@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("kind", ["pseudo-random", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_pooling_against_brute_force(impl, overlapping, kind, seed):
    shape, rng = (2, 3, 7, 10), np.random.default_rng(seed)
    param = {"height": 5, "width": 6, "kind": kind, "overlapping": overlapping}
    x = rng.integers(0, 4, shape).astype(float)  # full of ties
    dout = rng.normal(size=(2, 3, 5, 6))
    rows, cols = regions_of(impl, shape, param, seed)
    expected, places = pooled(x, rows, cols, overlapping)
    dx = np.zeros(shape)
    for n, c, i, j in np.ndindex(dout.shape):
        dx[n, c][tuple(places[n, c, i, j])] += dout[n, c, i, j]

    out, cache = impl.fractional_max_pool_forward(x, param, source(impl, seed))
    assert (out == expected).all()
    assert relative_difference(impl.fractional_max_pool_backward(dout, cache), dx) < 1e-15


@for_both
@pytest.mark.parametrize("overlapping", [False, True])
def test_pooling_backward_against_centred_differences(impl, overlapping):
    rng = np.random.default_rng(0)
    x, dout = (
        rng.permutation(2.0 * np.arange(70)).reshape(1, 2, 5, 7),
        rng.normal(size=(1, 2, 3, 5)),
    )
    param = {"height": 3, "width": 5, "overlapping": overlapping}
    _, cache = impl.fractional_max_pool_forward(x, param, source(impl, 4))

    def loss(x):
        return float((impl.fractional_max_pool_forward(x, param, source(impl, 4))[0] * dout).sum())

    dx = impl.fractional_max_pool_backward(dout, cache)
    assert relative_difference(dx, numerical_gradient(loss, x)) < 1e-8


@for_both
def test_rows_and_columns_are_drawn_anew_each_on_its_own(impl):
    param = {"height": 11, "width": 11}
    rng = source(impl, 0)
    seen = []
    for _ in range(60):
        out, _ = impl.fractional_max_pool_forward(ramp((1, 1, 16, 16)), param, rng)
        rows, cols = np.divmod(out[0, 0].astype(int), 16)
        seen.append((tuple(rows[:, 0]), tuple(cols[0])))
    rows, cols = (set(axis) for axis in zip(*seen, strict=True))
    assert len(rows) > 5 and len(cols) > 5  # of eleven; P(fewer) < 1e-15
    assert sum(r == c for r, c in seen) < 30


@for_both
@pytest.mark.parametrize("overlapping", [False, True])
def test_the_mean_of_many_draws_is_the_expectation(impl, overlapping):
    rng = np.random.default_rng(5)
    x = rng.uniform(size=(1, 1, 5, 7))
    expected = np.zeros((3, 5))
    for (rows, p), (cols, q) in itertools.product(sequences(5, 3).items(), sequences(7, 5).items()):
        expected += p * q * pooled(x, rows, cols, overlapping)[0][0, 0]
    param, draws = {"height": 3, "width": 5, "overlapping": overlapping}, 4000
    out = impl.fractional_max_pool_expectation(x, param, draws, source(impl, 0))
    assert abs(out[0, 0] - expected).max() < binomial_margin(draws)
    one = impl.fractional_max_pool_forward(x, param, source(impl, 0))[0]
    assert abs(one[0, 0] - expected).max() > binomial_margin(draws), "noise that the mean removes"


@for_both
@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("kind", ["pseudo-random", "random"])
def test_the_tuned_form_is_the_readable_one(impl, overlapping, kind):
    x = np.random.default_rng(0).normal(size=(3, 2, 9, 14))
    param = {"height": 6, "width": 8, "kind": kind, "overlapping": overlapping}
    fast = Implementation("tuned", tuned, impl.tensors)
    for seed in range(5):
        ours, cache = impl.fractional_max_pool_forward(x, param, source(impl, seed))
        theirs, other = fast.fractional_max_pool_forward(x, param, source(impl, seed))
        assert (ours == theirs).all() and ours.std() > 0
        dx, again = (impl.fractional_max_pool_backward(ours, c) for c in (cache, other))
        assert (dx == again).all()


def test_the_shape_is_that_of_the_built_in():
    x = torch.rand(2, 3, 16, 25)
    built_in = torch.nn.functional.fractional_max_pool2d(x, 2, output_size=(11, 18))
    param = {"height": 11, "width": 18}
    assert (
        in_torch.fractional_max_pool_forward(x, param, torch.Generator())[0].shape == built_in.shape
    )


# ---------------------------------------------------------------------------------- depth


@for_both
def test_survival_falls_in_equal_steps_and_not_from_one(impl):
    p = impl.survival_probabilities(24, 0.5)
    assert relative_difference(p, np.linspace(1, 0.5, 25)[1:]) < 1e-15
    assert (impl.survival_probabilities(7, 1.0) == 1).all()


def depth(**options):
    return {"p": 0.8, **options}


@for_both
@pytest.mark.parametrize("scale", ["test", "train"])
@pytest.mark.parametrize("mode", ["batch", "row"])
def test_branches_are_kept_whole_or_left_out(impl, mode, scale):
    rng = np.random.default_rng(0)
    x, branch = rng.normal(size=(2, 5, 3, 4))
    share = 1 / 0.8 if scale == "train" else 1.0
    kept = []
    for seed in range(2000):
        param = depth(mode=mode, scale=scale)
        out, _ = impl.stochastic_depth_forward(x, branch, param, source(impl, seed))
        whole = np.isclose(out, x + share * branch).all(axis=(1, 2))  # (5,)
        assert (whole | (out == x).all(axis=(1, 2))).all()
        kept.append(whole)
    kept = np.array(kept)  # (2000, 5)
    assert (abs(kept.mean(axis=0) - 0.8) < binomial_margin(2000)).all()
    alike = (kept == kept[:, :1]).all(axis=1)
    assert alike.all() if mode == "batch" else 0 < alike.sum() < 2000


@for_both
@pytest.mark.parametrize("mode", ["batch", "row"])
def test_test_time_is_the_expectation_of_training(impl, mode):
    rng = np.random.default_rng(1)
    x, branch = rng.normal(size=(2, 4, 3))
    for scale in ("test", "train"):
        param = depth(mode=mode, scale=scale)
        test, _ = impl.stochastic_depth_forward(x, branch, {**param, "training": False}, None)
        right = x + (0.8 * branch if scale == "test" else branch)
        assert relative_difference(test, right) < 1e-15


@for_both
@pytest.mark.parametrize("scale", ["test", "train"])
@pytest.mark.parametrize("training", [True, False])
def test_stochastic_depth_backward_against_centred_differences(impl, training, scale):
    rng = np.random.default_rng(2)
    x, branch, dout = rng.normal(size=(3, 6, 4))
    param = depth(mode="row", scale=scale, training=training)

    def run(x, branch):
        return impl.stochastic_depth_forward(x, branch, param, source(impl, 3))

    dx, dbranch = impl.stochastic_depth_backward(dout, run(x, branch)[1])
    for gradient, loss, at in (
        (dx, lambda a: float((run(a, branch)[0] * dout).sum()), x),
        (dbranch, lambda a: float((run(x, a)[0] * dout).sum()), branch),
    ):
        assert relative_difference(gradient, numerical_gradient(loss, at)) < 1e-8


@for_both
def test_a_network_of_linear_blocks_at_test_time_is_the_mean_over_all_depths(impl):
    """Enumerated: 2⁵ ways to leave blocks out."""
    rng = np.random.default_rng(3)
    factors, x = rng.normal(size=5), rng.normal(size=(4, 3))
    blocks = [lambda x, f=f: f * x for f in factors.tolist()]
    p = in_numpy.survival_probabilities(5, 0.4)
    expected = np.zeros((4, 3))
    for kept in itertools.product((0, 1), repeat=5):
        probability = np.prod(np.where(kept, p, 1 - p))
        expected += probability * x * np.prod(1 + np.array(kept) * factors)
    out = impl.stochastic_depth_network(x, blocks, 0.4, False, "batch", None)
    assert relative_difference(out, expected) < 1e-12


@for_both
def test_a_network_in_training_takes_every_depth(impl):
    """Each block adds its own power of two: the output names the blocks that were there."""
    blocks = [lambda x, k=k: 2.0**k + 0 * x for k in range(4)]
    rng, draws = source(impl, 0), 3000
    outs = [
        impl.stochastic_depth_network(np.zeros((1, 1)), blocks, 0.4, True, "batch", rng).item()
        for _ in range(draws)
    ]
    kept = np.array(outs, int)[:, None] >> np.arange(4) & 1
    assert (abs(kept.mean(axis=0) - [0.85, 0.7, 0.55, 0.4]) < binomial_margin(draws)).all()
    assert len(set(outs)) == 16


# ---------------------------------------------------------------------------------- both


@for_both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_follow_the_input_and_inputs_stay(impl, dtype):
    arrays, rng = layer(0, dtype=dtype), np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 5, 7)).astype(dtype)
    kept = [a.copy() for a in (*arrays, x)]
    param, p = {"height": 3, "width": 5, "overlapping": True}, {"p": 0.7, "scale": "train"}
    out, cache = impl.dropconnect_forward(*arrays, 0.6, source(impl, 0))
    pool, pool_cache = impl.fractional_max_pool_forward(x, param, source(impl, 0))
    block, block_cache = impl.stochastic_depth_forward(x, x, p, source(impl, 0))
    results = [
        *(out, pool, block),
        *impl.dropconnect_backward(out, cache),
        *impl.dropconnect_moments(*arrays, 0.6),
        impl.dropconnect_inference(*arrays, 0.6, 3, source(impl, 0)),
        impl.dropconnect_closed_form(*arrays, 0.6),
        impl.fractional_max_pool_backward(pool, pool_cache),
        impl.fractional_max_pool_expectation(x, param, 3, source(impl, 0)),
        *impl.stochastic_depth_backward(block, block_cache),
        impl.stochastic_depth_network(x, [lambda x: x] * 3, 0.5, False, "row", None),
        impl.stochastic_depth_network(x, [lambda x: x] * 3, 0.5, True, "row", source(impl, 0)),
    ]
    assert {np.asarray(result).dtype for result in results} == {np.dtype(dtype)}
    for before, after in zip(kept, (*arrays, x), strict=True):
        assert (before == after).all()


def test_the_frameworks_agree_where_nothing_is_random():
    arrays, x = layer(4), np.random.default_rng(4).normal(size=(2, 6))
    calls = {
        "dropconnect_moments": (*arrays, 0.3),
        "dropconnect_closed_form": (*arrays, 0.3),
        "dropconnect_mean_network": (*arrays, 0.3),
        "pooling_boundaries": (16, 11, 0.37),
        "stochastic_depth_forward": (x, x[::-1], {"p": 0.3, "training": False}, None),
    }
    for name, arguments in calls.items():
        ours, theirs = (getattr(impl, name)(*arguments) for impl in IMPLEMENTATIONS)
        for a, b in zip(np.atleast_1d(ours[0]), np.atleast_1d(theirs[0]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


BAD = [
    (
        "dropconnect_forward",
        lambda: (*layer(0), 1.2, None),
        ValueError,
        "p must be between 0 and 1",
    ),
    ("dropconnect_moments", lambda: (layer(0)[0].T, *layer(0)[1:], 0.5), ValueError, "w must have"),
    ("dropconnect_inference", lambda: (*layer(0), 0.5, 0, None), ValueError, "samples must be a"),
    ("pooling_boundaries", lambda: (16, 8, 0.5), ValueError, "choose n_out from 9 to 15"),
    ("pooling_boundaries", lambda: (16, 11, 1.0), ValueError, "u must be at least 0 and below 1"),
    ("pooling_regions", lambda: (16, 16, {}, None), ValueError, "must lie between 1 and 2"),
    (
        "fractional_max_pool_forward",
        lambda: (np.ones((1, 1, 4, 4)), {"height": 3, "width": 3, "kind": "any"}, None),
        ValueError,
        "must be 'pseudo-random' or 'random', got 'any'",
    ),
    (
        "stochastic_depth_forward",
        lambda: (np.ones((2, 3)), np.ones((2, 1)), {"p": 0.5}, None),
        ValueError,
        "branch must have the shape of x",
    ),
    (
        "stochastic_depth_forward",
        lambda: (np.ones((2, 3)), np.ones((2, 3)), {"p": 0.0}, None),
        ValueError,
        "must be greater than 0",
    ),
    (
        "stochastic_depth_forward",
        lambda: (np.ones((2, 3)), np.ones((2, 3)), {"p": 0.5, "mode": "train"}, None),
        ValueError,
        "must be 'batch' or 'row', got 'train'",
    ),
    ("survival_probabilities", lambda: (0, 0.5), ValueError, "L must be a whole number"),
]


@for_both
@pytest.mark.parametrize(("name", "arguments", "error", "message"), BAD)
def test_bad_input_is_told(impl, name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(impl, name)(*arguments())
