"""The recurrent layer: PyTorch's own and its autograd are the oracle."""

import numpy as np
import pytest
import torch
from implementations import relative_difference

from cs231n_lib.gradcheck import numerical_gradient
from cs231n_lib.layers.network import Affine, Network
from cs231n_lib.layers.recurrent import Recurrent
from cs231n_lib.normalization.in_numpy import (
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)

N, T, D, H = 5, 4, 3, 6
LAYER_NORM = layernorm_forward, layernorm_backward
BATCH_NORM = batchnorm_forward, batchnorm_backward
PAIRS = {"none": None, "layer norm": LAYER_NORM, "batch norm": BATCH_NORM}
every_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def recurrent(pair=None, seed=0, dtype=np.float64, **param):
    """Return a layer whose b, or gamma and beta, are not those of the start."""
    rng = np.random.default_rng(seed)
    layer = Recurrent(D, H, rng, pair, dtype, **param)
    for key in layer.params.keys() - {"wx", "wh"}:
        layer.params[key] += 0.5 * rng.normal(size=H).astype(dtype)
    return layer


def problem(seed=1, steps=T, dtype=np.float64):
    """Return sequences, and a gradient of the last state."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, steps, D)).astype(dtype), rng.normal(size=(N, H)).astype(dtype)


def in_pytorch(layer, x, dout, normalize):
    """Return the last state and every gradient, by autograd; `normalize` is done to a tensor."""
    leaves = {k: torch.tensor(v, requires_grad=True) for k, v in {"x": x, **layer.params}.items()}
    h = torch.zeros(N, H, dtype=torch.float64)
    for x_t in leaves["x"].unbind(dim=1):
        h = torch.tanh(normalize(x_t @ leaves["wx"] + h @ leaves["wh"], leaves))
    gradients = torch.autograd.grad(h, list(leaves.values()), torch.from_numpy(dout))
    return h.detach().numpy(), {k: g.numpy() for k, g in zip(leaves, gradients, strict=True)}


def test_it_is_pytorchs_rnn():
    layer, (x, dout) = recurrent(), problem()
    theirs = torch.nn.RNN(D, H, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for name, key in (("weight_ih_l0", "wx"), ("weight_hh_l0", "wh"), ("bias_ih_l0", "b")):
            getattr(theirs, name).copy_(torch.from_numpy(layer.params[key].T))
        theirs.bias_hh_l0.zero_()
    leaf = torch.tensor(x, requires_grad=True)
    last = theirs(leaf)[1][0]
    last.backward(torch.from_numpy(dout))
    assert relative_difference(layer.forward(x), last.detach()) <= 1e-12
    assert relative_difference(layer.backward(dout), leaf.grad) <= 1e-12
    for name, key in (("weight_ih_l0", "wx"), ("weight_hh_l0", "wh"), ("bias_ih_l0", "b")):
        assert relative_difference(layer.grads[key], getattr(theirs, name).grad.numpy().T) <= 1e-12


def test_layer_norm_stands_before_the_tanh_of_every_step():
    layer, (x, dout) = recurrent(LAYER_NORM, eps=0.1), problem()

    def normalize(a, leaves):
        return torch.nn.functional.layer_norm(a, (H,), leaves["gamma"], leaves["beta"], 0.1)

    expected, gradients = in_pytorch(layer, x, dout, normalize)
    assert relative_difference(layer.forward(x), expected) <= 1e-12
    assert relative_difference(layer.backward(dout), gradients["x"]) <= 1e-12
    for key, gradient in layer.grads.items():
        assert relative_difference(gradient, gradients[key]) <= 1e-12


@every_pair
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_every_gradient_is_the_derivative_of_the_loss(pair, steps):
    x, _ = problem(steps=steps)
    y = np.arange(N) % 3
    net = Network([recurrent(pair), Affine(H, 3, np.random.default_rng(2), dtype=np.float64)])
    _, gradients = net.loss_and_gradients(x, y)
    for name, array in net.params.items():

        def loss(values, array=array):
            array[...] = values
            return net.loss_and_gradients(x, y)[0]

        start = array.copy()
        expected = numerical_gradient(loss, start.copy())
        array[...] = start
        if steps == 1 and name == "recurrent1.wh":
            assert not gradients[name].any()  # the first state is zero
        else:
            assert relative_difference(gradients[name], expected) <= 1e-6


def test_layer_norm_does_the_same_in_both_modes_whatever_the_length():
    layer = recurrent(LAYER_NORM)
    layer.forward(problem(steps=2)[0])
    x, _ = problem(steps=9)
    layer.training = False
    tested = layer.forward(x)
    alone = layer.forward(x[:1])
    layer.training = True
    np.testing.assert_array_equal(tested, layer.forward(x))
    np.testing.assert_allclose(alone[0], tested[0], rtol=1e-12)


def test_batch_norm_keeps_statistics_of_every_step_and_borrows_the_last():
    layer = recurrent(BATCH_NORM, momentum=0.0)
    x, _ = problem(steps=3)
    trained = layer.forward(x)
    means = [param["running_mean"] for param in layer.steps_param]
    assert len(means) == 3 and np.abs(means[1] - means[2]).min() > 0
    layer.training = False
    np.testing.assert_allclose(layer.forward(x), trained, rtol=1e-6)  # its own batch statistics
    longer, _ = problem(steps=6)
    layer.forward(longer)
    assert len(layer.steps_param) == 3
    assert layer.steps_param[2]["mode"] == "test"


@every_pair
def test_float32_stays_and_nothing_is_written_to(pair):
    layer, (x, dout) = recurrent(pair, dtype=np.float32), problem(dtype=np.float32)
    before = [a.copy() for a in (x, dout, *layer.params.values())]
    results = layer.forward(x), layer.backward(dout), *layer.grads.values()
    assert {r.dtype for r in results} == {np.dtype(np.float32)}
    assert layer.grads.keys() == layer.params.keys()
    for a, b in zip((x, dout, *layer.params.values()), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(N, T), (N, T, D + 1), (N, 1, 2, D)])
def test_what_is_no_sequence_is_refused(shape):
    with pytest.raises(ValueError, match=r"x must have shape \(N, T, 3\), got shape"):
        recurrent().forward(np.ones(shape))
