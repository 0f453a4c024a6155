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
#     lesson: "05"
#     title: Adaptive methods
#     minutes_core: 90
#     minutes_all: 160
# ---

# %% [markdown]
# # Adaptive methods
#
# **Lesson 05 · CS231n 2018, lecture 7, slides 37–48 · core 90 minutes, all of it 160**
#
# One learning rate for a million weights is a compromise: too large for the steepest direction or
# too small for all others. Momentum eases it. AdaGrad, RMSProp and Adam do away with it: every
# weight gets a step of its own, from the gradients that this weight has seen. You will write the
# three in the order in which they were invented, because each repairs the one before it. You will
# answer the lecture's three questions with measurements. And at the end all seven methods of
# lecture 7 run the same race, each with a learning rate found with the same effort.
#
# | part | you write | minutes |
# |---|---|---|
# | 1–2 a step for every weight | `adagrad`, a prediction | 20 |
# | 3 steep and flat, and the ravine turned | a prediction, question 1 | 15 |
# | 5 a mean that forgets | `rmsprop` | 10 |
# | 6 Adam, almost | `adam_uncorrected`, a prediction, question 3 | 20 |
# | 7 Adam | `adam` | 10 |
# | 9 the race | a prediction | 15 |
# | **the core** | | **90** |
# | 4 the step after a long time | question 2 | 15 |
# | 7 which β forgets how fast? | nothing | 5 |
# | 8 kill the bug | `separating_gradients` | 10 |
# | 10 beyond: decoupled weight decay | `adamw` (bonus) | 15 |
# | 11 the same in PyTorch | two rules on tensors, an optimizer; others (bonus) | 25 |
# | **all of it** | | **160** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the three questions; the bonus comes on top. Words and symbols are the same in all lessons
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
from cs231n_lib.train import compare, fit, predicted, score_predictions, sgd_update, timed

threadpool_limits(1)  # arrays this small are fastest on one thread

# %% [markdown]
# **The data.** The 8 × 8 digits that come with scikit-learn. For other images change this one line
# to `data = load("fashion-mnist")` or `load("cifar10")`; what the text says about results was
# written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 The question
#
# A ravine has walls and a floor. Below, the wall is a hundred times as steep as the floor: the loss
# is $\frac12 (x^2 + 100\, y^2)$, and its condition number is 100. Gradient descent (`sgd_update`,
# which the course gives you) takes the same rate for both weights.

# %% role="experiment" claim="one-rate-is-a-compromise" of="abs(paths['rate 0.003'][-1][0])" says="3 to 4" slide="37" alt="Contours of a ravine with equal axes and two paths of gradient descent: the small rate stops short along the floor, the large one zigzags; the losses below."
ravine = plotting.ravine(100)
paths = {
    f"rate {rate}": ravine.path(sgd_update, 60, {"learning_rate": rate}) for rate in (0.003, 0.018)
}
plotting.plot_trajectories({"one rate for both weights": (ravine, paths)})
plotting.show("One rate for two curvatures is a compromise")
for name, path in paths.items():
    print(f"{name}: after 60 steps at ({path[-1, 0]:.2f}, {path[-1, 1]:.2g})")

# %% [markdown]
# The small rate settles the steep weight in a few steps and leaves the flat one where it was. The
# large one makes the steep weight jump from wall to wall, and the flat one is still on its way. At
# a rate of 0.02 the jumps would no longer shrink. The steep direction forbids what the flat one
# needs.
#
# ## 2 AdaGrad: divide by what the gradients were
#
# The idea in one picture is the one above with its axes stretched: if the steep weight were
# measured in other units, the ravine would be a bowl. Nobody knows the right units. But whoever
# keeps a record of a weight's gradients sees which weights are steep: theirs are large. AdaGrad
# (Duchi, Hazan & Singer 2011, slide 37) keeps the sum of their squares, and divides by its root,
# element by element:
#
# $$s_{t+1} = s_t + g_t^2 \quad \text{(AdaGrad.1)} \qquad\qquad
#   x_{t+1} = x_t - \alpha\, \frac{g_t}{\sqrt{s_{t+1}} + \varepsilon} \quad \text{(AdaGrad.2)}$$
#
# The small $\varepsilon$ keeps a weight that has never seen a gradient from dividing zero by zero.
# The slides write 1e-7; here it is 1e-8, and it is added to the root, not under it. PyTorch has
# 1e-10 for this method. The sum starts at zero; TensorFlow starts it at 0.1. Where gradients are
# large, all of that is the same.
#
# **Predict, then run.** At the start of the ravine above, at $(-4, 1)$, the gradient is $(-4,
# 100)$. How many times as far does AdaGrad's *first* step move the steep weight as the flat one?

# %% role="predict"
my_first_ratio = None  # your prediction: 25 would be as far as gradient descent does

# %% [markdown]
# ### Exercise: `adagrad`

# %% role="exercise" exercise="optim.adagrad"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the sum keeps sizes of gradients, and not their squares;
# * an old sum that shrinks (that comes in part 5), or that is not stored at all;
# * no root, or $\varepsilon$ under it;
# * defaults or settings under another key; `w` or `dw` changed in place.
# </details>

# %% role="experiment" uses="adagrad" claim="the-first-step-is-a-sign" of="steep / flat" says="0.999 to 1.001" slide="37"
path = ravine.path(adagrad, 1, {"learning_rate": 0.5})
flat, steep = np.abs(path[1] - path[0])
predicted(my_first_ratio, steep / flat, "times as far")

# %% [markdown]
# A first step is $\alpha$ for every weight that has a gradient at all: $g / \sqrt{g^2}$ is a sign.
# What is left of the gradient is where it points in each coordinate, and later how it compares with
# its own past.
#
# *You can stop here.*
#
# ## 3 Steep and flat (slide 38), and the ravine turned
#
# Slide 38 asks what happens with AdaGrad in a ravine. Here is the answer, and beside it a second
# one that the slide does not ask for: the *same* ravine, turned by 45°. Turning changes nothing
# about how hard the problem is. Gradient descent does not even notice: its path is turned as well.
# All methods get the best of 26 learning rates, tried one by one; first a look at one rate for
# each.
#
# **Predict, then run.** In the turned ravine, after 100 steps: how large is AdaGrad's loss, divided
# by that of gradient descent?

