"""The family `getting_started`: laws and an oracle for its one function."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from cs231n_lib.getting_started.in_numpy import unit_rows


@given(n=st.integers(1, 6), d=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_rows_equal_scikit_learns_normalization(n, d, seed):
    x = np.random.default_rng(seed).normal(size=(n, d)) + 0.1
    expected = normalize(x)
    assert np.linalg.norm(expected) == pytest.approx(np.sqrt(n))
    np.testing.assert_allclose(unit_rows(x), expected, rtol=1e-14)


def test_length_of_a_row_does_not_matter():
    x = np.random.default_rng(0).normal(size=(4, 3))
    scale = np.array([[1e-3], [0.5], [2.0], [1e6]])
    np.testing.assert_allclose(unit_rows(scale * x), unit_rows(x), rtol=1e-14)


def test_zero_rows_stay_zero_and_do_not_disturb_others():
    x = np.array([[0.0, 0.0], [0.0, -2.0]])
    np.testing.assert_array_equal(unit_rows(x), [[0, 0], [0, -1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_follows_x_and_x_is_not_changed(dtype):
    x = np.arange(12, dtype=dtype).reshape(4, 3)[::2]
    before = x.copy()
    out = unit_rows(x)
    assert out.dtype == dtype
    assert not np.shares_memory(out, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones(3), ValueError, r"unit_rows: x must have shape \(N, D\), got shape \(3,\)"),
        (np.ones((2, 2), int), TypeError, r"unit_rows: x must hold floats"),
        ([[1.0]], TypeError, r"unit_rows: x must be a NumPy array or a PyTorch tensor"),
    ],
)
def test_bad_input_is_refused_with_what_came(x, error, message):
    with pytest.raises(error, match=message):
        unit_rows(x)
