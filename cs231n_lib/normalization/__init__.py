r"""Normalization (slides 11–19): every layer here is *standardize, then scale and shift*.

Shapes: :math:`x` is (N, D) for fully connected layers and (N, C, H, W) for images.
Batch norm takes its statistics per feature (per channel), over everything else; the other layers
take them within one example, and so do the same thing at train and at test time.

Batch normalization, slides 12–14 (Ioffe & Szegedy 2015, arXiv:1502.03167):

.. math::
    \mu_j &= \tfrac1N \sum_i x_{ij}                                             && \text{(BN.1)} \\
    \sigma^2_j &= \tfrac1N \sum_i (x_{ij} - \mu_j)^2                            && \text{(BN.2)} \\
    \hat x_{ij} &= (x_{ij} - \mu_j) \, / \, \sqrt{\sigma^2_j + \varepsilon}     && \text{(BN.3)} \\
    y_{ij} &= \gamma_j \hat x_{ij} + \beta_j                                    && \text{(BN.4)}

Running statistics, for test time (slide 13), with momentum :math:`\rho`:

.. math::
    r_\mu &\leftarrow \rho \, r_\mu + (1 - \rho) \, \mu                         && \text{(BN.5)} \\
    r_{\sigma^2} &\leftarrow \rho \, r_{\sigma^2} + (1 - \rho) \, \sigma^2      && \text{(BN.6)}

This is the opposite of PyTorch's momentum, and :math:`\sigma^2` is the biased variance
(PyTorch keeps the unbiased one). Started at zero, a running statistic after t batches is too
small by a known factor:

.. math::
    \tilde r = r \, / \, (1 - \rho^t)                                           && \text{(BN.7)}

The backward pass, step by step along the computation graph, with :math:`s = \sqrt{\sigma^2 +
\varepsilon}` and :math:`g` the gradient of the loss with respect to :math:`y`:

.. math::
    d\beta_j &= \sum_i g_{ij}                                                   && \text{(BN.8)} \\
    d\gamma_j &= \sum_i g_{ij} \hat x_{ij}                                      && \text{(BN.9)} \\
    d\hat x_{ij} &= g_{ij} \gamma_j                                             && \text{(BN.10)} \\
    d\sigma^2_j &= -\tfrac12 s_j^{-3} \sum_i d\hat x_{ij} (x_{ij} - \mu_j)      && \text{(BN.11)} \\
    d\mu_j &= -s_j^{-1} \sum_i d\hat x_{ij}                                     && \text{(BN.12)} \\
    dx_{ij} &= s_j^{-1} d\hat x_{ij}
               + \tfrac2N (x_{ij} - \mu_j) \, d\sigma^2_j + \tfrac1N d\mu_j     && \text{(BN.13)}

and simplified, with everything put together:

.. math::
    dx_{ij} = \frac{\gamma_j}{s_j}
              \Bigl(g_{ij} - \tfrac1N d\beta_j - \tfrac1N \hat x_{ij} \, d\gamma_j\Bigr)
                                                                                && \text{(BN.14)}

Consequences. At test time batch norm is affine, so it folds into the affine layer before it:

.. math::
    W' = W \, \gamma / s, \qquad b' = (b - r_\mu) \, \gamma / s + \beta         && \text{(BN.15)}

The output ignores the length of each column w of W, hence :math:`\langle w, \partial L/\partial
w\rangle = 0`: a gradient step can only lengthen w, L2 (slide 70, without ½) only shortens it, and
what matters is the rate that the *direction* of w sees (van Laarhoven 2017, arXiv:1706.05350):

.. math::
    \lVert w' \rVert^2 &= (1 - 2 \alpha \lambda)^2 \lVert w \rVert^2
                          + \alpha^2 \lVert \partial L / \partial w \rVert^2   && \text{(BN.16)} \\
    \alpha_\text{eff} &= \alpha \, / \, \lVert w' \rVert^2                       && \text{(BN.17)}

Layer normalization, slide 15 (Ba, Kiros & Hinton 2016, arXiv:1607.06450): the mean over the
features j of one example i, and a scale and a shift for each feature as before:

.. math::
    \mu_i &= \tfrac1D \sum_j x_{ij}                                             && \text{(LN.1)} \\
    \sigma^2_i &= \tfrac1D \sum_j (x_{ij} - \mu_i)^2                            && \text{(LN.2)} \\
    \hat x_{ij} &= (x_{ij} - \mu_i) \, / \, \sqrt{\sigma^2_i + \varepsilon}     && \text{(LN.3)} \\
    y_{ij} &= \gamma_j \hat x_{ij} + \beta_j                                    && \text{(LN.4)}

Backwards, :math:`\gamma` stays inside the means, because they run over features that have
different ones:

.. math::
    d\beta_j &= \sum_i g_{ij}                                                   && \text{(LN.5)} \\
    d\gamma_j &= \sum_i g_{ij} \hat x_{ij}                                      && \text{(LN.6)} \\
    d\hat x_{ij} &= g_{ij} \gamma_j                                             && \text{(LN.7)} \\
    dx_{ij} &= s_i^{-1} \Bigl(d\hat x_{ij} - \tfrac1D \sum_k d\hat x_{ik}
               - \hat x_{ij} \, \tfrac1D \sum_k d\hat x_{ik} \hat x_{ik}\Bigr)  && \text{(LN.8)}

Instance normalization, slide 16 (Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096): the mean
over the P = H·W pixels p of one channel c of one image n:

.. math::
    \mu_{nc} &= \tfrac1P \sum_p x_{ncp}                                         && \text{(IN.1)} \\
    \sigma^2_{nc} &= \tfrac1P \sum_p (x_{ncp} - \mu_{nc})^2                     && \text{(IN.2)} \\
    \hat x_{ncp} &= (x_{ncp} - \mu_{nc}) \, / \, \sqrt{\sigma^2_{nc} + \varepsilon}
                                                                                && \text{(IN.3)} \\
    y_{ncp} &= \gamma_c \hat x_{ncp} + \beta_c                                  && \text{(IN.4)}

Here all pixels of a mean share one :math:`\gamma_c`, which comes out in front, as in batch norm:

.. math::
    d\beta_c &= \sum_{n,p} g_{ncp}                                              && \text{(IN.5)} \\
    d\gamma_c &= \sum_{n,p} g_{ncp} \hat x_{ncp}                                && \text{(IN.6)} \\
    dx_{ncp} &= \frac{\gamma_c}{s_{nc}} \Bigl(g_{ncp} - \tfrac1P \sum_q g_{ncq}
               - \hat x_{ncp} \, \tfrac1P \sum_q g_{ncq} \hat x_{ncq}\Bigr)     && \text{(IN.7)}

Group normalization, slide 18 (Wu & He 2018, arXiv:1803.08494): the C channels form G groups of
C/G neighbours, and k runs over the M = C/G·H·W numbers of one group of one image. With G = 1 it
is layer norm over all of an image, with G = C instance norm:

.. math::
    \mu_{ng} &= \tfrac1M \sum_k x_{ngk}                                         && \text{(GN.1)} \\
    \sigma^2_{ng} &= \tfrac1M \sum_k (x_{ngk} - \mu_{ng})^2                     && \text{(GN.2)} \\
    \hat x_{ngk} &= (x_{ngk} - \mu_{ng}) \, / \, \sqrt{\sigma^2_{ng} + \varepsilon}
                                                                                && \text{(GN.3)} \\
    y_{ncp} &= \gamma_c \hat x_{ncp} + \beta_c                                  && \text{(GN.4)} \\
    d\beta_c &= \sum_{n,p} g_{ncp}                                              && \text{(GN.5)} \\
    d\gamma_c &= \sum_{n,p} g_{ncp} \hat x_{ncp}                                && \text{(GN.6)} \\
    d\hat x_{ncp} &= g_{ncp} \gamma_c                                           && \text{(GN.7)} \\
    dx_{ngk} &= s_{ng}^{-1} \Bigl(d\hat x_{ngk} - \tfrac1M \sum_l d\hat x_{ngl}
               - \hat x_{ngk} \, \tfrac1M \sum_l d\hat x_{ngl} \hat x_{ngl}\Bigr)
                                                                                && \text{(GN.8)}

Decorrelated batch normalization, slide 19 (Huang et al. 2018, arXiv:1804.08450), whitens groups of
K features: every symbol below belongs to one group, :math:`X` is its part of the batch, (N, K), and
:math:`\mathbf 1` a column of ones:

.. math::
    \mu &= \tfrac1N X^\top \mathbf 1, \qquad X_\mu = X - \mathbf 1 \mu^\top     && \text{(DBN.1)} \\
    \Sigma &= \tfrac1N X_\mu^\top X_\mu                                         && \text{(DBN.2)} \\
    \Sigma &= U \, \mathrm{diag}(\lambda) \, U^\top,
              \qquad r_i = \sqrt{\lambda_i + \varepsilon}                       && \text{(DBN.3)} \\
    S &= U \, \mathrm{diag}(1/r) \, U^\top
       = (\Sigma + \varepsilon I)^{-1/2}                                        && \text{(DBN.4)} \\
    \hat X &= X_\mu S                                                           && \text{(DBN.5)} \\
    y_{ij} &= \gamma_j \hat x_{ij} + \beta_j                                    && \text{(DBN.6)} \\
    r_\mu &\leftarrow \rho \, r_\mu + (1 - \rho) \, \mu                         && \text{(DBN.7)} \\
    r_S &\leftarrow \rho \, r_S + (1 - \rho) \, S                               && \text{(DBN.8)}

S, the ZCA matrix, is symmetric and does not depend on the signs or the order of the eigenvectors;
a group of one feature is batch normalization. Backward, with :math:`\circ` for products element by
element. Where a derivation through the eigenvectors divides by :math:`\lambda_i - \lambda_j`, the
root cancels it, and the kernel k stays finite:

.. math::
    d\beta_j &= \sum_i g_{ij}                                                   && \text{(DBN.9)} \\
    d\gamma_j &= \sum_i g_{ij} \hat x_{ij}                                    && \text{(DBN.10)} \\
    d\hat x_{ij} &= g_{ij} \gamma_j                                           && \text{(DBN.11)} \\
    dS &= X_\mu^\top \, d\hat X                                               && \text{(DBN.12)} \\
    d\Sigma &= U \bigl(k \circ U^\top \tfrac12 (dS + dS^\top) U\bigr) U^\top,
               \qquad k_{ij} = \frac{-1}{r_i r_j (r_i + r_j)}                 && \text{(DBN.13)} \\
    dX_\mu &= d\hat X \, S + \tfrac2N X_\mu \, d\Sigma                        && \text{(DBN.14)} \\
    dx_{ij} &= d(x_\mu)_{ij} - \tfrac1N \sum_n d(x_\mu)_{nj}                    && \text{(DBN.15)}

==============  ===================  ========================  =======================
layer           statistics over      one mean per              train = test?
==============  ===================  ========================  =======================
batch norm      N                    feature                   no: running statistics
spatial         N, H, W              channel                   no: running statistics
layer norm      D (or C, H, W)       example                   yes
instance norm   H, W                 example and channel       yes
group norm      C/G, H, W            example and group         yes
decorrelated    N                    feature, K × K a group    no: running statistics
==============  ===================  ========================  =======================
"""