# %% role="predict"
my_turned_ratio = None  # your prediction: 1 means the same loss, 0.01 a hundredth

# %% role="setup"
RATES = np.logspace(-4, 1, 26)
FLOOR = 1e-16  # what is below is drawn here


def best_loss(rule, landscape, steps=100):
    """Return the lowest loss that one of RATES ends with."""
    ends = [landscape.path(rule, steps, {"learning_rate": r})[-1] for r in RATES]
    return max(np.nanmin(landscape.above(np.array(ends))), FLOOR)


# %% role="experiment" uses="adagrad" alt="The ravine along the axes and turned by 45 degrees, equal axes: AdaGrad goes straight to the minimum in the first and follows gradient descent's path in the second; losses below on one scale."
races = {}
for degrees in (0, 45):
    ravine = plotting.ravine(100, degrees)
    paths = {
        "SGD, rate 0.018": ravine.path(sgd_update, 60, {"learning_rate": 0.018}),
        "AdaGrad, rate 0.5": ravine.path(adagrad, 60, {"learning_rate": 0.5}),
    }
    races[f"turned by {degrees}°"] = ravine, paths
plotting.plot_trajectories(races)
plotting.show("AdaGrad undoes the ravine along the axes, not the turned one")

# %% role="experiment" uses="adagrad" claim="turning-takes-the-advantage" of="ends['AdaGrad'][-1] / ends['SGD'][-1]" says="1.2 to 2.5" slide="38" alt="Loss after 100 steps against the angle of the ravine, logarithmic: SGD level, AdaGrad from the floor of the picture up, past SGD from 35 degrees on."
ANGLES = np.arange(0, 46, 5)
ends = {"SGD": [], "AdaGrad": []}
for degrees in ANGLES:
    ravine = plotting.ravine(100, degrees)
    ends["SGD"].append(best_loss(sgd_update, ravine))
    ends["AdaGrad"].append(best_loss(adagrad, ravine))
plotting.plot_lines(
    ANGLES, ends, xlabel="angle of the ravine (degrees)", ylabel="loss after 100 steps"
)
plotting.show("AdaGrad's advantage goes as the ravine turns")
predicted(my_turned_ratio, ends["AdaGrad"][-1] / ends["SGD"][-1], "times the loss")

# %% [markdown]
# Along the axes AdaGrad solves the problem (losses below $10^{-16}$ are drawn there): the two
# weights have nothing to do with each other, and each is a parabola that the method scales to size.
# Turned, its advantage shrinks with every degree, and from 35° on it is behind gradient descent: at
# 45° by a factor of 1.75. Both weights see the same mixture of steep and flat there, both get the
# same divisor, and what is left is gradient descent with a falling rate. **Scaling every weight is
# not the same as conditioning the problem.** It helps as far as the steep directions lie along the
# axes. In networks they do so to some degree: a layer with small inputs has small gradients in all
# of its weights, and a rare feature has them rarely.

# %% [markdown] role="question" id="steep-and-flat" points=7
# **Question 1 (7 points; slide 38).** (a) What happens to AdaGrad's progress along a steep and
# along a flat direction, if they lie along the axes? Show it from (AdaGrad.1) and (AdaGrad.2) for
# the loss $\frac12(x^2 + \kappa\, y^2)$: how does the path of $y$ depend on $\kappa$? (b) Explain
# with the gradient of the turned ravine why the advantage vanishes at 45°. (c) One could divide by
# a whole matrix instead of by a number for each weight. Which one would undo the turning, and why
# does nobody do it for a network of a million weights?

# %% [markdown] role="answer"
# *Model answer.* (a) Progress in the steep direction is damped, in the flat one accelerated, until
# both are alike. With loss $\frac12 \kappa y^2$ the gradient is $\kappa y$, so $\sqrt s = \kappa
# \sqrt{\sum y^2}$ and the step is $\alpha\, y / \sqrt{\sum y^2}$: $\kappa$ cancels (but for ε). The
# path of $y$ is that of $x$ if it starts at the same value, whatever $\kappa$ is. (b) With $H = R\,
# \mathrm{diag}(1, \kappa) R^\top$ and 45°, both diagonal entries of $H$ are $(1 + \kappa)/2$ and
# the others $\pm(1 - \kappa)/2$; both components of the gradient contain the steep direction with
# equal weight, so their sums of squares are nearly equal, and dividing by nearly equal numbers is
# one rate for all. (c) The inverse root of the matrix $\sum g g^\top$ (full-matrix AdaGrad), or the
# inverse Hessian as in Newton's method. It has $10^{12}$ entries for a million weights, and its
# inverse or root costs of the order of $10^{18}$ operations.
#
# *Rubric.* (a) 3 points: 1 for damped and accelerated, 2 for the cancelling of κ. (b) 2 points: 1
# for both components mixing steep and flat, 1 for equal divisors. (c) 2 points: 1 for a matrix
# ($\sum g g^\top$, Hessian or its root), 1 for the cost or the memory.

# %% [markdown]
# *You can stop here.*
#
# ## 4 The step after a long time (slide 40; beyond the core)
#
# The sum $s$ only grows. So the factor on the gradient, $\alpha / \sqrt s$, only falls. The slide
# concludes that the step decays to zero. Does it? Here is a problem on real data that stays convex:
# ten linear functions of a digit's pixels are fitted to its label by least squares. It runs for
# 10,000 steps, once with the gradient over all examples, which dies out at the minimum, and once
# with mini-batches of four, whose gradients never do.


# %% role="setup" hide=true
MARKS = np.unique(np.logspace(0, 4, 25).astype(int))  # steps at which something is written down
over_time = {}  # what is found, for this picture and the next


