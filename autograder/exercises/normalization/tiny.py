"""Tiny inputs of every normalization, smallest first, and what to look at before the check.

eps is often so large that it shows, and that roots are whole: 1 + 3 = 2².
"""

# ------------------------------------------------------------------ batch normalization

BATCH = (
    'batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), {"mode": "train"})[0]',
    """\
x, gamma, beta = np.array([[1.0, 2.0], [3.0, 8.0]]), np.array([2.0, 1.0]), np.array([0.0, 5.0])
batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": 0.5})[0]""",
    """\
options = {"mode": "train", "momentum": 0.75}
_ = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), options)
options["running_mean"], options["running_var"]""",
    """\
options = {"mode": "test", "running_mean": np.array([4.0]), "running_var": np.array([9.0])}
batchnorm_forward(np.array([[1.0], [7.0]]), np.array([2.0]), np.array([1.0]), options)[0]""",
    """\
options = {"mode": "train"}
for x in (np.array([[1.0], [3.0]]), np.array([[2.0], [8.0]])):
    _ = batchnorm_forward(x, np.ones(1), np.zeros(1), options)
options["running_mean"], options["running_var"]""",
    """\
options = {"mode": "test", "running_mean": np.array([3.0]), "running_var": np.array([1.0])}
options["eps"] = 3.0
out = batchnorm_forward(np.array([[1.0], [7.0]]), np.array([2.0]), np.array([1.0]), options)[0]
out, options["running_mean"]""",
)
LOOK_BATCH = """\
# Two features of very different size, three examples. After normalization each column should have
# mean 0 and standard deviation 1, and both columns should look alike.
x = np.array([[1.0, 100.0], [2.0, 300.0], [6.0, 200.0]])
out, _ = batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
print(out)
print("mean", out.mean(axis=0), "and standard deviation", out.std(axis=0))
"""


def batch_backward(backward):
    """Return small inputs of one of the two backward passes of batch normalization."""
    return (
        f"""\
options = {{"mode": "train", "eps": 3.0}}
_, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), options)
{backward}(np.array([[1.0], [0.0]]), cache)""",
        f"""\
x, dout = np.array([[1.0, 2.0], [3.0, 8.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])
options = {{"mode": "train", "eps": 3.0}}
_, cache = batchnorm_forward(x, np.array([2.0, 1.0]), np.zeros(2), options)
{backward}(dout, cache)""",
        f"""\
x, dout = np.array([[1.0, 2.0], [3.0, 8.0], [8.0, 5.0]]), np.array([[1, 0], [0, 3.0], [2, 1]])
options = {{"mode": "train", "eps": 3.0}}
_, cache = batchnorm_forward(x, np.array([2.0, 1.0]), np.zeros(2), options)
{backward}(dout, cache)""",
    )


LOOK_BATCH_BACKWARD = """\
# Whoever adds a number to a whole column of x changes nothing: each column of dx should sum to 0.
# Whoever adds a number to a beta adds it to a whole column of out: dbeta should be 2 and 3.
few, slopes = np.array([[1.0, 2.0], [3.0, 8.0], [8.0, 5.0]]), np.array([[2.0, 0], [0, 0], [0, 3]])
_, kept = batchnorm_forward(few, np.ones(2), np.zeros(2), {"mode": "train"})
dx, dgamma, dbeta = batchnorm_backward(slopes, kept)
print(dx, "sums of its columns:", dx.sum(axis=0), "dbeta:", dbeta, sep="\\n")
"""
LOOK_BATCH_BACKWARD_ALT = """\
# One formula in place of many lines: the difference should be rounding, 1e-15 or so.
few, slopes = np.array([[1.0, 2.0], [3.0, 8.0], [8.0, 5.0]]), np.array([[2.0, 0], [0, 0], [0, 3]])
_, kept = batchnorm_forward(few, np.array([2.0, 1.0]), np.zeros(2), {"mode": "train"})
pairs = zip(batchnorm_backward(slopes, kept), batchnorm_backward_alt(slopes, kept))
print([float(abs(one - other).max()) for one, other in pairs])
"""
LOOK_SEPARATING = """\
# On your input the two should give clearly different outputs; which of them is standardized?
x = separating_input()
one, zero = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
print("yours:   ", batchnorm_forward(x, one, zero, {"mode": "train"})[0].ravel()[:5])
print("one pass:", one_pass_batchnorm(x).ravel()[:5])
"""

