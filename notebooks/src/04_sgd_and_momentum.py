# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   course:
#     lesson: "04"
#     title: SGD and momentum
#     minutes_core: 90
#     minutes_all: 150
# ---

# %% [markdown]
# # SGD and momentum
#
# **Lesson 04 · CS231n 2018, lecture 7, slides 20–36 · core 90 minutes, all of it 150**
#
# A gradient says which way is down, here and now, and nothing about how far, nor about what comes
# after. Gradient descent believes it all the same. You will write it, watch the three situations in
# which that belief is expensive, and measure how expensive. Then you will write the remedy,
# momentum, in the two forms that one meets in papers and frameworks, and Nesterov's improvement of
# it, again in two forms. That the forms are the same is something that you will check, not believe;
# and so is the claim that momentum is faster, which is true, but not for the reason that the usual
# picture suggests.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 one step downhill | `sgd` | 10 |
# | 2 a ravine: steep one way, flat the other | a prediction, question 1 | 20 |
# | 3 where the gradient is zero | a prediction, question 2 | 15 |
# | 5 momentum, twice | `sgd_momentum`, `sgd_momentum_unscaled`, question 3 | 25 |
# | 6 Nesterov's momentum, twice | `nesterov_lookahead`, `nesterov` | 20 |
# | **the core** | | **90** |
# | 3 the curvatures of a network | nothing | 5 |
# | 4 gradients from mini-batches | a prediction | 10 |
# | 7 kill the bug | `separating_curvatures` | 5 |
# | 8 the race | question 4 | 15 |
# | 9 the same in PyTorch | two rules on tensors, an optimizer; others (bonus) | 25 |
# | **all of it** | | **150** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions; the bonus comes on top. Words and symbols are the same in all lessons
# (`docs/vocabulary.md`). The signatures are those of the usual CS231n assignments, so code that you
# wrote there can be pasted.
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import numpy as np
from IPython.display import display
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.train import compare, fit, predicted, score_predictions, sized, timed

threadpool_limits(1)  # arrays this small are fastest on one thread

# %% [markdown]
# **The data.** Most of this lesson happens in landscapes of two weights, where one can see
# everything. Where a claim is about networks, it is tried on the 8 × 8 digits that come with
# scikit-learn: nothing to download. For other images change this one line to `data =
# load("fashion-mnist")` or `load("cifar10")`. The networks of parts 5, 8 and 9 adapt, and take
# longer; what the text says about results was written for the digits. Parts 3 and 4 look at every
# second derivative of a network and at the gradient of every example, and stay with the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 One step downhill
#
# The loss $f$ is a function of the weights $x$; in code they are `w`, because `x` already means the
# inputs of a layer. To first order
#
# $$f(x + s) \approx f(x) + \langle \nabla f(x), s \rangle ,$$
#
# and among all steps $s$ of one length the one straight against the gradient makes this smallest.
# So (slide 20)
#
# $$x_{t+1} = x_t - \alpha \, g_t \qquad \text{with } g_t = \nabla f(x_t) \qquad \text{(SGD.1)}$$
#
# with the learning rate $\alpha$. "Stochastic" gradient descent is the same rule with a gradient
# from a mini-batch; the rule does not know where its gradient comes from.
#
# Every rule of this lesson and the next has the same form, `(w, dw, config) -> next_w, config`. The
# dict `config` carries the settings in, and whatever the rule has to remember from step to step;
# `None` means "all defaults, nothing to remember yet". Every parameter of a network has a `config` of
# its own. Do not change `w` and `dw`: return new weights.
#
# ### Exercise: `sgd`

# %% role="exercise" exercise="optim.sgd"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the wrong sign; the step returned in place of the weights;
# * the learning rate of the config not looked at, or looked for under another name;
# * a new config returned in place of the one that came, so that the next step has lost its settings;
# * only one value returned; `dw` changed in place.
# </details>
#
# *You can stop here.*
#
# ## 2 A ravine: steep one way, flat the other
#
# Slide 21 asks: *what if the loss changes quickly in one direction and slowly in another?* Near a
# minimum where no curvature is 0, a smooth loss looks like a quadratic, and a quadratic is
# described completely by its curvatures, the eigenvalues of its Hessian. Take two weights with
# curvatures 1 and $\kappa$,
#
# $$f(x) = \tfrac12 \left( x_1^2 + \kappa \, x_2^2 \right) .$$
#
# $\kappa$, the ratio of the largest to the smallest curvature, is the **condition number**. The
# gradient is $(x_1, \kappa x_2)$, so gradient descent multiplies each weight by its own factor in
# every step:
#
# $$x_1 \leftarrow (1 - \alpha) \, x_1 \qquad\qquad x_2 \leftarrow (1 - \alpha \kappa) \, x_2 .$$
#
# Everything that happens below is in these two factors. Before you run the next cell, compute them
# for $\kappa = 20$ and $\alpha \kappa$ = 0.5, 1.9 and 2.05.


# %% role="setup" hide=true
def descents(rule, condition, multiples, steps=40):
    """Return {title: (ravine, its paths)} for learning rates that are these multiples of 1/κ."""
    hill = plotting.ravine(condition)
    races = {}
    for multiple in multiples:
        path = hill.path(rule, steps, {"learning_rate": multiple / condition})
        races[f"κ = {condition:g}, ακ = {multiple:g}"] = (hill, {"gradient descent": path})
    return races


# %% role="experiment" uses="sgd" alt="Contours of a ravine with equal axes, three paths of gradient descent: at a small rate it drops to the floor and crawls along it, at a large one it zigzags between the walls, at 2.05 it leaves the picture; the losses below."
plotting.plot_trajectories(descents(sgd, 20, (0.5, 1.9, 2.05)))
plotting.show("No rate suits the steep and the flat direction at once")

# %% [markdown]
# The circle is the start and the star the minimum. On the left, the steep direction is done with
# after a few steps and the flat one crawls. In the middle, the rate is nearly four times as large:
# the path jumps from wall to wall, because the factor of the steep direction is $-0.9$, and that is
# the price for a flat direction that is now four times as fast. On the right that factor is beyond
# $-1$, and the path leaves the picture. **The steepest direction limits the rate, and the
# flattest one has to live with it.**
#
# Turn the knobs yourself. (Where widgets do not work, as in the web page, change the two
# numbers and run the cell again.)

# %% role="experiment" uses="sgd" alt="The path of gradient descent over the contours of a ravine of condition number 50, with the loss below; two knobs change condition and rate."
from importlib.util import find_spec

condition, multiple = 50, 1.5


def show(condition, multiple):
    plotting.plot_trajectories(descents(sgd, condition, (multiple,)))
    plotting.show("Turn the knobs: the steep direction limits the rate")


show(condition, multiple)  # without widgets, this is the picture
if find_spec("ipywidgets"):
    from ipywidgets import FloatLogSlider, FloatSlider, interact

    interact(
        show,
        condition=FloatLogSlider(condition, min=0, max=4, step=0.25, continuous_update=False),
        multiple=FloatSlider(
            multiple, min=0.1, max=2.1, step=0.1, description="ακ", continuous_update=False
        ),
    )

# %% [markdown]
# ### How many steps?
#
# Which rate is best? The one at which both factors are equally far from zero, one positive and one
# negative: $\alpha = 2 / (\kappa + 1)$, and both are then $\pm (\kappa - 1)/(\kappa + 1)$. So with
# the best of all rates, the distance from the minimum is multiplied by $(\kappa - 1)/(\kappa + 1)
# \approx 1 - 2/\kappa$ in every step.
#
# **Predict, then run.** With the best rate for each, how many times as many steps does it take to
# get a million times nearer to the minimum in a ravine of condition number 1000 as in one of 10?

# %% role="predict"
my_factor_of_steps = None  # your prediction: a number


# %% role="setup" hide=true
def steps_to_arrive(rule, landscape, config, lookahead=False, most=200_000):
    """Return how many steps a rule needs to come a million times nearer to the minimum."""
    w, config, goal = np.array(landscape.start), dict(config), np.array(landscape.minima[0])
    near = 1e-6 * np.linalg.norm(w - goal)
    for step in range(1, most + 1):
        w, config = rule(w, landscape.gradient if lookahead else landscape.gradient(w), config)
        if np.linalg.norm(w - goal) <= near:
            return step
    return np.inf