def factors(rule, batch_size, learning_rate, seed=0, steps=MARKS[-1]):
    """Return the median factor on the gradient (w − next_w) / dw at the steps MARKS."""
    X = np.c_[data.x_train.reshape(len(data.x_train), -1), np.ones(len(data.x_train))]
    Y = np.eye(len(data.classes))[data.y_train]
    rng, W = np.random.default_rng(seed), np.zeros((X.shape[1], Y.shape[1]))
    config, found = {"learning_rate": learning_rate}, []
    for step in range(1, steps + 1):
        rows = slice(None) if batch_size is None else rng.integers(len(X), size=batch_size)
        x = X[rows].astype(float)
        dW = 2 / len(x) * x.T @ (x @ W - Y[rows])
        next_W, config = rule(W, dW, config)
        if step in MARKS:
            seen = dW != 0  # a pixel that is always white has no gradient
            found.append(np.median((W - next_W)[seen] / dW[seen]))
        W = next_W
    return found


def slope(values, last=7):
    """Return the slope of the last values against MARKS on two logarithmic axes."""
    return np.polyfit(np.log(MARKS[-last:]), np.log(values[-last:]), 1)[0]


# %% role="experiment" uses="adagrad" claim="the-step-falls-like-one-over-root-t" of="slopes['AdaGrad, batches of 4']" says="-0.55 to -0.4" slide="41" alt="Factor on the gradient over 10,000 steps, both logarithmic: with batches of four a falling line of slope nearly one half, with all examples it levels off."
over_time["AdaGrad, all examples"] = [factors(adagrad, None, 0.01)]
over_time["AdaGrad, batches of 4"] = [factors(adagrad, 4, 0.01, seed) for seed in range(3)]
figure = plotting.plot_lines(
    MARKS, over_time, xlabel="step", ylabel="factor on the gradient", log_x=True
)
figure.axes[0].set_yscale("log")
plotting.show("With noise AdaGrad's step falls without end")
slopes = {name: np.mean([slope(run) for run in runs]) for name, runs in over_time.items()}
for name, value in slopes.items():
    print(f"{name}: slope over the last decade {value:.2f}")

# %% [markdown]
# Two straight lines, two answers. With mini-batches the factor falls with a slope close to −½ on
# these axes, that is like $1/\sqrt t$: slow, but without end. With all examples it levels off, because
# the gradients die out faster than their squares add up. Slide 41, "decays to zero", is right for
# training with mini-batches, and not in general.

# %% [markdown] role="question" id="long-time" points=7
# **Question 2 (7 points; slide 40).** (a) Mini-batch gradients near a minimum are noise with
# variance $\sigma^2$. Derive from (AdaGrad.1) how $\alpha/\sqrt{s_t}$ behaves, with its constant.
# (b) Without noise, on $\frac12 h w^2$, let $\sqrt s$ change slowly. Show that $s$ has a limit.
# (You may treat steps as continuous time: what is $d(w^2)/dt$, and what is $d\sqrt s/dt$?) (c) For
# which problems is a step that falls like $1/\sqrt t$ welcome, and why is it a nuisance in training
# a network?

# %% [markdown] role="answer"
# *Model answer.* (a) $s_t \approx t \sigma^2$, so $\alpha/\sqrt{s_t} \approx \alpha / (\sigma \sqrt
# t)$. (b) With $g = hw$: $\dot s = h^2 w^2$, so $d\sqrt s/dt = h^2 w^2 / (2 \sqrt s)$, and $\dot w
# = {-\alpha} h w/\sqrt s$, so $d(w^2)/dt = -2 \alpha h w^2/\sqrt s = -(4 \alpha / h)\, d\sqrt
# s/dt$. The two are proportional: $\sqrt s$ can grow by no more than $h\, w_0^2/(4 \alpha)$ in all,
# because $w^2$ can fall by no more than $w_0^2$. Or in words: at a bounded rate the gradients fall
# geometrically, and a geometric series of squares has a finite sum. (c) Welcome in convex problems
# with noise: such a rate falls slowly enough to reach any point and fast enough for the noise to
# average out, and it needs no schedule. A nuisance in networks: the first steps, at a bad place
# with large gradients, are never forgotten, so the rate may be too small long before a good region is
# reached; when the landscape changes, it cannot grow again.
#
# *Rubric.* (a) 2 points: 1 for $1/\sqrt t$, 1 for $\alpha/\sigma$. (b) 3 points: for proportional
# rates of change, or for a geometric series with its reason; 1 for "gradients vanish" alone. (c) 2
# points: 1 for convex or average out, 1 for never forgets or stops too early.

# %% [markdown]
# *You can stop here.*
#
# ## 5 RMSProp: a mean that forgets
#
# The repair fits on a slide of a lecture that was never a paper (Tieleman & Hinton 2012, slide 42):
# replace the sum by a running mean. A fraction $\rho$ of the old mean is kept, `decay_rate` in code:
#
# $$s_{t+1} = \rho\, s_t + (1 - \rho)\, g_t^2 \quad \text{(RMSProp.1)} \qquad\qquad
#   x_{t+1} = x_t - \alpha\, \frac{g_t}{\sqrt{s_{t+1}} + \varepsilon} \quad \text{(RMSProp.2)}$$
#
# ### Exercise: `rmsprop`

# %% role="exercise" exercise="optim.rmsprop"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the two weights $\rho$ and $1 - \rho$ exchanged, or on the wrong terms;
# * a weight for the old value only, so that the mean is a sum again;
# * no root; $\varepsilon$ under the root;
# * the mean not stored, or stored under another key than it is read from.
# </details>

# %% role="experiment" uses="rmsprop" claim="rmsprop-cannot-stop" of="over_time['RMSProp, all examples'][0][-1] / min(over_time['RMSProp, all examples'][0])" says="1.3 to 1000" slide="42" alt="The same picture with RMSProp: with batches of four its factor stays level, with all examples it rises."
over_time["RMSProp, all examples"] = [factors(rmsprop, None, 0.01)]
over_time["RMSProp, batches of 4"] = [factors(rmsprop, 4, 0.01, seed) for seed in range(3)]
figure = plotting.plot_lines(
    MARKS, over_time, xlabel="step", ylabel="factor on the gradient", log_x=True
)
figure.axes[0].set_yscale("log")
plotting.show("AdaGrad cannot speed up, RMSProp cannot stop")
for name, runs in over_time.items():
    print(f"{name}: factor at step 10,000: {np.mean([run[-1] for run in runs]):.2g}")