# ------------------------------------------------------------------ images

IMAGES = (
    """\
x = np.array([1.0, 3.0, 2.0, 8.0]).reshape(1, 2, 1, 2)
spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})[0]""",
    """\
x = np.array([1.0, 3.0, 2.0, 8.0, 5.0, 5.0, 0.0, 4.0]).reshape(2, 2, 1, 2)
gamma, beta = np.array([2.0, 1.0]), np.array([0.0, 5.0])
spatial_batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": 0.5})[0]""",
    """\
x = np.arange(12.0).reshape(1, 2, 2, 3)
spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})[0]""",
    """\
x, options = np.array([1.0, 3.0, 2.0, 8.0]).reshape(1, 2, 1, 2), {"mode": "train", "momentum": 0.75}
_ = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), options)
options["running_mean"], options["running_var"]""",
    """\
x = np.array([1.0, 3.0, 2.0, 8.0]).reshape(1, 2, 1, 2)
options = {"mode": "test", "running_mean": np.ones(2), "running_var": np.array([4.0, 9.0])}
spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), options)[0]""",
)
LOOK_IMAGES = """\
# Two images of two channels, the second channel a hundred times as large. Over both images each
# channel should have mean 0 and standard deviation 1; a single image need not.
images = np.arange(24.0).reshape(2, 2, 2, 3) ** 2 * np.array([1.0, 100.0])[:, None, None]
flat, _ = spatial_batchnorm_forward(images, np.ones(2), np.zeros(2), {"mode": "train"})
print("of each channel:", flat.mean(axis=(0, 2, 3)), flat.std(axis=(0, 2, 3)))
print("of each image, too:", flat.mean(axis=(2, 3)), sep="\\n")
"""
IMAGES_BACKWARD = (
    """\
x, dout = np.array([1.0, 3.0, 2.0, 8.0]), np.array([1.0, 0.0, 0.0, 3.0])
options = {"mode": "train", "eps": 3.0}
_, cache = spatial_batchnorm_forward(x.reshape(1, 2, 1, 2), np.ones(2), np.zeros(2), options)
spatial_batchnorm_backward(dout.reshape(1, 2, 1, 2), cache)""",
    """\
x, dout = np.arange(12.0).reshape(1, 2, 2, 3), np.arange(12.0).reshape(1, 2, 2, 3) % 5
options = {"mode": "train", "eps": 3.0}
_, cache = spatial_batchnorm_forward(x, np.array([2.0, 1.0]), np.zeros(2), options)
spatial_batchnorm_backward(dout, cache)""",
)
LOOK_IMAGES_BACKWARD = """\
# The loss looks at a single pixel of the first channel. All pixels of that channel should feel it,
# in both images, with gradients that sum to 0; the second channel should feel nothing.
images, slopes = np.arange(24.0).reshape(2, 2, 2, 3) ** 2, np.zeros((2, 2, 2, 3))
slopes[0, 0, 0, 0] = 1.0
_, kept = spatial_batchnorm_forward(images, np.ones(2), np.zeros(2), {"mode": "train"})
print(spatial_batchnorm_backward(slopes, kept)[0].round(3))
"""

# ------------------------------------------------------------------ consequences

