"""Layers: the framework's built-ins and autograd are the oracle, for NumPy and PyTorch alike."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cs231n_lib.gradcheck import check_gradients, numerical_gradient, relative_error
from cs231n_lib.layers import in_numpy, in_torch
from cs231n_lib.layers.network import (
    Affine,
    Conv,
    Flatten,
    MaxPool,
    Network,
    Noise,
    Normalization,
    ReLU,
)

TOLERANCE = 1e-10  # relative, float64: sums of at most a few thousand terms


class OnTensors:
    """The functions of `in_torch`, called with and answering in arrays."""

    def __getattr__(self, name):
        function = getattr(in_torch, name)
        return lambda *args: _to_arrays(function(*_to_tensors(args)))


def _to_tensors(value):
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return tuple(map(_to_tensors, value)) if isinstance(value, tuple) else value


def _to_arrays(value):
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.Size):
        return value.numpy()
    if isinstance(value, tuple) and not isinstance(value, torch.Size):
        return tuple(map(_to_arrays, value))
    return value


both = pytest.mark.parametrize("layers", [in_numpy, OnTensors()], ids=["numpy", "torch"])
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 4)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def autograd(function, inputs, dout):
    """Return out and the gradients of sum(dout · out) by PyTorch, in float64."""
    tensors = [torch.tensor(value, requires_grad=True) for value in inputs]
    out = function(*tensors)
    out.backward(torch.as_tensor(dout(out.shape) if callable(dout) else dout))
    return out.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


def assert_agrees(forward, backward, builtin, inputs, options, seed):
    """Compare a pair with a built-in, and see that it changes none of its inputs."""
    before = [value.copy() for value in inputs]
    dout = normal(seed + 1, *forward(*inputs, *options)[0].shape)
    dout_before = dout.copy()
    expected, expected_gradients = autograd(builtin, inputs, dout)
    out, cache = forward(*inputs, *options)
    gradients = backward(dout, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for seen, wanted in zip([out, *gradients], [expected, *expected_gradients], strict=True):
        assert relative_error(seen, wanted) < TOLERANCE
    for array, copy in zip([*inputs, dout], [*before, dout_before], strict=True):
        np.testing.assert_array_equal(array, copy)


# --------------------------------------------------------------------------- against the built-ins


@both
@given(seed=seeds, n=sizes, rest=st.lists(sizes, max_size=3), m=sizes)
def test_affine(layers, seed, n, rest, m):
    x = normal(seed, n, *rest)
    d = x[0].size
    inputs = [x, normal(seed + 1, d, m), normal(seed + 2, m)]
    assert_agrees(
        layers.affine_forward,
        layers.affine_backward,
        lambda x, w, b: F.linear(x.reshape(len(x), -1), w.T, b),
        inputs,
        (),
        seed,
    )


@both
@given(seed=seeds, shape=st.lists(sizes, min_size=1, max_size=4))
def test_relu(layers, seed, shape):
    x = normal(seed, *shape)
    assert_agrees(layers.relu_forward, layers.relu_backward, F.relu, [x], (), seed)


@both
@given(
    seed=seeds,
    n=sizes,
    channels=st.tuples(sizes, sizes),
    filters=st.tuples(sizes, sizes),
    extra=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    stride=st.integers(1, 3),
    pad=st.integers(0, 2),
)
def test_conv(layers, seed, n, channels, filters, extra, stride, pad):
    (c, f), (kh, kw) = channels, filters
    x = normal(seed, n, c, max(1, kh + extra[0] - 2 * pad), max(1, kw + extra[1] - 2 * pad))
    inputs = [x, normal(seed + 1, f, c, kh, kw), normal(seed + 2, f)]
    assert_agrees(
        layers.conv_forward,
        layers.conv_backward,
        lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=pad),
        inputs,
        ({"stride": stride, "pad": pad},),
        seed,
    )


@both
@given(
    seed=seeds,
    n=sizes,
    c=sizes,
    window=st.tuples(sizes, sizes),
    extra=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    stride=st.integers(1, 4),
)
def test_max_pool(layers, seed, n, c, window, extra, stride):
    x = normal(seed, n, c, window[0] + extra[0], window[1] + extra[1])
    param = {"pool_height": window[0], "pool_width": window[1], "stride": stride}
    assert_agrees(
        layers.max_pool_forward,
        layers.max_pool_backward,
        lambda x: F.max_pool2d(x, window, stride),
        [x],
        (param,),
        seed,
    )


@both
@pytest.mark.parametrize("name", ["softmax_loss", "svm_loss"])
@given(seed=seeds, n=sizes, classes=st.integers(2, 6), scale=st.sampled_from([1.0, 100.0]))
def test_losses(layers, name, seed, n, classes, scale):
    scores = scale * normal(seed, n, classes)
    y = np.random.default_rng(seed).integers(0, classes, n)
    builtin = {
        "softmax_loss": lambda s: F.cross_entropy(s, torch.from_numpy(y)),
        # PyTorch divides by the number of classes.
        "svm_loss": lambda s: classes * F.multi_margin_loss(s, torch.from_numpy(y)),
    }[name]
    before = scores.copy()
    expected, (dexpected,) = autograd(builtin, [scores], lambda shape: torch.ones(shape))
    loss, dscores = getattr(layers, name)(scores, y)
    assert relative_error(loss, expected) < TOLERANCE
    assert np.abs(dscores - dexpected).max() < TOLERANCE
    np.testing.assert_array_equal(scores, before)


# --------------------------------------------------------------------------- awkward inputs


CASES = {
    "affine": ([(3, 4), (4, 5), (5,)], ()),
    "relu": ([(3, 4)], ()),
    "conv": ([(2, 3, 5, 4), (4, 3, 3, 2), (4,)], ({"stride": 2, "pad": 1},)),
    "max_pool": ([(2, 3, 5, 4)], ({"pool_height": 3, "pool_width": 2, "stride": 1},)),
}


def pair(layers, name):
    return getattr(layers, f"{name}_forward"), getattr(layers, f"{name}_backward")


@both
@pytest.mark.parametrize("name", CASES)
def test_views_give_what_copies_give(layers, name):
    shapes, options = CASES[name]
    copies = [normal(k, *shape) for k, shape in enumerate(shapes)]
    views = [np.repeat(copy, 2, axis=-1)[..., ::2] for copy in copies]
    assert not any(view.flags.contiguous for view in views)
    forward, backward = pair(layers, name)
    out, cache = forward(*copies, *options)
    out_of_views, cache_of_views = forward(*views, *options)
    np.testing.assert_allclose(out_of_views, out, rtol=1e-12)
    dout = normal(9, *out.shape)
    results = backward(dout, cache), backward(np.repeat(dout, 2, axis=0)[::2], cache_of_views)
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_the_dtype_stays(layers, name, dtype):
    shapes, options = CASES[name]
    forward, backward = pair(layers, name)
    out, cache = forward(*(normal(1, *shape).astype(dtype) for shape in shapes), *options)
    gradients = backward(out, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert {array.dtype for array in (out, *gradients)} == {np.dtype(dtype)}


@both
@pytest.mark.parametrize("name", ["softmax_loss", "svm_loss"])
def test_the_dtype_of_a_losss_gradient_stays(layers, name):
    scores = normal(0, 3, 4).astype(np.float32)
    assert getattr(layers, name)(scores, np.array([0, 1, 3]))[1].dtype == np.float32


@both
def test_a_tie_sends_its_gradient_to_one_maximum(layers):
    _, cache = layers.max_pool_forward(np.zeros((1, 1, 4, 4)), {})
    dout = 1 + np.arange(4.0).reshape(1, 1, 2, 2)
    dx = layers.max_pool_backward(dout, cache)
    assert sorted(dx[dx != 0]) == [1, 2, 3, 4]
    windows = dx.reshape(2, 2, 2, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(windows, dout[0, 0])


@both
def test_a_pixel_collects_from_every_window_it_wins(layers):
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    _, cache = layers.max_pool_forward(x, {"stride": 1})
    dx = layers.max_pool_backward(np.array([[[[1.0, 2], [4, 8]]]]), cache)
    assert dx[0, 0, 1, 1] == 15 and np.count_nonzero(dx) == 1


@both
def test_large_scores_do_not_overflow(layers):
    loss, dscores = layers.softmax_loss(np.array([[1e4, 0.0, -1e4]]), np.array([1]))
    assert loss == 1e4
    np.testing.assert_array_equal(dscores, [[1, -1, 0]])


@both
def test_what_does_not_fit_is_refused(layers):
    x = np.ones((2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"one row for each of the 48 numbers .* shape \(3, 5\)"):
        layers.affine_forward(x, np.ones((3, 5)), np.ones(5))
    with pytest.raises(ValueError, match=r"w must have shape .* with C = 3 as in x"):
        layers.conv_forward(x, np.ones((5, 4, 3, 3)), np.ones(5), {})
    with pytest.raises(ValueError, match=r"window of 5×5 and an image of 4×4; pad more"):
        layers.conv_forward(x, np.ones((5, 3, 5, 5)), np.ones(5), {})
    with pytest.raises(ValueError, match=r"'stride'\] must be a whole number of at least 1, got 0"):
        layers.conv_forward(x, np.ones((5, 3, 3, 3)), np.ones(5), {"stride": 0})
    with pytest.raises(ValueError, match=r"window of 5×2 and an image of 4×4"):
        layers.max_pool_forward(x, {"pool_height": 5})
    with pytest.raises(ValueError, match=r"unknown key 'size'"):
        layers.max_pool_forward(x, {"size": 2})


def test_numpy_and_pytorch_have_the_same_functions_in_the_same_order():
    def public(module):
        return [
            (name, list(inspect.signature(function).parameters))
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if inspect.getmodule(function) is module and not name.startswith("_")
        ]

    def in_order(module):
        source = inspect.getsource(module)
        return sorted((name for name, _ in public(module)), key=lambda n: source.index(f"def {n}("))

    assert public(in_numpy) == public(in_torch)
    assert in_order(in_numpy) == in_order(in_torch)
    assert len(in_order(in_numpy)) == 10


# --------------------------------------------------------------------------- on a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_layers_stay_on_the_gpu(name, dtype):
    shapes, options = CASES[name]
    forward, backward = pair(in_torch, name)
    arrays = [torch.from_numpy(normal(k, *shape)).to(dtype) for k, shape in enumerate(shapes)]
    out, cache = forward(*(array.cuda() for array in arrays), *options)
    gradients = backward(out, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert {(a.device.type, a.dtype) for a in (out, *gradients)} == {("cuda", dtype)}
    if dtype == torch.float64:
        expected, cache = forward(*arrays, *options)
        assert relative_error(out.cpu(), expected) < TOLERANCE
        wanted = backward(expected, cache)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for seen, right in zip(gradients, wanted, strict=True):
            assert relative_error(seen.cpu(), right) < TOLERANCE


# --------------------------------------------------------------------------- the network


def scale_forward(x, gamma, beta, param):
    """Stand for a student's normalization; it counts its training batches."""
    if param["mode"] == "train":
        param["seen"] = param.get("seen", 0) + 1
    return gamma * x + beta, (x, gamma, param["mode"])