# %% [markdown]
# With noise RMSProp's factor stays where the noise puts it. Without noise it *rises* after some ten
# steps: the gradients die out, and the mean forgets that they were ever large. It rises until the
# weights swing back and forth by about $\alpha$ and keep their own gradients alive. They never
# settle. AdaGrad cannot speed up, and RMSProp cannot stop. That is why RMSProp and Adam are used with
# a falling $\alpha$ (lesson 06).
#
# One more thing in this picture: RMSProp's very first factor is ten times that of AdaGrad. The mean
# started at zero, and after one step it holds a hundredth of what it should. Keep that in mind.
#
# *You can stop here.*
#
# ## 6 Adam, almost
#
# RMSProp smooths the size of the gradient, momentum smooths the gradient itself. Do both, and you
# have almost Adam (Kingma & Ba 2015, arXiv:1412.6980, slide 44):
#
# $$m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t \quad \text{(Adam.1)} \qquad
#   v_t = \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2 \quad \text{(Adam.2)} \qquad
#   x_{t+1} = x_t - \alpha\, \frac{m_t}{\sqrt{v_t} + \varepsilon} \quad \text{(Adam.3)}$$
#
# Both means start at zero. Defaults are $\beta_1 = 0.9$ and $\beta_2 = 0.999$: the direction looks
# back over about 10 gradients, the size over about 1,000. (`v` is no velocity any more; the letters
# are the paper's.)
#
# ### Exercise: `adam_uncorrected`

# %% role="exercise" exercise="optim.adam_uncorrected"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $\beta_1$ and $\beta_2$ exchanged, or one of them in both means;
# * the squares of the mean in place of the mean of the squares;
# * one of the two means not stored;
# * no root, or $\varepsilon$ under it; a correction that is not asked for yet.
# </details>
#
# Slide 45 asks: *what happens at the first time step?*
#
# **Predict, then run.** The gradient is 5 for every step. How long is the first step, in units of
# the learning rate?

# %% role="predict"
my_first_step = None  # your prediction: 1 means as long as the learning rate


# %% role="setup"
def steps_in_rates(rule, gradients, **settings):
    """Return the length of each step of one weight along given gradients, in learning rates."""
    w, config, path = np.zeros(1), {"learning_rate": 1e-3} | settings, [0.0]
    for gradient in gradients:
        w, config = rule(w, np.array([float(gradient)]), config)
        path.append(w[0])
    return -np.diff(path) / 1e-3


# %% role="experiment" uses="adam_uncorrected" claim="the-first-step-is-3-16-rates" of="almost[0]" says="3.16 to 3.17" slide="45" alt="Length of the first 50 steps at a constant gradient: from 3.2 learning rates up to 6.6 at step 12, then slowly down."
almost = steps_in_rates(adam_uncorrected, 50 * [5.0])
predicted(my_first_step, almost[0], "learning rates")
print(f"the longest step is number {almost.argmax() + 1}, {almost.max():.2f} learning rates long")
plotting.plot_lines(
    np.arange(1, 51), {"Adam (almost)": almost}, xlabel="step", ylabel="length of the step (α)"
)
plotting.show("Uncorrected steps are several times too long")

# %% [markdown]
# The first step is not the worst. It takes 50 steps to see what is going on, and a thousand for it
# to be over: with a constant gradient each step should be $\alpha$.

# %% [markdown] role="question" id="first-step" points=6
# **Question 3 (6 points; slide 45).** (a) Derive the length of the first step, and say on which
# settings it depends and on which not. (b) Derive the length of step $t$ under a constant gradient.
# Why does it first grow and then fall? (c) What can such a start do to a network whose weights were
# carefully initialized?

# %% [markdown] role="answer"
# *Model answer.* (a) $m_1 = (1 - \beta_1) g$ and $v_1 = (1 - \beta_2) g^2$, so the step is $\alpha
# (1 - \beta_1)/\sqrt{1 - \beta_2} = 0.1/\sqrt{0.001}\, \alpha = 3.16\, \alpha$. The size of the
# gradient cancels (as long as $\varepsilon$ is small compared with $\sqrt{v_1}$); only the βs count. (b)
# $m_t = (1 - \beta_1^t) g$ and $v_t = (1 - \beta_2^t) g^2$, so the step is $\alpha (1 -
# \beta_1^t)/\sqrt{1 - \beta_2^t}$. The numerator is full after some tens of steps, the denominator
# after thousands: at first the numerator catches up faster than the denominator (up to 6.57 α at $t
# = 12$), then only the denominator still grows, and the quotient falls to 1. (c) The first steps
# are several times as long as intended, in all weights at once and in a direction that rests on a
# few gradients: they can undo the initialization, saturate or kill units, or make the loss jump;
# one would have to lower the rate for the whole training because of its first steps.
#
# *Rubric.* (a) 2 points: 1 for the number or formula, 1 for independence of the gradient. (b) 3
# points: 1.5 for the formula, 1.5 for the two speeds. (c) 1 point for too long steps at the start
# and one of their consequences.

# %% [markdown]
# *You can stop here.*
#
# ## 7 Adam
#
# After $t$ steps of a constant gradient, $m_t$ is too small by the factor $1 - \beta_1^t$, and
# $v_t$ by $1 - \beta_2^t$. With gradients that are random but always of the same kind, that holds
# on average. So divide (slide 46):
#
# $$\hat m_t = \frac{m_t}{1 - \beta_1^t} \quad \text{(Adam.4)} \qquad
#   \hat v_t = \frac{v_t}{1 - \beta_2^t} \quad \text{(Adam.5)} \qquad
#   x_{t+1} = x_t - \alpha\, \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon} \quad \text{(Adam.6)}$$
#
# `t` counts the steps in `config`. It starts at 0 and is increased *before* it is used. The
# corrected means are for this step only; what is kept are the uncorrected ones.
#
# ### Exercise: `adam`

# %% role="exercise" exercise="optim.adam"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `t` never stored, or one too high in the first step;
# * a product $\beta \cdot t$ or a square where a power $\beta^t$ belongs; $(1 - \beta)^t$;
# * corrected means written back into `config`;
# * $\varepsilon$ under the root, or only one of the two means corrected.
# </details>