import functools
import math

from cs231n_lib.errors import LIBRARY, at_least, between, divisor, options


def bn_options(size):
    """Return the rule for what `bn_param` may hold, with statistics of shape (`size`,)."""
    known_keys = options(
        {
            "mode": ("train", "test"),
            "eps": at_least(0),
            "momentum": between(0, 1),
            "running_mean": size,
            "running_var": size,
        }
    )

    def check(name, value, known):
        known_keys(name, value, known)
        _require_statistics(name, value, "running_mean", "running_var")

    return check


def _require_statistics(name, param, *keys):
    missing = [key for key in keys if key not in param]
    if param.get("mode") == "test" and missing:
        raise ValueError(
            f"{name} must hold {' and '.join(keys)} in test mode, got no {missing[0]}; call it in "
            "train mode first, with the same dict"
        )


class FromTestMode(tuple):
    """The cache of a forward pass in test mode, of which no backward pass is written."""


def marks_test_mode(function):
    """Let a forward pass with a dict of options return a `FromTestMode` in test mode."""

    @functools.wraps(function)
    def marked(*args, **named):
        out, cache = function(*args, **named)
        param = next(value for value in (*args, *named.values()) if isinstance(value, dict))
        return out, FromTestMode(cache) if param.get("mode") == "test" else cache

    return marked