def scale_backward(dout, cache):
    """The gradient of `scale_forward`."""
    x, gamma, _ = cache
    axes = tuple(k for k in range(x.ndim) if k != 1)
    dgamma = (dout * x).sum(axis=axes).reshape(gamma.shape)
    return dout * gamma, dgamma, dout.sum(axis=axes).reshape(gamma.shape)


def small_network(dtype=np.float64, penalty=None):
    rng = np.random.default_rng(0)
    return Network(
        [
            Conv(1, 2, 3, rng, dtype=dtype),
            Normalization(scale_forward, scale_backward, (1, 2, 1, 1), dtype, extra=1),
            ReLU(),
            MaxPool(2),
            Flatten(),
            Affine(2 * 3 * 2, 5, rng, dtype=dtype),
            Normalization(scale_forward, scale_backward, 5, dtype),
            Affine(5, 4, rng, scale=0.5, dtype=dtype),
        ],
        penalty=penalty,
    )


IMAGES, CLASSES = normal(3, 7, 1, 6, 4), np.arange(7) % 4


def fourth_powers(w):
    """A penalty: 0.1 Σ w⁴, and its gradient."""
    return 0.1 * (w**4).sum(), 0.4 * w**3


@pytest.mark.parametrize("penalty", [None, fourth_powers])
def test_every_gradient_of_a_network_is_the_derivative_of_its_loss(penalty):
    net = small_network(penalty=penalty)
    _, gradients = net.loss_and_gradients(IMAGES, CLASSES)
    assert list(gradients) == list(net.params)
    for name, w in net.params.items():

        def loss(value, w=w):
            kept = w.copy()
            w[...] = value
            result = net.loss_and_gradients(IMAGES, CLASSES)[0]
            w[...] = kept
            return result

        kept = gradients[name].copy()
        assert np.abs(kept).max() > 1e-6  # there is something to compare
        assert relative_error(kept, numerical_gradient(loss, w)) < 1e-6, name