# %% role="experiment" uses="adam_uncorrected adam" claim="corrected-steps-are-one-rate" of="np.abs(panels['step (α), constant gradient']['Adam'] - 1).max()" says="0 to 0.0001" slide="46" alt="Two panels on one scale, steps of Adam and of Adam without correction: at a constant gradient 1 against up to 6.6 learning rates, under noise within about 1 against several."
rng = np.random.default_rng(0)
signals = {"constant gradient": np.full(50, 5.0), "noisy gradient": 5 + 10 * rng.normal(size=50)}
rules = {"almost": adam_uncorrected, "Adam": adam}
panels = {
    f"step (α), {signal}": {name: steps_in_rates(rule, g) for name, rule in rules.items()}
    for signal, g in signals.items()
}
figure = plotting.plot_lines(np.arange(1, 51), panels, xlabel="step", ylabel="")
for ax in figure.axes:
    ax.set(yscale="linear", ylim=(0, 7))
plotting.show("The correction makes the rate mean the same in every step")
for name, steps in panels["step (α), constant gradient"].items():
    print(f"{name}: first step {steps[0]:.2f} α, longest {steps.max():.2f} α")

# %% [markdown]
# With the correction every step is $\alpha$ long under a constant gradient, from the first one on.
# Under noise, too, Adam's steps stay within about $\alpha$.
#
# ### Which β forgets how fast? (beyond the core)
#
# Two experiments. In the first the gradient is +1 for a long time and then −1 from then on: after how
# many steps does the weight turn round? In the second a single gradient is 1,000 times as large as
# all others: how long are the steps shorter than half of what they should be?


# %% role="experiment" uses="adam" claim="a-burst-is-felt-for-thousands-of-steps" of="late" says="1000 to 12000" slide="46" alt="Length of the step after a burst: it recovers within a hundred steps for β₂ = 0.9, within a thousand for 0.99, in thousands for 0.999."
CALM = np.ones(3000)
for beta1 in (0.5, 0.9, 0.99):
    steps = steps_in_rates(adam, np.r_[CALM, -CALM], beta1=beta1)[len(CALM) :]
    turned = np.flatnonzero(steps < 0)[0] + 1
    halved = np.log(0.5) / np.log(beta1)
    print(f"β₁ = {beta1}: turns round at step {turned:>3} (half of m is gone after {halved:.1f})")

after = np.arange(1, 12_001)
burst = {}
for beta2 in (0.9, 0.99, 0.999):
    steps = steps_in_rates(adam, np.r_[CALM, 1000.0, np.ones(len(after))], beta2=beta2)
    burst[f"β₂ = {beta2}"] = steps[-len(after) :]
    late = np.flatnonzero(burst[f"β₂ = {beta2}"] < 0.5)[-1] + 1
    print(f"β₂ = {beta2}: steps below α/2 until {late:,} steps after the burst")
plotting.plot_lines(
    after[::40], {k: v[::40] for k, v in burst.items()}, xlabel="steps after the burst",
    ylabel="length of the step (α)",
)  # fmt: skip
plotting.show("A burst is remembered for 1/(1 − β₂) steps and more")

# %% [markdown]
# A mean that keeps the fraction β has a half-life of $\ln 2/(1 - \beta)$ steps, nearly: 7 for $\beta_1 = 0.9$,
# 693 for $\beta_2 = 0.999$. That the direction forgets fast is what one wants. That the size
# forgets slowly has a price: one burst, and Adam with its defaults crawls for thousands of steps.
# (AdaGrad would crawl without end.) Where gradients come in bursts, people clip them or take $\beta_2$
# = 0.95 to 0.99.
#
# *You can stop here.*
#
# ## 8 Kill the bug (beyond the core)
#
# The locked cell below is Adam without correction, for a single weight that starts at 0 with
# learning rate 0.01. On most gradients it is hard to tell from Adam by its end. Find at most 20
# gradients, of sizes between 0.001 and 1,000, after which the two are 90 learning rates apart. You
# know all that you need from the pictures above.
#
# ### Exercise: `separating_gradients`

# %% role="exercise" exercise="optim.separating_gradients"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * differences add up over the steps, if all steps go the same way;
# * a gradient much larger than those before it brings $v$ up at once;
# * few gradients leave few steps; your own `adam` has to be right on them.
# </details>

# %% role="experiment" uses="adam separating_gradients"
gradients = separating_gradients()
ends = [steps_in_rates(adam, gradients).sum(), -uncorrected_path(gradients)[-1] / 0.01]
print(f"{len(gradients)} gradients: Adam goes {ends[0]:.1f} α, without correction {ends[1]:.1f} α")

# %% [markdown]
# *You can stop here.*
#
# ## 9 The race
#
# ### The lecture's picture (slides 36, 43 and 48)
#
# Five methods on three landscapes: a ravine of condition number 100, the same turned by 45°, and a
# saddle. Each gets the best of many settings there: 33 rates, and for momentum and Adam three values of
# ρ or β₁; the lowest loss over the last fifth of 60 steps counts.


# %% role="setup" hide=true
def with_inertia(w, dw, config):
    """Momentum and Nesterov's once more, by the last weights and gradients in place of a velocity.

    config: learning_rate; momentum: ρ; look_ahead: 1 makes it Nesterov's; last: w and dw, kept here.
    """
    last_w, last_dw = config.get("last", (w, 0))
    rho, ahead = config["momentum"], config.get("look_ahead", 0)
    config["last"] = w.copy(), dw.copy()
    step = config["learning_rate"] * (dw + ahead * rho * (dw - last_dw))
    return w - step + rho * (w - last_w), config


def settings(**also):
    """Return settings to try: 33 rates, with each value of the other setting."""
    rates = np.logspace(-3, 1, 33)
    name, values = next(iter(also.items()), ("", [None]))
    return [{"learning_rate": r} | ({name: v} if name else {}) for v in values for r in rates]