FOLD = (
    """\
options = {"running_mean": np.array([2.0]), "running_var": np.array([1.0]), "eps": 3.0}
fold_batchnorm(np.array([[6.0]]), np.array([5.0]), np.ones(1), np.zeros(1), options)""",
    """\
options = {"running_mean": np.array([2.0, 0.0]), "running_var": np.array([9.0, 4.0])}
W, b = np.array([[6.0, 1.0], [3.0, 2.0]]), np.array([5.0, 1.0])
fold_batchnorm(W, b, np.array([6.0, 2.0]), np.array([1.0, 4.0]), options)""",
    """\
options = {"running_mean": np.zeros(1), "running_var": np.zeros(1)}
fold_batchnorm(np.array([[1.0]]), np.zeros(1), np.ones(1), np.zeros(1), options)""",
)
LOOK_FOLD = """\
# One affine layer in place of an affine layer and the batch norm behind it: for any x the two
# lines should agree.
W, b = np.array([[6.0, 1.0]]), np.array([5.0, 1.0])
known = {"mode": "test", "running_mean": np.array([2.0, 0.0]), "running_var": np.array([9.0, 4.0])}
W_folded, b_folded = fold_batchnorm(W, b, np.array([1.0, 2.0]), np.array([0.0, 7.0]), known)
few = np.array([[1.0], [3.0]])
both = batchnorm_forward(few @ W + b, np.array([1.0, 2.0]), np.array([0.0, 7.0]), known)[0]
print("two layers:", both.ravel(), "one layer: ", (few @ W_folded + b_folded).ravel(), sep="\\n")
"""
RATE = (
    "effective_learning_rate(np.array([[3.0], [4.0]]), np.zeros((2, 1)), 0.5, 0.0)",
    "effective_learning_rate(np.array([[3.0], [4.0]]), np.array([[4.0], [-3.0]]), 0.5, 0.0)",
    "effective_learning_rate(np.array([[3.0], [4.0]]), np.zeros((2, 1)), 0.5, 0.25)",
    """\
W, dW = np.array([[3.0, 1.0], [4.0, 0.0]]), np.array([[4.0, 0.0], [-3.0, 2.0]])
effective_learning_rate(W, dW, 0.5, 0.25)""",
)
LOOK_RATE = """\
# Two columns, of length 1 and 10, no gradient, no L2. The longer column should turn a hundred times
# as slowly: 0.5 and 0.005.
print(effective_learning_rate(np.array([[1.0, 10.0], [0.0, 0.0]]), np.zeros((2, 2)), 0.5, 0.0))
"""
DEBIAS = (
    "debias_running(np.array([1.0]), 0.75, 1)",
    "debias_running(np.array([1.0, 3.0]), 0.5, 2)",
    "debias_running(np.array([1.0, 3.0]), 0.9, 3)",
)
LOOK_DEBIAS = """\
# Every batch has mean 5. The running mean crawls up from 0; freed of that it should be 5 at once.
mean = np.zeros(1)
for steps in range(1, 5):
    mean = 0.9 * mean + 0.1 * 5.0
    print(steps, "as it is:", mean, "without the bias:", debias_running(mean, 0.9, steps))
"""

# ------------------------------------------------------------------ within one example