def test_a_penalty_is_for_weight_matrices_alone():
    plain, punished = small_network(), small_network(penalty=fourth_powers)
    weights = [name for name in plain.params if name.endswith(".w")]
    loss, gradients = plain.loss_and_gradients(IMAGES, CLASSES)
    total, changed = punished.loss_and_gradients(IMAGES, CLASSES)
    assert weights == ["conv1.w", "affine1.w", "affine2.w"]
    assert total - loss == pytest.approx(sum(0.1 * (plain.params[n] ** 4).sum() for n in weights))
    assert [n for n in gradients if (gradients[n] != changed[n]).any()] == weights
    assert all(changed[name] is punished.grads[name] for name in changed)


def test_noise_is_for_training():
    seen = []

    def forward(x, param):
        seen.append(dict(param))
        return (x + 1 if param["mode"] == "train" else x), 3.0

    net = Network([Noise(forward, lambda dout, cache: cache * dout, p=0.5)])
    assert (net.scores(np.zeros(2)) == 1).all() and (net.eval().scores(np.zeros(2)) == 0).all()
    assert seen == [{"p": 0.5, "mode": "train"}, {"p": 0.5, "mode": "test"}]
    assert net.layers[0].backward(2.0) == 6.0


def test_parameters_are_named_by_layer_and_shared_with_it():
    net = small_network()
    assert net.names == [
        *("conv1", "normalization1", "relu1", "maxpool1"),
        *("flatten1", "affine1", "normalization2", "affine2"),
    ]
    net.params["affine2.b"][...] = 7
    np.testing.assert_array_equal(net.layers[-1].params["b"], np.full(4, 7))