CONDITIONS = np.logspace(0, 4, 9)
MILLION = np.log(1e6)

# %% role="experiment" uses="sgd" claim="steps-follow-the-condition-number" of="off" says="0 to 0.05" slide="21" alt="Steps to arrive against the condition number, both logarithmic: measured and theory are one line of slope 1, up to 69,000 steps."
arrived = {"gradient descent": []}
for condition in CONDITIONS:
    best = {"learning_rate": 2 / (1 + condition)}
    arrived["gradient descent"].append(steps_to_arrive(sgd, plotting.ravine(condition), best))
steps = dict(zip(CONDITIONS, arrived["gradient descent"], strict=True))
predicted(my_factor_of_steps, steps[1000] / steps[10], "times as many")

theory = [1, *(MILLION / np.log((k + 1) / (k - 1)) for k in CONDITIONS[1:])]
off = np.abs(np.array(arrived["gradient descent"]) / np.ceil(theory) - 1).max()
print(f"largest relative difference from theory: {off:.1%}")
curves = {"measured": arrived["gradient descent"], "theory": theory}
plotting.plot_lines(CONDITIONS, curves, "condition number κ", "steps to arrive", log_x=True)
plotting.show("Gradient descent: steps in proportion to the condition number")

# %% [markdown]
# The number of steps is proportional to the condition number: about $7 \kappa$ for six more decimal
# digits. At $\kappa = 10^4$ that is 69,000 steps for a problem of two weights that one can solve at
# a glance. And the condition numbers of networks are not small, as part 3 will show.

# %% [markdown] role="question" id="steep-and-flat" points=5
# **Question 1 (5 points).** Slide 21: *what if the loss changes quickly in one direction and slowly
# in another? What does gradient descent do?* (a) Answer for $\kappa = 20$ with $\alpha\kappa =
# 1.9$: give the factor by which each of the two weights is multiplied in a step, and say how each
# shows in the picture. (b) For which $\alpha$ does gradient descent on this loss converge, and why
# does the flat direction have no say in it? (c) Derive the best rate $2/(\kappa + 1)$.

# %% [markdown] role="answer"
# *Model answer.* (a) $1 - \alpha\kappa = -0.9$ in the steep direction: the weight changes its sign in
# every step and shrinks slowly, which is the zigzag across the ravine. $1 - \alpha = 1 - 0.095 =
# 0.905$ in the flat direction: it creeps along the floor without ever changing its side. (b) Both
# factors must lie between −1 and 1: $0 < \alpha < 2/\kappa$ from the steep direction and $0 < \alpha
# < 2$ from the flat one. Since $\kappa \ge 1$, the first implies the second. (c) The slower
# direction decides, so the larger of $|1 - \alpha|$ and $|1 - \alpha\kappa|$ is to be made small.
# With growing $\alpha$ the first falls and the second, once past $1/\kappa$, grows; the best is where
# they are equal: $1 - \alpha = \alpha\kappa - 1$, so $\alpha = 2/(\kappa+1)$.
#
# *Rubric.* (a) 2 points: both factors (1), zigzag and creeping assigned to them (1). (b) 1.5
# points: the bound $2/\kappa$ (1), the steep direction implies the other (0.5). (c) 1.5 points:
# balance of the two (1), result (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 3 Where the gradient is zero
#
# Slide 23 asks: *what if the loss has a local minimum or a saddle point?* In both the gradient is
# zero, and slide 24 answers: gradient descent gets stuck. For a minimum that is the whole truth.
# For a saddle, look closely.

# %% role="experiment" uses="sgd" alt="Two landscapes with equal axes. In the one with two valleys each start ends in the valley it lies in; at the saddle the path on the axis stops, the two beside it slow down and leave towards a minimum."
valleys, pass_between = plotting.two_valleys(), plotting.saddle()
to_the_bottom = {
    f"from x = {start[0]}": valleys.path(sgd, 60, {"learning_rate": 0.1}, start=start)
    for start in ((2.3, 0.8), (0.5, -0.8), (-0.2, 0.8))
}
near_the_axis = {
    f"{offset:g} off the axis": pass_between.path(
        sgd, 150, {"learning_rate": 0.1}, start=(-1.5, offset)
    )
    for offset in (1e-2, 1e-5, 0.0)
}
plotting.plot_trajectories({"local minimum": (valleys, to_the_bottom)})
plotting.show("Each valley keeps its starts")
plotting.plot_trajectories({"saddle": (pass_between, near_the_axis)})
plotting.show("Only a start on the axis stays at the saddle")

# %% [markdown]
# In the first picture, where one ends depends on where one begins: of the two valleys, gradient
# descent takes the one in whose basin it starts, and stays. (The circle is the usual start.)
#
# The saddle in the second is $f = \tfrac12 x^2 - \tfrac12 y^2 + \tfrac14 y^4$: curvature 1 along
# $x$, curvature −1 along $y$, two minima at $y = \pm 1$. Started *exactly* on the $x$ axis,
# gradient descent runs into the saddle and stays there: the axis is the saddle's **stable
# manifold**, the set of all points from which one gets there. Started a hair's breadth off it,
# it slows down near the saddle, and leaves. Near the saddle each step multiplies $y$ by $1 +
# \alpha$, so what counts is how often one has to multiply until a hair has become one half.
#
# **Predict, then run.** Started 10⁻⁴ off the axis, leaving the saddle takes some number of steps.
# How many times as many does it take from 10⁻⁸?

# %% role="predict"
my_factor_of_leaving = None  # your prediction: a number


# %% role="setup" hide=true
OFFSETS = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


def steps_to_leave(rule, offset, config, lookahead=False, most=3000):
    """Return after how many steps a rule, started beside the saddle's axis, is ½ away from it."""
    start = (-1.5, offset)
    path = plotting.saddle().path(rule, most, config, start=start, lookahead=lookahead)
    left = np.abs(path[:, 1]) > 0.5
    return left.argmax() if left.any() else np.inf


# %% role="experiment" uses="sgd" claim="twice-as-near-twice-as-long" of="by_offset[1e-8] / by_offset[1e-4]" says="1.8 to 2.4" slide="24" alt="Steps to leave the saddle against the start beside the axis, logarithmic: they grow in equal steps as the start comes nearer, as the formula says."
rate = {"learning_rate": 0.05}
leaving = {"gradient descent": [steps_to_leave(sgd, offset, rate) for offset in OFFSETS]}
by_offset = dict(zip(OFFSETS, leaving["gradient descent"], strict=True))
predicted(my_factor_of_leaving, by_offset[1e-8] / by_offset[1e-4], "times as many")
print(f"from 1e-12: {by_offset[1e-12]} steps; from 0: {steps_to_leave(sgd, 0.0, rate)}")
formula = [np.log(0.5 / offset) / np.log(1.05) for offset in OFFSETS]
curves = {"measured": leaving["gradient descent"], "multiplying by 1 + α": formula}
plotting.plot_lines(
    OFFSETS, curves, "distance of the start from the axis", "steps to leave", log_x=True
)
plotting.show("Twice as many zeros, twice as long at the saddle")

# %% [markdown]
# Each hundred times nearer to the axis costs the same number of additional steps. From any
# start that is drawn at random one leaves; and with noisy gradients even from the axis itself. So
# "stuck" on slide 24 holds on the stable manifold only, which is a set of measure zero. Elsewhere
# saddles are *slow*, which is bad enough.
#
# ### Why saddles, in high dimension
#
# A point with zero gradient is a minimum only if the curvature is positive in *every* direction. Take
# Hessians at random, symmetric with normal entries, and count how often all eigenvalues are
# positive.

# %% role="experiment" claim="minima-are-rare" of="all_positive[4]" says="0 to 0.001" slide="25" alt="Fraction of random matrices with only positive eigenvalues against their size, logarithmic: it falls faster than a half for every further weight."
rng = np.random.default_rng(0)
sizes, all_positive = np.arange(1, 6), []
for n in sizes:
    entries = rng.normal(size=(40_000, n, n))
    smallest = np.linalg.eigvalsh(entries + entries.transpose(0, 2, 1))[:, 0]
    all_positive.append((smallest > 0).mean())