LAYER = (
    "layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), {})[0]",
    """\
x, gamma, beta = np.array([[1.0, 3.0], [2.0, 8.0]]), np.array([2.0, 1.0]), np.array([3.0, 5.0])
layernorm_forward(x, gamma, beta, {"eps": 0.5})[0]""",
    """\
x = np.array([[1.0, 2.0, 6.0], [0.0, 4.0, 2.0]])
layernorm_forward(x, np.ones(3), np.zeros(3), {})[0]""",
)
LOOK_LAYER = """\
# Two examples, the second a hundred times as large. Each row should have mean 0 and standard
# deviation 1, and both rows should be the same.
rows, _ = layernorm_forward(np.array([[1.0, 2, 6], [100, 200, 600]]), np.ones(3), np.zeros(3), {})
print(rows)
print("mean", rows.mean(axis=1), "and standard deviation", rows.std(axis=1))
"""
LAYER_BACKWARD = (
    """\
_, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), {"eps": 3.0})
layernorm_backward(np.array([[1.0, 0.0]]), cache)""",
    """\
x, dout = np.array([[1.0, 2.0, 6.0], [0.0, 4.0, 2.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
_, cache = layernorm_forward(x, np.array([2.0, 1.0, 3.0]), np.zeros(3), {"eps": 3.0})
layernorm_backward(dout, cache)""",
)
LOOK_LAYER_BACKWARD = """\
# The loss looks at one number of the first example. Its whole row of dx should feel it and sum to
# 0; the second example should feel nothing. dgamma and dbeta have a number for each feature.
few, slopes = np.array([[1.0, 2.0, 6.0], [0.0, 4.0, 2.0]]), np.array([[1.0, 0, 0], [0, 0, 0]])
_, kept = layernorm_forward(few, np.ones(3), np.zeros(3), {})
print(*layernorm_backward(slopes, kept), sep="\\n")
"""
INSTANCE = (
    """\
x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
instancenorm_forward(x, np.ones(1), np.zeros(1), {})[0]""",
    """\
x = np.array([1.0, 3.0, 2.0, 8.0, 5.0, 5.0, 0.0, 4.0]).reshape(1, 2, 2, 2)
instancenorm_forward(x, np.array([2.0, 1.0]), np.array([3.0, 5.0]), {"eps": 0.5})[0]""",
    """\
x = np.array([1.0, 3.0, 2.0, 8.0, 5.0, 7.0, 0.0, 4.0]).reshape(2, 2, 1, 2)
instancenorm_forward(x, np.ones(2), np.zeros(2), {})[0]""",
)
LOOK_INSTANCE = """\
# One channel of one image is brighter and has more contrast than the others. Each channel of each
# image should have mean 0 and standard deviation 1: what was special about it is gone.
images = np.arange(24.0).reshape(2, 2, 2, 3) ** 2
images[0, 0] = 1000 + 50 * images[0, 0]
plain, _ = instancenorm_forward(images, np.ones(2), np.zeros(2), {})
print("means", plain.mean(axis=(2, 3)), "standard deviations", plain.std(axis=(2, 3)), sep="\\n")
"""
INSTANCE_BACKWARD = (
    """\
x, dout = np.array([1.0, 3.0]).reshape(1, 1, 1, 2), np.array([1.0, 0.0]).reshape(1, 1, 1, 2)
_, cache = instancenorm_forward(x, np.ones(1), np.zeros(1), {"eps": 3.0})
instancenorm_backward(dout, cache)""",
    """\
x = np.array([1.0, 2.0, 6.0, 0.0, 4.0, 2.0, 3.0, 3.0, 9.0, 5.0, 1.0, 0.0]).reshape(2, 2, 1, 3)
_, cache = instancenorm_forward(x, np.array([2.0, 1.0]), np.zeros(2), {"eps": 3.0})
instancenorm_backward(np.arange(12.0).reshape(2, 2, 1, 3) % 5, cache)""",
)
LOOK_INSTANCE_BACKWARD = """\
# The loss looks at a single pixel. All of that channel of that image should feel it, with gradients
# that sum to 0; the other channel and the other image should feel nothing.
images, slopes = np.arange(24.0).reshape(2, 2, 2, 3) ** 2, np.zeros((2, 2, 2, 3))
slopes[0, 0, 0, 0] = 1.0
_, kept = instancenorm_forward(images, np.ones(2), np.zeros(2), {})
print(instancenorm_backward(slopes, kept)[0].round(3))
"""
GROUP = (
    """\
x, gamma = np.array([1.0, 3.0]).reshape(1, 2, 1, 1), np.ones((1, 2, 1, 1))
spatial_groupnorm_forward(x, gamma, 0 * gamma, 1, {})[0]""",
    """\
x = np.array([1.0, 2.0, 6.0, 0.0, 4.0, 2.0]).reshape(1, 6, 1, 1)
gamma, beta = np.arange(6.0).reshape(1, 6, 1, 1), np.ones((1, 6, 1, 1))
spatial_groupnorm_forward(x, gamma, beta, 2, {"eps": 0.5})[0]""",
    """\
x = np.array([1.0, 2.0, 6.0, 0.0, 4.0, 2.0, 3.0, 3.0, 9.0, 5.0, 1.0, 0.0]).reshape(2, 2, 1, 3)
gamma = np.ones((1, 2, 1, 1))
spatial_groupnorm_forward(x, gamma, 0 * gamma, 2, {})[0]""",
    """\
x = np.array([1.0, 2.0, 6.0, 0.0, 4.0, 2.0, 3.0, 3.0, 9.0, 5.0, 1.0, 0.0]).reshape(1, 6, 1, 2)
gamma = np.ones((1, 6, 1, 1))
spatial_groupnorm_forward(x, gamma, 0 * gamma, 2, {})[0]""",
)
LOOK_GROUP = """\
# Six channels in two groups: 0, 1, 2 and 3, 4, 5. Each group should have mean 0 and standard
# deviation 1; a channel need not.
images = np.arange(12.0).reshape(1, 6, 1, 2) ** 2
ones = np.ones((1, 6, 1, 1))
grouped, _ = spatial_groupnorm_forward(images, ones, 0 * ones, 2, {})
print("of each group:", grouped.reshape(2, -1).mean(axis=1), grouped.reshape(2, -1).std(axis=1))
print("of each channel:", grouped.mean(axis=(0, 2, 3)))
"""
GROUP_BACKWARD = (
    """\
x, gamma = np.array([1.0, 3.0]).reshape(1, 2, 1, 1), np.ones((1, 2, 1, 1))
_, cache = spatial_groupnorm_forward(x, gamma, 0 * gamma, 1, {"eps": 3.0})
spatial_groupnorm_backward(np.array([1.0, 0.0]).reshape(1, 2, 1, 1), cache)""",
    """\
x = np.array([1.0, 2.0, 6.0, 0.0, 4.0, 2.0, 3.0, 3.0, 9.0, 5.0, 1.0, 0.0]).reshape(2, 6, 1, 1)
gamma, dout = np.arange(1.0, 7.0).reshape(1, 6, 1, 1), np.arange(12.0).reshape(2, 6, 1, 1) % 5
_, cache = spatial_groupnorm_forward(x, gamma, 0 * gamma, 2, {"eps": 3.0})
spatial_groupnorm_backward(dout, cache)""",
)
LOOK_GROUP_BACKWARD = """\
# The loss looks at one number of the first group of three channels. That group should feel it, with
# gradients that sum to 0; the second group should feel nothing. dgamma has the shape of gamma.
images, slopes = np.arange(6.0)[None, :, None, None] ** 2, np.zeros((1, 6, 1, 1))
slopes[0, 0] = 1.0
ones = np.ones((1, 6, 1, 1))
_, kept = spatial_groupnorm_forward(images, ones, 0 * ones, 2, {})
dx, dgamma, dbeta = spatial_groupnorm_backward(slopes, kept)
print(dx.ravel(), "dgamma has shape", dgamma.shape)
"""
LOOK_SEPARATING_GROUPS = """\
# On your input the two should give clearly different outputs.
x = separating_groups()
ones = np.ones((1, x.shape[1], 1, 1), x.dtype)
print("yours:  ", spatial_groupnorm_forward(x, ones, 0 * ones, 2, {})[0][0, :, 0, 0])
print("swapped:", groupnorm_swapped(x, 2)[0, :, 0, 0])
"""