def test_modes_reach_the_students_functions():
    net = small_network()
    normalizations = [net.layers[1], net.layers[6]]
    assert net.eval() is net
    net.scores(IMAGES)
    assert [layer.param["mode"] for layer in normalizations] == ["test", "test"]
    assert net.train() is net
    net.scores(IMAGES)
    assert [layer.param for layer in normalizations] == [
        {"mode": "train", "seen": 1, "extra": 1},
        {"mode": "train", "seen": 1},
    ]


def test_no_gradients_in_test_mode():
    with pytest.raises(RuntimeError, match=r"call net\.train\(\) first"):
        small_network().eval().loss_and_gradients(IMAGES, CLASSES)


def test_scores_activations_and_accuracy_agree():
    net = small_network().eval()
    scores = net.scores(IMAGES)
    outputs = net.activations(IMAGES)
    assert list(outputs) == net.names
    np.testing.assert_array_equal(outputs["affine2"], scores)
    for right in range(8):  # of 7: the last example is the last to be right
        labels = np.where(np.arange(7) >= 7 - right, scores.argmax(axis=1), 4)
        assert net.accuracy(IMAGES, labels) == right / 7
        assert net.accuracy(IMAGES, labels, batch_size=2) == right / 7


def test_the_initial_scale():
    rng = np.random.default_rng(0)
    for layer, expected in [
        (Affine(200, 300, rng), np.sqrt(2 / 200)),
        (Affine(200, 300, rng, scale=0.3), 0.3),
        (Conv(20, 60, 5, rng), np.sqrt(2 / 500)),
    ]:
        w = layer.params["w"]
        assert w.dtype == np.float32
        # The standard deviation of n normal numbers has a relative error of about 1 / sqrt(2n).
        assert abs(w.std() / expected - 1) < 6 / np.sqrt(2 * w.size)
    assert Affine(3, 2, rng, scale=0).params["w"].any() == np.False_
    with pytest.raises(ValueError, match="scale must be at least 0, got -1"):
        Affine(3, 2, rng, scale=-1)


@pytest.mark.parametrize("name", CASES)
def test_centred_differences(name):
    shapes, options = CASES[name]
    inputs = {f"input {k}": normal(k + 5, *shape) for k, shape in enumerate(shapes)}
    report = check_gradients(*pair(in_numpy, name), inputs, *options)
    assert report.ok, report