# %% role="experiment" uses="adagrad rmsprop adam" hide=true claim="memory-wins-when-turned" of="turned['AdaGrad'] / turned['momentum']" says="1 to 1e9" slide="48" alt="Three landscapes with equal axes, the paths of SGD, momentum, AdaGrad, RMSProp and Adam with their best settings: along the axes the adaptive methods go straight, turned they do not; losses below on one scale; then the same as an animation."
racers = {
    "SGD": (sgd_update, settings()),
    "momentum": (with_inertia, settings(momentum=(0.5, 0.7, 0.9))),
    "AdaGrad": (adagrad, settings()),
    "RMSProp": (rmsprop, settings()),
    "Adam": (adam, settings(beta1=(0.5, 0.7, 0.9))),
}
hills = {
    "ravine": plotting.ravine(100),
    "turned ravine": plotting.ravine(100, 45),
    "saddle": plotting.saddle(),
}
races, at_the_end = {}, {}
for place, hill in hills.items():
    paths = {name: hill.best_path(rule, 60, tried)[1] for name, (rule, tried) in racers.items()}
    races[place] = hill, paths
    at_the_end[place] = {name: max(hill.above(path)[-1], FLOOR) for name, path in paths.items()}
    print(
        f"{place}: loss at the end", ", ".join(f"{n} {v:.0e}" for n, v in at_the_end[place].items())
    )
turned = at_the_end["turned ravine"]
plotting.plot_trajectories(races)
plotting.show("Scaling every weight helps along the axes, and not across them")
display(plotting.animate_trajectories(races, frames=30))

# %% [markdown]
# SGD and momentum do the same in both ravines, turned or not. The adaptive methods are at home along the
# axes, where each weight is a problem of its own; turned, that is gone, and what counts is memory. At the
# saddle all of them leave.
#
# ### Seven methods, one network
#
# Two hidden layers of 64 units on the digits, batches of 64. A race is
# fair only if all contestants were tuned with the same effort. Here every method tries seven learning
# rates, a factor of √10 apart, around a value that is usual for it, each with two seeds. The best
# one, by steps until the training loss (averaged over 20 steps) is below 0.1, goes into the race:
# six other seeds. All other settings are the defaults; momentum and Nesterov have ρ = 0.9. These
# two and SGD are given.
#
# **Predict, then run.** How many steps will Adam need, as a fraction of those of SGD?

# %% role="predict"
my_fraction_of_steps = None  # your prediction: 0.5 means half as many


# %% role="setup" hide=true
STEPS, TARGET, WINDOW = 300, 0.1, 20


def inertia(look_ahead):
    """Return `with_inertia` with ρ = 0.9, which a training loop can call."""
    fixed = {"momentum": 0.9, "look_ahead": look_ahead}
    return lambda w, dw, config: with_inertia(w, dw, config | fixed)


def train(rule, learning_rate, seed, steps=STEPS):
    """Return the history of a training run from a seed."""
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size, 64, 64]
    hidden = [layer for n in (0, 1) for layer in (Affine(*sizes[n : n + 2], rng), ReLU())]
    net = Network([*hidden, Affine(64, len(data.classes), rng)])
    return fit(
        net, data, steps=steps, batch_size=64, learning_rate=learning_rate, rng=rng, update=rule,
        evaluate_every=50, progress=False,
    )  # fmt: skip


def steps_to_target(history):
    """Return the first step at which the mean loss of WINDOW steps is below TARGET, or infinity."""
    if history.diverged or len(history.loss) < WINDOW:
        return np.inf
    means = np.convolve(history.loss, np.ones(WINDOW) / WINDOW, "valid")
    below = np.flatnonzero(means < TARGET)
    return below[0] + WINDOW if below.size else np.inf


def tuned_rate(rule, usual):
    """Return (the best of seven rates by the mean over two seeds, all results)."""
    rates = usual * 10.0 ** (np.arange(-3, 4) / 2)
    needed = [np.mean([steps_to_target(train(rule, r, s)) for s in (100, 101)]) for r in rates]
    return rates[np.argmin(needed)], np.array(needed)


# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" alt="Steps to the target for seven methods, a mark a seed: Adam without correction, Nesterov and Adam first, plain SGD last; below, training loss and validation accuracy of four of them." claim="adam-takes-half-the-steps" of="np.median(needed['Adam']) / np.median(needed['SGD'])" says="0.3 to 0.75" slide="48"
usual = {  # a method, and a learning rate that is usual for it
    "SGD": (sgd_update, 0.1),
    "momentum": (inertia(0), 0.1),
    "Nesterov": (inertia(1), 0.1),
    "AdaGrad": (adagrad, 0.03),
    "RMSProp": (rmsprop, 0.003),
    "Adam (almost)": (adam_uncorrected, 0.003),
    "Adam": (adam, 0.003),
}
rates, tried = {}, {}
for name, (rule, start) in tqdm(usual.items(), "tuning", delay=3, leave=False):
    rates[name], tried[name] = tuned_rate(rule, start)

runs = {
    name: [train(rule, rates[name], seed) for seed in range(6)]
    for name, (rule, _) in tqdm(usual.items(), "the race", delay=3, leave=False)
}
needed = {name: [steps_to_target(run) for run in six] for name, six in runs.items()}
ranked = sorted(needed, key=lambda name: np.median(needed[name]))
print("method           rate  within 2× of best  steps to target       validation accuracy")
for name in ranked:
    accuracy = [run.val_accuracy[-1] for run in runs[name]]
    low, middle, high = np.percentile(needed[name], [0, 50, 100])
    forgiving = np.sum(tried[name] <= 2 * tried[name].min())
    print(
        f"{name:<14}{rates[name]:7.4f}{forgiving:>10} of 7       "
        f"{middle:4.0f} ({low:.0f} to {high:.0f}){np.mean(accuracy):16.3f} ± {np.std(accuracy):.3f}"
    )