# ------------------------------------------------------------------ decorrelated

DECORRELATED = (
    """\
x = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
decorrelated_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train", "eps": 0.5})[0]""",
    """\
x = np.array([[1.0, 2.0, 6.0, 0.0, 4.0, 2.0], [3.0, 3.0, 9.0, 5.0, 1.0, 0.0]])
gamma, options = np.arange(6.0), {"mode": "train", "eps": 0.5, "group_size": 3}
decorrelated_batchnorm_forward(x, gamma, np.ones(6), options)[0]""",
    """\
x = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
options = {"mode": "train", "eps": 0.5, "momentum": 0.75}
for batch in (x, 2 * x):
    _ = decorrelated_batchnorm_forward(batch, np.ones(2), np.zeros(2), options)
options["mode"] = "test"
decorrelated_batchnorm_forward(x[:1], np.array([2.0, 1.0]), np.ones(2), options)[0]""",
    """\
x = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
options = {"mode": "train", "eps": 0.5}
_ = decorrelated_batchnorm_forward(x, np.ones(2), np.zeros(2), options)
options["mode"] = "test"
_ = decorrelated_batchnorm_forward(x, np.ones(2), np.zeros(2), options)
decorrelated_batchnorm_forward(x[:1], np.ones(2), np.zeros(2), options)[0]""",
)
LOOK_DECORRELATED = """\
# Two features that rise together. Afterwards the covariance should be the identity, and each
# feature should still rise where it rose before.
few = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
white, _ = decorrelated_batchnorm_forward(few, np.ones(2), np.zeros(2), {"mode": "train"})
print("before:", np.cov(few.T, bias=True), "after:", np.cov(white.T, bias=True).round(3), sep="\\n")
"""
DECORRELATED_BACKWARD = (
    """\
x = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
_, cache = decorrelated_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train", "eps": 0.5})
dout = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 1.0]])
decorrelated_batchnorm_backward(dout, cache)""",
    """\
x = np.array([[1.0, 2.0, 6.0, 0.0, 4.0, 2.0], [3.0, 3.0, 9.0, 5.0, 1.0, 0.0]])
gamma, options = np.arange(1.0, 7.0), {"mode": "train", "eps": 0.5, "group_size": 3}
_, cache = decorrelated_batchnorm_forward(x, gamma, np.ones(6), options)
decorrelated_batchnorm_backward(np.arange(12.0).reshape(2, 6) % 5, cache)""",
    """\
x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
_, cache = decorrelated_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train", "eps": 0.5})
dout = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 1.0]])
decorrelated_batchnorm_backward(dout, cache)""",
)
LOOK_DECORRELATED_BACKWARD = """\
# Neither a shift of x nor another scale changes a whitened batch. So the columns of dx should sum
# to 0, and dx should have nothing in common with the centred x: their product is nearly 0 as well.
few = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
_, kept = decorrelated_batchnorm_forward(few, np.ones(2), np.zeros(2), {"mode": "train"})
dx, _, _ = decorrelated_batchnorm_backward(np.array([[1.0, 0], [0, 2], [0, 0], [0, 0]]), kept)
print(dx, "sums:", dx.sum(axis=0).round(9), "product:", (dx * (few - few.mean(axis=0))).sum())
"""