print(
    ", ".join(f"n = {n}: {fraction:.4f}" for n, fraction in zip(sizes, all_positive, strict=True))
)
curves = {"symmetric, normal entries": all_positive, "independent signs: 2⁻ⁿ": 0.5**sizes}
plotting.plot_lines(sizes, curves, "number of weights n", "fraction with a minimum")
plotting.show("Minima get rare as weights get many")

# %% [markdown]
# If the signs of the eigenvalues were independent, the fraction would halve with every further weight.
# It falls faster still, because eigenvalues repel each other. With five weights it is less than one
# in five thousand, and a network has millions. So in high dimension a place with zero gradient is
# practically always a saddle, unless something pushes the eigenvalues up; and something does:
# Dauphin et al. (2014, arXiv:1406.2572), on slide 25, find that at *low* loss few negative
# eigenvalues are left.
#
# ### The curvatures of a network (beyond the core)
#
# A real network is not a random matrix. This one has 64 inputs, 8 hidden units and 10 scores, so 610
# weights, and its Hessian on 500 digits is a matrix that can be computed in full.


# %% role="experiment"
few_digits = load("digits")
X_FEW, Y_FEW = few_digits.x_train[:500].astype(np.float64), few_digits.y_train[:500]


# %% role="setup" hide=true
def small_net(seed, hidden=8):
    """Return a network with one hidden layer, in double precision."""
    rng = np.random.default_rng(seed)
    first = Affine(X_FEW.shape[1], hidden, rng, dtype=np.float64)
    return Network([first, ReLU(), Affine(hidden, 10, rng, dtype=np.float64)])


def descend(net, rule, settings, steps):
    """Train on all of `X_FEW` at once with a rule; return the losses before each step."""
    configs, losses = {name: dict(settings) for name in net.params}, []
    for _ in range(steps):
        loss, gradients = net.loss_and_gradients(X_FEW, Y_FEW)
        losses.append(loss)
        for name, w in net.params.items():
            w[...], configs[name] = rule(w, gradients[name], configs[name])
    return losses