plotting.plot_ranking({name: needed[name] for name in ranked}, "steps to training loss 0.1")
plotting.show("Adam takes about half the steps of SGD")
predicted(
    my_fraction_of_steps,
    np.median(needed["Adam"]) / np.median(needed["SGD"]),
    "of the steps of SGD",
)
plotting.plot_curves({name: runs[name] for name in ("SGD", "Nesterov", "AdaGrad", "Adam")})
plotting.show("Four of the seven at their best rates")

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="adam-is-ahead-of-sgd" of="steps_of['SGD']" says="above" slide="48"
steps_of = {}
for a, b in (("SGD", "Adam"), ("Adam (almost)", "Adam"), ("Nesterov", "Adam")):
    counts = [np.minimum(needed[name], STEPS).__getitem__ for name in (a, b)]
    steps_of[a] = compare(*counts, range(6), names=(a, b))
    print("steps:", steps_of[a])

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="a-tuned-momentum-keeps-up" of="np.median(needed['Nesterov']) / np.median(needed['Adam'])" says="0.6 to 1.4" slide="48"
for pair in (("SGD", "Adam"), ("Nesterov", "Adam")):
    final = [[run.val_accuracy[-1] for run in runs[name]].__getitem__ for name in pair]
    print("accuracy:", compare(*final, range(6), names=pair))

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="all-beat-plain-sgd" of="slowest / np.median(needed['SGD'])" says="0.3 to 0.95" slide="48"
slowest = max(np.median(needed[name]) for name in needed if name != "SGD")
print(f"the slowest of the other six takes {slowest / np.median(needed['SGD']):.2f} of SGD's steps")

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="final-accuracies-tie" of="max(ends) - min(ends)" says="0 to 0.015" slide="48"
ends = [np.mean([run.val_accuracy[-1] for run in six]) for six in runs.values()]
print(f"final accuracies of all seven lie within {max(ends) - min(ends):.3f}")

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="without-its-correction-adam-is-no-slower" of="almost / np.median(needed['Adam'])" says="0.5 to 1.1" slide="46"
almost = np.median(needed["Adam (almost)"])
print(f"without its correction Adam takes {almost / np.median(needed['Adam']):.2f} of its steps")

# %% role="experiment" uses="adagrad rmsprop adam_uncorrected adam" claim="a-rate-of-a-thousandth-is-slow" of="slow" says="1.5 to 8" slide="47"
slow = tried["Adam"][2] / tried["Adam"].min()
print(f"Adam at the rate {0.003 / 10**0.5:.2g}: {slow:.1f} times the steps of its best rate")

# %% [markdown]
# What this race shows, and what it does not:
#
# * Everything beats plain SGD. Adam needs about half its steps.
# * Nesterov and Adam do not differ clearly. A tuned momentum keeps up with any adaptive method
#   here; AdaGrad and RMSProp are behind it.
# * Without its correction Adam is no slower, even a little faster. Its best rate is several times
#   smaller, and its long first steps turn it into a rate that starts high and falls. So the
#   correction does not buy speed. It makes the learning rate mean the same in step 1 as in step
#   1,000.
# * Final accuracies tie. They lie within a hundredth, and one validation example is 0.004.
#   Whether adaptive methods generalize worse (Wilson et al. 2017, arXiv:1705.08292) can be neither
#   seen nor refuted at this size.
# * The ranking belongs to its target. In the curves, Adam at the rate that is best for *this*
#   target grows restless later on, while Nesterov's loss goes on falling. A lower target would have
#   chosen a different rate.
# * Slide 47's rates, 1e-3 and 5e-4, are safe, and slow here: with 1e-3 Adam needs more than twice
#   the steps of its best rate, with 5e-4 still more.
# * "Adam needs less tuning": three of its seven rates are within twice its best, as with Nesterov,
#   and one of SGD's. That is a hint and no proof; the rates are a factor of three apart.
#
# *You can stop here.*
#
# ## 10 Beyond the lecture: decoupled weight decay (bonus)
#
# L2 (slide 70) adds $2 \lambda w$ to the gradient. In plain SGD that shrinks every weight by the
# same fraction per step, and so it is called weight decay. In Adam it does not: the penalty goes
# through $m$ and is divided by $\sqrt v$ with all the rest. A weight with large gradients is hardly
# shrunk, one with small gradients a lot. AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) takes
# the decay out of the gradient and shrinks the weights separately:
#
# $$x_{t+1} = x_t - \alpha\, \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon} - \alpha \lambda\, x_t
#   \quad \text{(AdamW.1)}$$
#
# In the gradient given to it there is no penalty any more. The fraction is $\alpha \lambda$, as in
# PyTorch.
#
# ### Exercise: `adamw`

# %% role="exercise" exercise="optim.adamw"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the penalty added to `dw` after all, so that it reaches the means;
# * $\lambda$ without $\alpha$; the weights after the step shrunk, and not those before it;
# * all suspects of `adam`.
# </details>

# %% role="experiment" uses="adam adamw" claim="l2-spares-weights-with-large-gradients" of="spared" says="above"
decay, alpha, seeds = 0.1, 1e-3, 20
small_and_large = np.tile([0.1, 10.0], (seeds, 1))  # sizes of the gradients
noise = np.random.default_rng(0).normal(size=(2000, seeds, 2)) * small_and_large
w_l2, w_decoupled = np.ones((seeds, 2)), np.ones((seeds, 2))
l2, decoupled = {}, {"weight_decay": decay}
for dw in noise:
    w_l2, l2 = adam(w_l2, dw + decay * w_l2, l2)
    w_decoupled, decoupled = adamw(w_decoupled, dw, decoupled)
print(f"weights after {len(noise)} steps, from 1: with small gradients, with large gradients")
print("  L2 in the gradient of Adam:", w_l2.mean(axis=0).round(2))
print("  AdamW:                     ", w_decoupled.mean(axis=0).round(2))
print(f"  decay alone:                {(1 - alpha * decay) ** len(noise):.2f}")
spared = compare(
    lambda i: w_l2[i, 1], lambda i: w_decoupled[i, 1], range(seeds), names=("L2", "AdamW")
)
print("the weight with large gradients:", spared)

# %% [markdown]
# Both weights see gradients that are nothing but noise, one a hundred times as large as the other.
# In Adam the penalty rules the weight with small gradients; beside large ones it is lost, and that
# weight hardly shrinks. In AdamW both shrink by the same fraction, and the noise moves both
# by the same amount.
#
# *You can stop here.*
#
# ## 11 The same in PyTorch
#
# From here on the names `adagrad`, `rmsprop`, … are **defined again**, on tensors. To repeat an
# experiment from above afterwards, run its exercise cells again first. New tensors are made *from*
# given ones (`torch.zeros_like(w)`): then device and dtype follow by themselves. No `torch.optim`.

# %% role="setup"
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercise: `adagrad` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.adagrad"

# %% [markdown]
# ### Exercise: `rmsprop` in PyTorch