# ------------------------------------------------------------------ layers of a network

LAYER_OF_ROWS = (
    "BatchNorm(1)(torch.tensor([[1.0], [3.0]]))",
    """\
layer = BatchNorm(1, 3.0, 0.75)
layer(torch.tensor([[1.0], [3.0]])), layer.running_mean, layer.running_var""",
    """\
layer = BatchNorm(1)
for x in (torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [8.0]])):
    _ = layer(x.requires_grad_())
layer.running_mean, layer.running_mean.requires_grad""",
    """\
layer = BatchNorm(1)
_ = layer(torch.tensor([[1.0], [3.0]]))
layer.eval()(torch.tensor([[1.0], [3.0]]))""",
    """\
layer = BatchNorm(1, 3.0)
layer(torch.tensor([[1.0], [3.0]]))[0].sum().backward()
layer.gamma.grad, layer.beta.grad""",
    """\
layer = BatchNorm(1)
len(list(layer.parameters())), len(layer.state_dict())""",
)
LAYER_OF_GROUPS = (
    "GroupNorm(1, 2)(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1))",
    "GroupNorm(2, 6, 0.5)(torch.tensor([1.0, 2.0, 6.0, 0.0, 4.0, 2.0]).reshape(1, 6, 1, 1))",
    """\
layer = GroupNorm(1, 2).eval()
layer(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1))""",
    """\
layer = GroupNorm(1, 2, 3.0)
layer(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1))[0, 0].sum().backward()
layer.gamma.grad, layer.beta.grad""",
    """\
layer = GroupNorm(1, 2)
len(list(layer.parameters()))""",
)