def hessian_eigenvalues(net):
    """Return the eigenvalues of the Hessian of the loss, in order, from its closed form."""
    w1, b1, w2, b2 = net.params.values()
    z = X_FEW @ w1 + b1
    hidden, on, n = np.maximum(z, 0), (z > 0).astype(float), len(X_FEW)
    scores = hidden @ w2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    back = on[:, :, None] * w2  # (N, H, C) slope of the scores with respect to z
    each = np.eye(w2.shape[1])
    slopes = np.concatenate([  # (N, all weights, C) slopes of the scores
        (X_FEW[:, :, None, None] * back[:, None]).reshape(n, -1, len(each)), back,
        (hidden[:, :, None, None] * each).reshape(n, -1, len(each)), np.tile(each, (n, 1, 1)),
    ], axis=1)  # fmt: skip
    root = np.sqrt(p)[:, None] * (slopes - (slopes * p[:, None]).sum(axis=2, keepdims=True))
    flat = root.swapaxes(1, 2).reshape(-1, root.shape[1])  # (N·C, all weights)
    # In parts of 20 rows, which stay in the processor's cache where there is no BLAS.
    hessian = sum(part.T @ part for part in np.split(flat, n // 2)) / n
    # Scores are curved between a weight of the first layer and one of the second, same unit.
    off = (p - each[Y_FEW]) / n  # (N, C)
    inputs = np.concatenate([X_FEW, np.ones((n, 1))], axis=1)
    mixed = np.einsum("ni,nh,nc->ihc", inputs, on, off)
    D, H, C = w1.shape[0], w1.shape[1], len(each)
    for h in range(H):
        rows = np.r_[np.arange(D) * H + h, D * H + h]  # of w1[:, h] and b1[h]
        columns = D * H + H + h * C + np.arange(C)  # of w2[h]
        hessian[np.ix_(rows, columns)] += mixed[:, h]
        hessian[np.ix_(columns, rows)] += mixed[:, h].T
    return np.linalg.eigvalsh(hessian)


def describe_curvature(values):
    """Say how many directions curve up and down, and how unequally."""
    threshold = 1e-6 * values.max()  # smaller ones are flat directions
    up, down = values[values > threshold], values[values < -threshold]
    return (
        f"{len(up)} up (largest {up.max():.3g}, median {np.median(up):.2g}), "
        f"{len(down)} down (lowest {values.min():.2g}), "
        f"{len(values) - len(up) - len(down)} flat"
    )


# %% role="experiment" uses="sgd" claim="networks-have-negative-curvatures" of="(spectra['after 300 steps'] < -1e-6 * spectra['after 300 steps'].max()).mean()" says="0.02 to 0.6" slide="25" alt="The 610 curvatures of a small network in order, at three moments: some negative, most near zero, a few very large; the negative ones get fewer and weaker."
spectra = {}
for steps in tqdm((0, 300, sized(3000, 1000, "steps")), "training", delay=2, leave=False):
    net = small_net(0)
    losses = descend(net, sgd, {"learning_rate": 0.3}, steps + 1)
    values = spectra[f"after {steps} steps"] = hessian_eigenvalues(net)
    print(f"after {steps:>4} steps, loss {losses[-1]:.3f}: {describe_curvature(values)}")
figure = plotting.plot_lines(np.arange(610), spectra, "number of the eigenvalue", "curvature")
figure.axes[0].set_yscale("symlog", linthresh=1e-4)
plotting.show("Most curvatures are near zero, some are negative")

# %% [markdown]
# Three things to see. There are negative eigenvalues throughout, fewer and weaker as the loss
# falls. A large part of the directions is flat: nothing happens there. And of the directions that
# curve up, the largest curvature is more than a thousand times the median one: a ravine with far more
# than two walls.
#
# ### A saddle that you may have met (beyond the core)
#
# Start a network with all hidden units *equal*. Then their gradients are equal too, and they stay
# equal, whatever the number of steps: the network behaves as if it had one hidden unit. That set of weights is a stable
# manifold, and what gradient descent finds on it is the best network with one hidden unit. Is that
# a minimum?


# %% role="setup"
def equal_units(offset, seed=0):
    """Return a network whose hidden units are equal but for noise of size `offset`."""
    net = small_net(seed)
    first, second = net.params["affine1.w"], net.params["affine2.w"]
    first[...] = 0.5 * np.abs(first[:, :1])
    first += offset * np.random.default_rng(1).normal(size=first.shape)
    second[...] = 0.1 * second[:1]
    return net


# %% role="experiment" uses="sgd" claim="equal-units-stay-equal" of="from_equal['units differ by 0'][-1] - from_equal['units differ by 1e-09'][-1]" says="0.1 to 3" slide="24" alt="Loss over 2,000 steps: with equal units it settles high, with units that differ in the ninth decimal place it leaves that level later and ends as low as the third."
from_equal = {}
for offset in (0.0, 1e-9, 1e-3):
    net = equal_units(offset)
    label = f"units differ by {offset:g}"
    from_equal[label] = descend(net, sgd, {"learning_rate": 0.1}, 2000)
    units = net.params["affine1.w"]
    print(f"{label}: loss {from_equal[label][-1]:.3f}; afterwards by {np.ptp(units, 1).max():.2g}")
    if offset == 0:
        print("   curvature at its end:", describe_curvature(hessian_eigenvalues(net)))
plotting.plot_lines(np.arange(2000), from_equal, "step", "loss (nats)")
plotting.show("Equal units stay equal; a hair's breadth is enough to leave")

# %% [markdown]
# With equal units the loss settles high above what eight units can do, and dozens of directions lead
# down from there. Gradient descent takes none of them, because its gradient has no component along
# them; a difference in the ninth decimal place is enough to leave. That is why weights are drawn at random.

# %% [markdown] role="question" id="zero-gradient" points=5
# **Question 2 (5 points).** Slide 23: *what if the loss function has a local minimum or a saddle
# point?* (a) Say for each of the two what gradient descent does, starting from a point near it that
# is drawn at random. (b) Slide 24 says "gets stuck". For the saddle, name the set of starting
# points for which this holds, and two things that, in practice, take one off it. (c) Why are
# saddles the more common of the two in high dimension? Use your measured fractions, and say what keeps
# this argument from being a proof for networks.

# %% [markdown] role="answer"
# *Model answer.* (a) Near a local minimum all curvatures are positive, so all deviations shrink:
# gradient descent converges to it and stays. Near a saddle the deviation along directions of
# positive curvature shrinks, that along negative curvature grows by $1 + \alpha|h|$ in every step:
# it approaches, slows down, and leaves after a number of steps that is proportional to the
# logarithm of how near the start was to the stable manifold. (b) The stable manifold, such as the
# $x$ axis, or equal hidden units; a random start (it is a set of measure zero), the noise of
# mini-batches, rounding. (c) For a minimum *all* n eigenvalues must be positive. For random
# symmetric matrices the fraction falls faster than
# $2^{-n}$: 0.5, 0.15, 0.025, 0.003, … as measured. Not a proof: the Hessian of a network is not such a
# random matrix; at low loss its negative eigenvalues are few, and many are near zero.
#
# *Rubric.* (a) 2 points: the minimum attracts (1), the saddle is left, slowly (1). (b) 1.5
# points: the set (0.5), one way off it (0.5), another way off it (0.5). (c) 1.5 points: all
# signs must agree (0.5), numbers (0.5), the reservation (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 4 Gradients from mini-batches (beyond the core)
#
# Slide 26: the loss is a mean over N examples, and so is its gradient. A mini-batch takes the mean
# of B of them, drawn at random: right on average, and noisy. How noisy? The mean of B independent
# draws has a B-th of the variance of one.
#
# **Predict, then run.** You want noise of half the *size* (half the standard deviation). How many
# times as many examples must be in a batch?

# %% role="predict"
my_factor_of_examples = None  # your prediction: a number

# %% role="experiment" claim="variance-falls-like-one-over-b" of="slope" says="-1.05 to -0.95" slide="26" alt="Variance of the gradient against the batch size, both logarithmic: a line of slope -1; without repeated examples it bends down towards the size of the data." hide=true
net, rng = small_net(0), np.random.default_rng(0)
single = []  # the gradient of every example, as one long row
for i in range(len(X_FEW)):
    _, gradients = net.loss_and_gradients(X_FEW[i : i + 1], Y_FEW[i : i + 1])
    single.append(np.concatenate([g.ravel() for g in gradients.values()]))
single = np.array(single)  # (N, 610)
full, N = single.mean(axis=0), len(single)

BATCHES, DRAWS = (1, 2, 5, 10, 20, 50, 100, 200, 400), 500
noise = {"drawn with replacement": [], "no example twice": []}
for B in BATCHES:
    counts = rng.multinomial(B, np.full(N, 1 / N), DRAWS)  # how often each example is in
    chosen = rng.random((DRAWS, N)).argsort(axis=1) < B
    for label, taken in zip(noise, (counts, chosen), strict=True):
        noise[label].append(((taken @ single / B - full) ** 2).sum(axis=1).mean())
slope = np.polyfit(np.log(BATCHES), np.log(noise["drawn with replacement"]), 1)[0]
predicted(my_factor_of_examples, 2 ** (-2 / slope), "times as many")
print(f"slope of the variance on logarithmic axes: {slope:.2f}")
noise["variance of one / B"] = ((single - full) ** 2).sum(axis=1).mean() / np.array(BATCHES)
plotting.plot_lines(BATCHES, noise, "batch size B", "variance of the gradient", log_x=True)
plotting.show("Noise of half the size takes four times the examples")

# %% [markdown]
# On logarithmic axes the variance falls along a line of slope −1. If no example may come twice, as
# in an epoch, there is the further factor $(N - B)/(N - 1)$, which bends the line down when the batch
# becomes a large part of the data. The bargain is a poor one: half the noise for four times the
# work. That is why batches are small, and why something else has to deal with the noise.
#
# ### What noise does to gradient descent
#
# With noise of standard deviation $\sigma$ in each component, gradient descent on a quadratic does
# not arrive. In each direction of curvature $h$ it shrinks its error by $(1 - \alpha h)$ and adds
# $\alpha\sigma$ times a random number, until both balance. Summed over the directions, the mean loss
# levels off at
#
# $$\frac{\alpha \sigma^2}{2} \sum_i \frac{1}{2 - \alpha h_i} ,$$
#
# which for small $\alpha$ is proportional to $\alpha$.

# %% role="experiment" uses="sgd" claim="the-floor-follows-the-rate" of="np.max(np.abs(floor['measured'].mean(axis=0) / floor['formula'] - 1))" says="0 to 0.25" slide="26" alt="Loss at which gradient descent with noise levels off against the rate, both logarithmic: measured and formula are one rising line."
noisy, RATES = plotting.ravine(5, noise=2.0), (0.01, 0.03, 0.1, 0.3)
floor = {"measured": [], "formula": []}
for alpha in RATES:
    losses = []
    for seed in range(4):
        path = noisy.path(sgd, 3000, {"learning_rate": alpha}, rng=np.random.default_rng(seed))
        losses.append(noisy.above(path)[1000:].mean())
    floor["measured"].append(losses)
    floor["formula"].append(alpha * noisy.noise**2 / 2 * sum(1 / (2 - alpha * h) for h in (1, 5)))
floor = {"measured": np.transpose(floor["measured"]), "formula": floor["formula"]}
for column, alpha in enumerate(RATES):
    print(f"rate {alpha}: levels off at {floor['measured'][:, column].mean():.3f}, "
          f"formula {floor['formula'][column]:.3f}")  # fmt: skip
figure = plotting.plot_lines(RATES, floor, "learning rate α", "levels off at", log_x=True)
figure.axes[0].set_yscale("log")
plotting.show("The floor of the loss follows the rate")

# %% [markdown]
# So there is a conflict: a large rate gets near the minimum soon, a small one gets nearer in the
# end. Lesson 06 resolves it by letting the rate fall.
#
# *You can stop here.*
#
# ## 5 Momentum, twice
#
# All three troubles have something in common: gradient descent has no memory. In the ravine, each
# step across undoes the one before, and each step along repeats it. If one could add up the steps,
# the first would cancel and the second accumulate. Near a saddle there was speed, and it is
# forgotten. With noise, the average of many gradients would be better than any one of them.
#
# The idea in one picture: not a walker who looks at the slope at each step, but a ball, which has a
# **velocity** $v$, and on which the slope only pulls (Polyak 1964; slides 27–30). A fraction $\rho <
# 1$ of the velocity survives a step; $1 - \rho$ is friction. With the rate inside the velocity
# (slide 28),
#
# $$v_{t+1} = \rho \, v_t - \alpha \, g_t \quad \text{(Momentum.1)} \qquad\qquad
#   x_{t+1} = x_t + v_{t+1} \quad \text{(Momentum.2)}$$
#
# with $v_0 = 0$. The velocity *is* the step.
#
# ### Exercise: `sgd_momentum`

# %% role="exercise" exercise="optim.sgd_momentum"

# %% [markdown]
# The other form (slide 27, and `torch.optim.SGD`) keeps the rate out of the velocity, which then
# has the sign and the size of a gradient:
#
# $$v_{t+1} = \rho \, v_t + g_t \quad \text{(Momentum.3)} \qquad\qquad
#   x_{t+1} = x_t - \alpha \, v_{t+1} \quad \text{(Momentum.4)}$$
#
# ### Exercise: `sgd_momentum_unscaled`

# %% role="exercise" exercise="optim.sgd_momentum_unscaled"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the velocity not stored in the config that is returned, or stored before it is updated;
# * a step with the old velocity;
# * the wrong sign, or the learning rate twice, or not at all;
# * $(1 - \rho)\, g$ in place of $g$: a mean, where a sum is asked for;
# * momentum or rate of the config not looked at; one velocity for several parameters;
# * the other of the two forms: only the check in which the learning rate falls can tell.
# </details>
#
# *You can stop here.*
#
# ### Are they the same?
#
# Slide 28 says that both give the same sequence of $x$. Do not believe it. Feed the same random
# gradients to both, first at a constant rate, then with a rate that falls to a tenth halfway.


# %% role="experiment" uses="sgd_momentum sgd_momentum_unscaled" claim="two-forms-of-momentum" of="constant / falling" says="0 to 1e-9" slide="28"
def largest_gap(rates, rho=0.9):
    """Largest difference of the two forms' weights over all steps."""
    rng, gap = np.random.default_rng(0), 0.0
    a, b = np.zeros(50), np.zeros(50)
    config_a, config_b = {"momentum": rho}, {"momentum": rho}
    for rate in rates:
        dw = rng.normal(size=50)
        config_a["learning_rate"] = config_b["learning_rate"] = rate
        a, config_a = sgd_momentum(a, dw, config_a)
        b, config_b = sgd_momentum_unscaled(b, dw, config_b)
        gap = max(gap, np.abs(a - b).max())
    return gap


constant, falling = largest_gap(200 * [0.1]), largest_gap(100 * [0.1] + 100 * [0.01])
print(f"constant rate: {constant:.1e}")
print(f"falling rate:  {falling:.1e}")

# %% [markdown]
# At a constant rate nothing is left between them but rounding. When the rate falls they part: one
# form finishes the steps that were begun at the old rate, the other shortens them at once. Question
# 3 asks for the reason. (Lesson 06 shows how far apart they come while a network trains.)
#
# ### What does the velocity hold?
#
# Slide 27 calls it "a running mean of gradients".
#
# **Predict, then run.** Let the gradient be 1 in every step, $\alpha = 0.01$, $\rho = 0.9$. How many
# $\alpha$ long is the hundredth step?

# %% role="predict"
my_step_in_alphas = None  # your prediction: a number

# %% role="experiment" uses="sgd_momentum" claim="the-velocity-is-a-sum" of="lengths['ρ = 0.9'][99]" says="9.99 to 10.01" slide="27" alt="Length of the step at a steady gradient over 300 steps: it rises to 2, 10 and 100 times the rate for momentum 0.5, 0.9 and 0.99."
lengths = {}
for rho in (0.5, 0.9, 0.99):
    w, config, before = np.zeros(1), {"learning_rate": 0.01, "momentum": rho}, 0.0
    lengths[f"ρ = {rho}"] = []
    for _ in range(300):
        w, config = sgd_momentum(w, np.ones(1), config)
        lengths[f"ρ = {rho}"].append(-(w[0] - before) / 0.01)
        before = w[0]
predicted(my_step_in_alphas, lengths["ρ = 0.9"][99], "α")
plotting.plot_lines(np.arange(1, 301), lengths, "step", "length of the step (in α)")
plotting.show("At a steady gradient momentum takes 1/(1 − ρ) steps in one")

# %% [markdown]
# Not a mean but a **sum** with weights $1, \rho, \rho^2, \dots$, which add up to $1/(1 - \rho)$.
# Where the gradient is steady, momentum is gradient descent with the **effective rate**
#
# $$\alpha_\text{eff} = \frac{\alpha}{1 - \rho} ,$$
#
# after a start-up of a few times $1/(1 - \rho)$ steps: 10 α at ρ = 0.9, 100 α at ρ = 0.99. So every picture
# that compares gradient descent and momentum *at equal α* compares two different step lengths. Do
# it fairly:

# %% role="experiment" uses="sgd sgd_momentum" alt="Three landscapes with equal axes, gradient descent against momentum: far apart at equal rate, close at equal effective rate, and momentum ahead with the best settings of each; losses below on one scale." hide=true
hill = plotting.ravine(20)
fast = {"momentum": 0.9}
at_equal_rate = {
    "gradient descent": hill.path(sgd, 100, {"learning_rate": 0.005}),
    "momentum": hill.path(sgd_momentum, 100, {"learning_rate": 0.005, **fast}),
}
at_equal_effective_rate = {
    "gradient descent": hill.path(sgd, 100, {"learning_rate": 0.05}),
    "momentum": hill.path(sgd_momentum, 100, {"learning_rate": 0.005, **fast}),
}
root = np.sqrt(20)
each_at_its_best = {
    "gradient descent": hill.path(sgd, 100, {"learning_rate": 2 / 21}),
    "momentum": hill.path(
        sgd_momentum,
        100,
        {"learning_rate": (2 / (1 + root)) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2},
    ),
}
races = {"equal α": at_equal_rate, "equal effective rate": at_equal_effective_rate}
races |= {"each at its best": each_at_its_best}
plotting.plot_trajectories({title: (hill, paths) for title, paths in races.items()})
plotting.show("At equal α momentum seems to win by far; fair is the panel on the right")

# %% [markdown]
# At equal α (left) momentum seems to win by far. At equal effective rate (middle) hardly anything
# is left of that. And with the best settings of each (right) momentum does win, for another reason
# than in the left picture: it may use a rate *and* a memory that gradient descent, with its two
# factors, has no counterpart for. How much that is worth follows in part 6.
#
# The same on a network with 32 hidden units, mini-batches of 64, the mean loss of steps 81
# to 100.


# %% role="setup" hide=true
def final_loss(rule, rate, seed, steps=100):
    """Return the mean loss over the last 20 steps of a training on digits."""
    rng = np.random.default_rng(seed)
    first = Affine(data.x_train[0].size, 32, rng)
    net = Network([first, ReLU(), Affine(32, len(data.classes), rng)])
    history = fit(
        net, data, steps=steps, batch_size=64, learning_rate=rate, rng=rng, update=rule,
        progress=False,
    )  # fmt: skip
    return np.mean(history.loss[-20:]) if not history.diverged else np.log(len(data.classes))


SEEDS = range(sized(6, 2, "seeds"))

# %% role="experiment" uses="sgd sgd_momentum" claim="momentum-far-ahead-at-equal-rate" of="at_rate['equal rate']" says="below" slide="29"
at_rate = {}
for title, rate in (("equal rate", 0.01), ("equal effective rate", 0.1)):
    at_rate[title] = compare(
        lambda seed: final_loss(sgd_momentum, 0.01, seed),
        lambda seed, rate=rate: final_loss(sgd, rate, seed),
        SEEDS,
        names=("loss of momentum", "loss of SGD"),
        progress=False,
    )
    print(f"{title} ({rate}): {at_rate[title]}")

# %% role="experiment" uses="sgd sgd_momentum" claim="caught-up-at-equal-effective-rate" of="head_start" says="-0.01 to 0.2" slide="29"
head_start = at_rate["equal effective rate"].mean
print(
    f"of the difference at equal rate, {at_rate['equal rate'].mean:+.2f}, {head_start:+.3f} is left"
)

# %% [markdown]
# At equal rate momentum is far ahead. Give gradient descent the tenfold rate, and it has caught up,
# and is even a little ahead, because it needs no start-up. A comparison at equal α measures $1/(1 -
# \rho)$.

# %% [markdown] role="question" id="same-sequence" points=6
# **Question 3 (6 points).** (a) Show that (Momentum.1, 2) and (Momentum.3, 4), started with $v_0 =
# 0$, give the same $x_t$ at a constant rate. (b) Where does your proof need the constant rate?
# Which of the two forms goes on at the old speed for a while after the rate has fallen? (c) After
# part 6: put $\tilde x_t = x_t + \rho v_t$ into Nesterov's look-ahead form and derive the
# rearranged form of slide 35. Which quantity must be constant here?

# %% [markdown] role="answer"
# *Model answer.* (a) Write $u$ for the velocity of the second form. Claim: $v_t = -\alpha u_t$ for
# all $t$. It holds at $t = 0$, where both are 0. If it holds at $t$, then $v_{t+1} = \rho v_t -
# \alpha g_t = -\alpha(\rho u_t + g_t) = -\alpha u_{t+1}$, provided that $g_t$ is the same, that is,
# $x_t$ is. And
# $x_{t+1} = x_t + v_{t+1} = x_t - \alpha u_{t+1}$: the same $x_{t+1}$. (b) In the induction step: $v_t$
# holds the rates at which its gradients came in, $-\alpha u_t$ multiplies all of them by the
# present one. If $\alpha$ falls at $t$, $v_t \ne -\alpha_t u_t$. The first form goes on at the old
# speed; the second is slower at once. (c) $\nabla f$ is evaluated at $\tilde x_t$, so $v_{t+1} =
# \rho v_t - \alpha\nabla f(\tilde x_t)$. And $\tilde x_{t+1} = x_{t+1} + \rho v_{t+1}$
# $= x_t + v_{t+1} + \rho v_{t+1}$ $= \tilde x_t - \rho v_t + (1 + \rho) v_{t+1}$. The substitution uses the
# same $\rho$ at $t$ and $t+1$, so $\rho$ must be constant; $\alpha$ may change.
#
# *Rubric.* (a) 2 points: the relation of the velocities (1), the induction (1). (b) 2 points: the
# place (1), the right form (1). (c) 2 points: derivation (1.5), ρ (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 6 Nesterov's momentum, twice
#
# The velocity will carry us to $x + \rho v$ in any case. So why ask for the slope *here*, when it is
# already clear that we will be *there*? Nesterov's momentum looks ahead (slides 31 and 32):
#
# $$v_{t+1} = \rho \, v_t - \alpha \, \nabla f(x_t + \rho \, v_t) \quad \text{(Nesterov.1)}
#   \qquad\qquad x_{t+1} = x_t + v_{t+1} \quad \text{(Nesterov.2)}$$
#
# The picture of slides 30 and 31, computed in a ravine: both balls are at the same place with the
# same velocity, which is about to carry them up the other side. The one that looks ahead sees that
# in time.

# %% role="experiment" alt="Two landscapes with equal axes, one step from the same place with the same velocity: momentum takes the gradient where it stands, Nesterov where the velocity will have carried it, and turns sooner."
plotting.plot_lookahead(plotting.ravine(3), w=(-2.5, 1.0), v=(1.8, -1.6), rate=0.25, momentum=0.9)
plotting.show("Nesterov asks for the gradient where the velocity leads")

# %% [markdown]
# ### Exercise: `nesterov_lookahead`
#
# The rule needs gradients at another place than `w`, so it is given the gradient *function*: call
# `gradient(somewhere)` where you want to know the slope. A gradient is the expensive part of a step:
# ask once.

# %% role="exercise" exercise="optim.nesterov_lookahead"

# %% [markdown]
# ### The annoying part
#
# A training loop computes the gradient at the weights that the network holds, and then calls the
# rule; it has no gradient function to hand over. So one changes the variables (slides 33 to 35) and
# keeps in the network not $x$ but the place where the gradient is wanted, $\tilde x_t = x_t + \rho
# \, v_t$. In terms of $\tilde x$ the rule needs `dw` only. Derive it on paper before you look at
# slide 35: what is $\tilde x_{t+1} - \tilde x_t$?
#
# ### Exercise: `nesterov`

# %% role="exercise" exercise="optim.nesterov"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a look-ahead in the wrong direction, by the whole velocity, or none at all;
# * the step taken from the point ahead, so that the old velocity counts twice;
# * the point ahead returned in place of the weights, or, rearranged, the reverse;
# * the old velocity overwritten before it is used;
# * the sign of the old velocity; a missing 1 in front of the new one;
# * all that can go wrong with momentum, too.
# </details>
#
# ### Are these two the same?
#
# The two rules keep different points, $x$ and $\tilde x$, so their weights must *not* be equal.
# What must be equal is $\tilde x_t$ and $x_t + \rho v_t$; and since $v_t$ is the last step, $x_t -
# x_{t-1}$, you can compute it from the weights alone. A landscape that is not quadratic makes the
# test sharper.

# %% role="experiment" uses="nesterov_lookahead nesterov" claim="two-forms-of-nesterov" of="gap" says="0 to 1e-10" slide="35"
settings = {"learning_rate": 0.05, "momentum": 0.8}
path = plotting.two_valleys().path(nesterov_lookahead, 100, settings, lookahead=True)
rearranged = plotting.two_valleys().path(nesterov, 100, settings)
ahead = path[1:] + settings["momentum"] * np.diff(path, axis=0)
gap = np.abs(ahead - rearranged[1:]).max()
print(f"x itself against x̃: differs by up to {np.abs(path[1:] - rearranged[1:]).max():.1e}")
print(f"x + ρv against x̃:   differs by up to {gap:.1e}")

# %% [markdown]
# ### What memory is worth
#
# Back to the ravines of part 2. With two settings to choose, theory says how to choose them best
# for a quadratic with curvatures from 1 to $\kappa$:
#
# | rule | rate | momentum | the distance is multiplied by |
# |---|---|---|---|
# | gradient descent | $2/(\kappa+1)$ | – | $1 - 2/(\kappa+1)$ |
# | momentum | $4/(\sqrt\kappa+1)^2$ | $(\sqrt\kappa-1)^2/(\sqrt\kappa+1)^2$ | $1 - 2/(\sqrt\kappa+1)$ |
# | Nesterov | $1/\kappa$ | $(\sqrt\kappa-1)/(\sqrt\kappa+1)$ | $1 - 1/\sqrt\kappa$ |
#
# (For momentum and Nesterov up to a factor that grows with the number of steps, not exponentially.)

# %% role="experiment" uses="sgd sgd_momentum nesterov_lookahead" claim="memory-is-worth-a-root" of="measured['gradient descent'][8] / measured['momentum'][8]" says="30 to 200" slide="29" alt="Steps to arrive against the condition number, both logarithmic: gradient descent along a line of slope 1, momentum and Nesterov along lines of slope one half."
measured = {"gradient descent": [], "momentum": [], "Nesterov": []}
for condition in CONDITIONS:
    hill, root = plotting.ravine(condition), np.sqrt(condition)
    ratio = (root - 1) / (root + 1)
    rules = {
        "gradient descent": (sgd, {"learning_rate": 2 / (1 + condition)}),
        "momentum": (sgd_momentum, {"learning_rate": 4 / (1 + root) ** 2, "momentum": ratio**2}),
        "Nesterov": (nesterov_lookahead, {"learning_rate": 1 / condition, "momentum": ratio}),
    }
    for name, (rule, settings) in rules.items():
        steps = steps_to_arrive(rule, hill, settings, lookahead=name == "Nesterov")
        measured[name].append(steps)
measured["7·κ"], measured["7·√κ"] = MILLION / 2 * CONDITIONS, MILLION / 2 * np.sqrt(CONDITIONS)
for name in ("gradient descent", "momentum", "Nesterov"):
    print(f"{name:>16}: {measured[name][4]:>5} steps at κ = 100, {measured[name][8]:>6} at 10⁴")
plotting.plot_lines(CONDITIONS, measured, "condition number κ", "steps to arrive", log_x=True)
plotting.show("What memory is worth: the root of the condition number")

# %% [markdown]
# This is the true gain: the condition number is replaced by its **square root**. With these
# settings Nesterov's rule needs about two thirds more steps than momentum. In return it keeps a
# promise of this kind on every loss whose curvatures lie between 1 and $\kappa$, quadratic or not.
# Momentum with its settings does not: there is such a loss, not quadratic, on which it runs in a cycle
# and never arrives (Lessard, Recht & Packard 2016, arXiv:1408.3595).
#
# ### And at the saddle

# %% role="experiment" uses="sgd sgd_momentum nesterov_lookahead" claim="momentum-leaves-a-saddle-sooner" of="leaving['gradient descent'][2] / leaving['momentum'][2]" says="2 to 10" slide="29" alt="Steps to leave the saddle against the distance of the start from the axis: gradient descent needs most, Nesterov and momentum several times fewer, gradient descent at the effective rate fewest."
rules = {
    "gradient descent": (sgd, 0.05),
    "gradient descent, effective rate": (sgd, 0.5),
    "momentum": (sgd_momentum, 0.05),
    "Nesterov": (nesterov_lookahead, 0.05),
}
leaving = {}
for name, (rule, rate) in rules.items():
    settings = {"learning_rate": rate} | ({} if rule is sgd else fast)
    looks = name == "Nesterov"
    leaving[name] = [steps_to_leave(rule, offset, settings, looks) for offset in OFFSETS]
    stuck = steps_to_leave(rule, 0.0, settings, looks)
    print(f"{name:>32}: from 1e-8 {leaving[name][2]:>4} steps, from 0: {stuck}")
plotting.plot_lines(
    OFFSETS, leaving, "distance of the start from the axis", "steps to leave", log_x=True
)
plotting.show("Momentum leaves a saddle several times sooner")

# %% [markdown]
# Momentum leaves the saddle several times sooner than gradient descent at the same rate,
# and not as soon as gradient descent at momentum's effective rate. And started *on* the stable
# manifold, all of them stay: what has no component across the axis cannot build up velocity across
# it.
#
# *You can stop here.*
#
# ## 7 Kill the bug (beyond the core)
#
# The locked cell below has a rule like your `nesterov_lookahead`, with one mistake: it looks ahead
# in the wrong direction, to $x - \rho v$. In many landscapes nobody notices.
#
# Find bowls $f = \tfrac12 \sum_i h_i x_i^2$ in which it matters: return their curvatures $h$. Both
# rules start at $x = (1, \dots, 1)$ with learning rate 0.1 and momentum 0.9, and take 100 steps.
# *Your* rule has to come to within 0.01 of the minimum in every direction, and the wrong one has to
# end beyond 1 in at least one. Think about one direction: what does the wrong rule do to the
# gradient that it gets, when the velocity is large?
#
# ### Exercise: `separating_curvatures`

# %% role="exercise" exercise="optim.separating_curvatures"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * the bowl is so flat that the gradient is nearly the same in both places;
# * it is so steep that no rule with this learning rate stays in it;
# * a curvature of 0 or below is no bowl;
# * your own `nesterov_lookahead` does not look ahead.
# </details>

# %% role="experiment" uses="nesterov_lookahead separating_curvatures" alt="Distance from the minimum over 100 steps, logarithmic: your rule comes down, the rule that looks backward goes up." hide=true
h, distances = separating_curvatures(), {}
for name, rule in {"yours": nesterov_lookahead, "backward": backward_lookahead}.items():
    w, config = np.ones(len(h)), {"learning_rate": 0.1, "momentum": 0.9}
    distances[name] = []
    for _ in range(100):
        w, config = rule(w, lambda at: h * at, config)
        distances[name].append(np.maximum(np.abs(w).max(), 1e-16))
plotting.plot_lines(np.arange(1, 101), distances, "step", "distance from the minimum")
plotting.show("Looking backward amplifies what looking ahead damps")

# %% [markdown]
# A look in the wrong direction turns the early warning into a late one: the rule feels the slope of
# where it came from, and is pushed the more the faster it is. Looking ahead damps the ball, looking
# back drives it.
#
# *You can stop here.*
#
# ## 8 The race
#
# Slide 29 shows momentum in all the situations of this lesson, and slide 36 the three rules side by
# side. Here they are on the same landscapes, each with the best of many settings: the rate, and for two
# of them ρ, with the lowest loss over the last fifth of the steps.


# %% role="experiment" uses="sgd sgd_momentum nesterov_lookahead" claim="momentum-wins-in-the-ravine" of="places['ravine'].above(races['poor conditioning'][1]['momentum'])[-1] / places['ravine'].above(races['poor conditioning'][1]['SGD'])[-1]" says="0 to 0.9" slide="36" alt="Four landscapes with equal axes, the paths of SGD, momentum and Nesterov at their best rates, losses below on one scale; then the first two as an animation." hide=true
RATES_TRIED = np.logspace(-3, 0, sized(31, 11, "rates"))
SETTINGS = {
    "SGD": [{"learning_rate": rate} for rate in RATES_TRIED],
    "momentum": [
        {"learning_rate": rate, "momentum": rho} for rho in (0.5, 0.7, 0.9) for rate in RATES_TRIED
    ],
}
SETTINGS["Nesterov"] = SETTINGS["momentum"]
RULES = {"SGD": sgd, "momentum": sgd_momentum, "Nesterov": nesterov_lookahead}


def race(landscape, steps=60):
    """Return the paths of the three rules on one landscape, each with its best settings."""
    paths = {}
    for name, rule in RULES.items():
        best, paths[name] = landscape.best_path(
            rule, steps, SETTINGS[name], lookahead=name == "Nesterov"
        )
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in best.items())
        print(f"{name:>10}: {chosen}; loss at the end {landscape.above(paths[name])[-1]:.1e}")
    return landscape, paths


places, races = plotting.landscapes(100, noise=2.0), {}
for title, name in {
    "poor conditioning": "ravine", "local minimum": "local minimum",
    "saddle": "saddle", "gradient noise": "noisy",
}.items():  # fmt: skip
    print(title)
    races[title] = race(places[name])
plotting.plot_trajectories(races)
plotting.show("Each rule with its own best settings: memory pays in the ravine")
display(
    plotting.animate_trajectories(
        {name: races[name] for name in list(races)[:2]}, frames=sized(30, 10, "frames")
    )
)

# %% [markdown]
# In the ravine momentum's loss ends millions of times lower, at ρ = 0.7 and a rate that gradient
# descent does not tolerate (more than 2/κ). Where nothing is badly scaled, at the two valleys and the saddle, gradient descent arrives as
# well, and with noise memory averages. Which valley a rule ends in is luck of the start and of the
# settings: a large step or a swing may carry any of them over the ridge. The two first columns again, as
# an animation.
#
# ### On a network
#
# Each rule with its own best rate out of nine, as part 5 taught.

# %% role="experiment" uses="sgd sgd_momentum nesterov" alt="Loss against the learning rate for SGD, momentum and Nesterov: three bowls; on the left side that of SGD comes down at rates ten times as high, and its bottom is the highest."
RATES = np.logspace(-1.5, 0.5, 9)
contenders = {"SGD": sgd, "momentum": sgd_momentum, "Nesterov": nesterov}
by_rate = {name: [] for name in contenders}
for seed in tqdm(SEEDS, "seeds", delay=2, leave=False):
    for name, rule in contenders.items():
        by_rate[name].append([final_loss(rule, rate, seed) for rate in RATES])
by_rate = {name: np.array(losses) for name, losses in by_rate.items()}  # (seeds, rates)
plotting.plot_lines(RATES, by_rate, "learning rate", "loss, steps 81 to 100", log_x=True)
plotting.show("Momentum falls at lower rates, and its lowest point is lower")
at_best = {}
for name, losses in by_rate.items():
    best = np.median(losses, axis=0).argmin()
    at_best[name] = losses[:, best]
    print(f"{name:>8}: best at rate {RATES[best]:.3g}, loss {losses[:, best].mean():.3f}")

# %% role="experiment" uses="sgd sgd_momentum nesterov" claim="momentum-is-below-sgd-at-their-best" of="gain" says="below" slide="29"
gain = compare(at_best["momentum"].item, at_best["SGD"].item, SEEDS, names=("momentum", "SGD"))
print("loss:", gain)

# %% role="experiment" uses="sgd sgd_momentum nesterov" claim="nesterov-is-below-momentum" of="further" says="below" slide="36"
further = compare(
    at_best["Nesterov"].item, at_best["momentum"].item, SEEDS, names=("Nesterov", "momentum")
)
print("loss:", further)

# %% [markdown]
# Two effects are in this picture, and now you can tell them apart. Where it falls, the curve of
# momentum is that of SGD moved to the left by a factor of about ten: that is the effective rate, and
# worth nothing. But it does not turn up ten times sooner, and its lowest point is lower: that is a
# gain which no learning rate gives to SGD. Nesterov's is lower still. The intervals exclude zero. Mind what was measured: the training loss after 100 steps
# of one small network. Try `steps=300`: the order stays, and all losses are below 0.1.

# %% [markdown] role="question" id="unfair-picture" points=4
# **Question 4 (4 points).** A post compares SGD and momentum at $\alpha = 0.001$, $\rho = 0.99$ and
# concludes that "momentum is a hundred times as fast". (a) Explain where the hundred comes from.
# (b) How would you compare the two fairly, and what did *your* measurements on the network show
# then? (c) Name a situation from this lesson in which momentum helps for a reason that no learning
# rate can replace.

# %% [markdown] role="answer"
# *Model answer.* (a) At a steady gradient the velocity is a sum with weights $\rho^k$, in total
# $1/(1 - \rho) = 100$: the effective rate is 0.1, a hundred times that of SGD, which at 0.001 was
# simply too slow. (b) Each at its own best rate (same number of trials for each), over several
# seeds, with the interval of the difference; then momentum is still ahead on the small network, but
# by less than a tenth of what it seemed to be at equal rate (about 0.09 against 1.1 in the loss).
# (c) The ravine: the number of steps falls from about $7\kappa$ to about $7\sqrt\kappa$, with the
# best rate of each. (Also accepted: swinging out of a shallow valley is, by luck.)
#
# *Rubric.* (a) 1.5 points: the sum (1), the numbers (0.5). (b) 1.5 points: own best rates
# (0.5), seeds and interval (0.5), one's own result (0.5). (c) 1 point: the ravine, or another
# case with its reason.

# %% [markdown]
# *You can stop here.*
#
# ## 9 The same in PyTorch
#
# From here on the names `sgd`, `sgd_momentum`, … are **defined again**, on tensors. To repeat an
# experiment from above afterwards, run its exercise cells again first.
#
# There is little to translate: `np.zeros_like` becomes `torch.zeros_like`, and most lines stay as
# they are. Create new tensors *from* given ones, then device and dtype follow by themselves.
# `torch.optim` is what you are writing, so the checks do not accept it.

# %% role="setup"
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercise: `sgd` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.sgd"

# %% [markdown]
# ### Exercise: `sgd_momentum` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.sgd_momentum"

# %% [markdown]
# ### Exercise: `sgd_momentum_unscaled` in PyTorch

# %% role="exercise" exercise="optim.torch.sgd_momentum_unscaled"

# %% [markdown]
# ### Exercise: `Momentum`, an optimizer of networks
#
# A network has many parameters, each with a state of its own, and `torch.optim.Optimizer` brings
# what a training loop expects: groups of parameters with their own settings in
# `self.param_groups`, a dict for each parameter in `self.state[w]`, and `state_dict()` to save
# them. What is left to you is one step around the function that you have written.

# %% role="exercise" exercise="optim.torch.Momentum"

# %% [markdown]
# ### Exercise: `nesterov_lookahead` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.nesterov_lookahead"

# %% [markdown]
# ### Exercise: `nesterov` in PyTorch

# %% role="exercise" exercise="optim.torch.nesterov"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * a velocity made with `torch.zeros(w.shape)`, which is float32 on the CPU whatever `w` is;
# * `w.sub_(...)`, `w -= ...`: these change the caller's weights;
# * NumPy functions on tensors.
# </details>
#
# *You can stop here.*
#
# ### As optimizers
#
# An optimizer of PyTorch holds the parameters, finds their gradients in `p.grad`, and writes the
# new weights into them. Around your rules that takes a dozen lines.


# %% role="setup" hide=true
class YourOptimizer(torch.optim.Optimizer):
    """A rule (w, dw, config) -> next_w, config as an optimizer of PyTorch."""

    def __init__(self, parameters, rule, **settings):
        super().__init__(parameters, settings)
        self.rule = rule

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            settings = {key: value for key, value in group.items() if key != "params"}
            for p in group["params"]:
                config = self.state[p].get("config", {}) | settings
                next_w, self.state[p]["config"] = self.rule(p.clone(), p.grad, config)
                p.copy_(next_w)


def trained_in_torch(make_optimizer, seed=0):
    """Return the losses of a network on digits, trained with an optimizer for its parameters."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(data.x_train[0].size, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, len(data.classes)),
    ).to(device)
    history = fit_torch(
        model, data, steps=100, batch_size=64, rng=np.random.default_rng(seed),
        optimizer=make_optimizer(model.parameters()), progress=False,
    )  # fmt: skip
    return np.array(history.loss)


# %% role="experiment" uses="sgd_momentum_unscaled nesterov" claim="your-rules-are-the-frameworks" of="max(differences.values())" says="0 to 0.001"
settings, built_in = {"learning_rate": 0.02, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.9}
pairs = {
    "sgd_momentum_unscaled": (sgd_momentum_unscaled, built_in),
    "nesterov": (nesterov, built_in | {"nesterov": True}),
}
differences = {}
for name, (rule, theirs) in pairs.items():
    own = trained_in_torch(lambda p, rule=rule: YourOptimizer(p, rule, **settings))
    other = trained_in_torch(lambda p, theirs=theirs: torch.optim.SGD(p, **theirs))
    differences[name] = np.abs(own - other).max()
    print(f"{name:>22}: loss {own[0]:.2f} to {own[-1]:.2f}, "
          f"differs from torch.optim.SGD by at most {differences[name]:.0e}")  # fmt: skip

# %% [markdown]
# In single precision, over a hundred steps, the losses differ by rounding: your rules are those of
# the framework. (So is the other form of momentum, as long as the rate stays constant.)
#
# With autograd, the look-ahead form needs no formula for the gradient. Here it is, on the landscape
# with two valleys, against the rearranged form.

# %% role="experiment" uses="nesterov_lookahead nesterov"
valleys = plotting.two_valleys()


def gradient(w):
    w = w.detach().requires_grad_()
    with torch.enable_grad():
        x, y = w[0], w[1]
        loss = x**4 / 4 - x**2 + 0.3 * x + y**2
    return torch.autograd.grad(loss, w)[0]


x = x_tilde = torch.tensor(valleys.start, dtype=torch.float64, device=device)
config, config_tilde = ({"learning_rate": 0.05, "momentum": 0.8} for _ in range(2))
for _ in range(100):
    before = x.clone()
    x, config = nesterov_lookahead(x.clone(), gradient, config)
    x_tilde, config_tilde = nesterov(x_tilde.clone(), gradient(x_tilde), config_tilde)
gap = (x + 0.8 * (x - before) - x_tilde).abs().max().item()
print(f"after 100 steps at {x.tolist()}; x + ρv against x̃: {gap:.0e}")

# %% [markdown]
# ### How fast is it?
#
# **Predict, then run.** A step of momentum on a million weights: how many times as long as
# `torch.optim.SGD` do *your* lines take?

# %% role="predict"
my_time_ratio = None  # your prediction: 2 means twice as long

# %% role="experiment" uses="sgd_momentum_unscaled"
torch.manual_seed(0)
p = torch.nn.Parameter(torch.randn(1_000_000, device=device))
p.grad = torch.randn_like(p)
optimizer = torch.optim.SGD([p], lr=0.01, momentum=0.9)
config = {"learning_rate": 0.01, "momentum": 0.9}
w, dw = p.detach().clone(), p.grad.clone()
yours, theirs = timed(lambda: sgd_momentum_unscaled(w, dw, config), 20), timed(optimizer.step, 20)
predicted(my_time_ratio, yours / theirs, "times as long")

# %% [markdown]
# Your rule makes new arrays for every intermediate result; the built-in writes into the ones that
# it has. The arithmetic is the same, the traffic to memory is not.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 10 What to take away
#
# * Gradient descent multiplies the error in each direction by $1 - \alpha h$. The steepest
#   direction bounds the rate, so the flattest needs a number of steps proportional to the condition
#   number.
# * In a local minimum it stays. In a saddle it stays only if it came along the stable manifold;
#   else it is slow. In high dimension zero gradients are mostly saddles; equal weights are one that
#   you can build.
# * Gradient noise has variance proportional to 1/B, and makes a constant rate level off above the
#   minimum.
# * Momentum adds up gradients. Its effective rate is $\alpha/(1-\rho)$, so comparisons at equal α
#   are unfair. Its true gain is $\sqrt\kappa$ in place of $\kappa$.
# * Two forms of momentum, one sequence while the rate is constant. Two forms of Nesterov, one
#   sequence after $\tilde x = x + \rho v$ while ρ is constant.
#
# All of these rules have *one* rate for all weights. What if every weight had its own? That is
# lesson 05 (slides 37–48).
#
# **Sources.** Lecture 7, slides 20–36. Polyak 1964, *Some methods of speeding up the convergence of
# iteration methods* · Nesterov 1983, *A method of solving a convex programming problem with
# convergence rate O(1/k²)* · Sutskever, Martens, Dahl & Hinton 2013, *On the importance of
# initialization and momentum in deep learning* · Dauphin et al. 2014, *Identifying and attacking
# the saddle point problem in high-dimensional non-convex optimization*, arXiv:1406.2572 · Lessard,
# Recht & Packard 2016, *Analysis and Design of Optimization Algorithms via Integral Quadratic
# Constraints*, arXiv:1408.3595.