def of_this_output(name, value, known):
    """Rule: a cache of train mode, from a forward pass with an output of the size of dout."""
    if isinstance(value, FromTestMode):
        raise ValueError(
            f"{name} must come from a forward pass in train mode, got one from test mode; where "
            "the statistics are constants, autograd can follow the forward pass"
        )
    expected = math.prod(value[0].shape)  # the first entry is always like the output
    found = math.prod(size for letter, (size, _) in known.items() if letter != LIBRARY)
    if found != expected:
        raise ValueError(
            f"dout must have the shape of the output that {name} belongs to, {expected} numbers, "
            f"got {found}"
        )


def ln_options():
    """Return what `ln_param`, `in_param` and `gn_param` may hold; a mode changes nothing there."""
    return {"mode": ("train", "test"), "eps": at_least(0)}


def dbn_options(size):
    """Return the rule for what `dbn_param` may hold, for `size` features, such as "D" or "C"."""
    known_keys = options(
        {
            "mode": ("train", "test"),
            "eps": at_least(0),
            "momentum": between(0, 1),
            "group_size": divisor(size),
            "running_mean": size,
            "running_zca": "G K K",
        }
    )

    def check(name, value, known):
        known_keys(name, value, known)
        _require_statistics(name, value, "running_mean", "running_zca")
        features = known[size][0]
        K = value.get("group_size", features)
        expected = features // K, K, K
        if "running_zca" in value and tuple(value["running_zca"].shape) != expected:
            raise ValueError(
                f"{name}['running_zca'] must have shape {expected}, as {size} = {features} is "
                f"whitened in groups of {K}, got shape {tuple(value['running_zca'].shape)}"
            )

    return check


def by_group(x, K):
    """Return x (N, D) as groups (G, N, K) of K neighbouring features."""
    return x.reshape(len(x), -1, K).swapaxes(0, 1)


def side_by_side(groups):
    """Return groups (G, N, K) as x (N, D); the way back from `by_group`."""
    return groups.swapaxes(0, 1).reshape(groups.shape[1], -1)


def zca_kernel(root):
    """Return k (G, K, K) of (DBN.13) from the roots r (G, K) of the eigenvalues plus eps."""
    r_i, r_j = root[:, :, None], root[:, None, :]
    return -1 / (r_i * r_j * (r_i + r_j))