# %% role="exercise" exercise="optim.torch.rmsprop"

# %% [markdown]
# ### Exercise: `adam_uncorrected` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.adam_uncorrected"

# %% [markdown]
# ### Exercise: `adam` in PyTorch

# %% role="exercise" exercise="optim.torch.adam"

# %% [markdown]
# ### Exercise: `Adam`, an optimizer of networks
#
# A network has many parameters, each with a state of its own, and `torch.optim.Optimizer` brings
# what a training loop expects: groups of parameters with their own settings in
# `self.param_groups`, a dict for each parameter in `self.state[w]`, and `state_dict()` to save
# them. What is left to you is one step around the function that you have written.

# %% role="exercise" exercise="optim.torch.Adam"

# %% [markdown]
# ### Exercise: `adamw` in PyTorch (bonus)

# %% role="exercise" exercise="optim.torch.adamw"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * operations that end in an underscore change their tensor, `w` and `dw` included;
# * tensors made on the CPU or in float32 by hand; `np.sqrt` of a tensor.
# </details>
#
# *You can stop here.*
#
# ### As an optimizer of PyTorch
#
# A rule becomes an optimizer in a few lines: it looks after a `config` for every parameter.


# %% role="setup" hide=true
class HandWritten(torch.optim.Optimizer):
    """A rule (w, dw, config) as an optimizer of PyTorch."""

    def __init__(self, params, rule, lr):
        super().__init__(params, {"lr": lr})
        self.rule = rule

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                config = self.state[w].get("config", {})
                config["learning_rate"] = group["lr"]  # a schedule may have changed it
                next_w, self.state[w]["config"] = self.rule(w, w.grad, config)
                w.copy_(next_w)


def torch_net(seed):
    """Return the network of the race in PyTorch."""
    torch.manual_seed(seed)
    sizes = (data.x_train[0].size, 64, 64)
    hidden = [m for n in (0, 1) for m in (torch.nn.Linear(*sizes[n : n + 2]), torch.nn.ReLU())]
    return torch.nn.Sequential(torch.nn.Flatten(), *hidden, torch.nn.Linear(64, len(data.classes)))


# %% role="experiment" uses="rmsprop adam" claim="your-rules-are-pytorchs" of="max(differences.values())" says="0 to 1e-6"
pairs = {
    "RMSProp": (rmsprop, lambda p: torch.optim.RMSprop(p, lr=0.003), 0.003),
    "Adam": (adam, lambda p: torch.optim.Adam(p, lr=0.003), 0.003),
}
differences = {}
for name, (rule, theirs, lr) in pairs.items():
    losses = []
    for make in (lambda p, r=rule, lr=lr: HandWritten(p, r, lr), theirs):
        model, rng = torch_net(0).to(device).double(), np.random.default_rng(0)
        history = fit_torch(
            model, data, steps=100, batch_size=64, learning_rate=lr, rng=rng,
            optimizer=make(model.parameters()), progress=False,
        )  # fmt: skip
        losses.append(history.loss)
    apart = differences[name] = np.abs(np.subtract(*losses)).max()
    print(f"{name}: 100 steps, loss from {losses[0][0]:.2f} to {losses[0][-1]:.2f}; "
          f"yours and PyTorch's differ by at most {apart:.0e}")  # fmt: skip

# %% [markdown]
# In float64 yours and PyTorch's are one method but for rounding. (So is AdaGrad, with `eps=1e-8` in
# PyTorch's; its own default is 1e-10.) And the price?
#
# **Predict, then run.** A step of Adam for a million weights: how many times as long as PyTorch's
# does yours take?

# %% role="predict"
my_time_ratio = None  # your prediction: 2 means twice as long

# %% role="experiment" uses="adam" alt="Bars of the time of a step of Adam for a million weights: PyTorch's fused version, its default, and yours."
w = torch.nn.Parameter(torch.randn(1_000_000, device=device))
w.grad = torch.randn_like(w)
ways = {
    "PyTorch's default": torch.optim.Adam([w]).step,
    "PyTorch's, fused": torch.optim.Adam([w], fused=True).step,
    "yours": HandWritten([w], adam, 1e-3).step,
}
seconds = {name: timed(step, 15) for name, step in ways.items()}
predicted(my_time_ratio, seconds["yours"] / seconds["PyTorch's default"], "times as long")
plotting.plot_timings(seconds)
plotting.show("The same arithmetic, in more or fewer passes over memory")

# %% [markdown]
# Every line of your rule makes new tensors of a million numbers and goes over the memory once or
# more. The default does the same work in place. The fused one goes over the memory once and does
# everything in that one pass. On the CPU you have to ask for it.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 12 What to take away
#
# * AdaGrad, RMSProp and Adam divide each weight's step by the size of its own gradients. That
#   undoes badly scaled weights, and it does not undo a ravine that lies across the axes.
# * AdaGrad never forgets: with mini-batch noise its steps fall like $1/\sqrt t$, without noise they
#   level off. RMSProp forgets, and so never settles by itself.
# * Adam is RMSProp with momentum, and with a correction for means that start at zero. Without it
#   the first step is 3.16 α and the twelfth 6.57 α.
# * $\beta_1 = 0.9$ remembers some 10 gradients, $\beta_2 = 0.999$ some 1,000: a single burst is
#   felt for thousands of steps.
# * On the digits, with rates tuned alike, Adam takes half the steps of SGD, and Nesterov's momentum
#   as few as Adam. Final accuracies tie.
#
# What should become of the learning rate *during* the training? That is lesson 06 (slides 49–52).
#
# **Sources.** Lecture 7, slides 37–48. Duchi, Hazan & Singer 2011, *Adaptive Subgradient Methods
# for Online Learning and Stochastic Optimization*, JMLR 12 · Tieleman & Hinton 2012, *Lecture 6.5:
# RMSProp*, Coursera · Kingma & Ba 2015, *Adam: A Method for Stochastic Optimization*,
# arXiv:1412.6980 · Loshchilov & Hutter 2019, *Decoupled Weight Decay Regularization*,
# arXiv:1711.05101 · Wilson et al. 2017, *The Marginal Value of Adaptive Gradient Methods in Machine
# Learning*, arXiv:1705.08292.
