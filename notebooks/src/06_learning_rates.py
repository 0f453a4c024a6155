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
#     lesson: "06"
#     title: Learning rates
#     minutes_core: 90
#     minutes_all: 130
# ---

# %% [markdown]
# # Learning rates
#
# **Lesson 06 · CS231n 2018, lecture 7, slides 49–52 and 66–67 · core 90 minutes, all of it 130**
#
# Every method of the lessons before has one number in common, and it matters more than the choice
# of the method: the learning rate. Slide 49 asks which one is best. You will draw its picture from
# real runs, see why none of the curves is the answer, and write what the answer is: a rate that
# changes while the network trains. A schedule is a one-line formula. Putting it in the right place
# of a training loop is where people go wrong, so you will do that too, under observation.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 which rate is best? | a prediction, question 1 | 15 |
# | 2 step decay | `step_decay`, a prediction | 15 |
# | 3 smooth decays | `exponential_decay`, `inverse_time_decay`, question 2 | 15 |
# | 5 warm restarts | `cosine_restarts`, a prediction | 20 |
# | 6 wire the pipeline | `train_with_schedule`, question 3 | 25 |
# | **the core** | | **90** |
# | 4 kill the bug | `separating_step` | 5 |
# | 7 where to start: a rate finder, a warm-up | `linear_warmup` (bonus) | 10 |
# | 8 Adam with and without decay | a prediction | 5 |
# | 9 two forms of momentum part | question 4 | 10 |
# | 10 the same in PyTorch | nothing: your functions go into `LambdaLR` | 10 |
# | **all of it** | | **130** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions. Words and symbols are the same in all lessons (`docs/vocabulary.md`).
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import copy
import math
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import batches, load
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.train import compare, find_rate, fit, predicted, score_predictions

threadpool_limits(1)  # networks this small are fastest on one thread

# %% [markdown]
# **The data.** The digits of scikit-learn, with a change: one training label in ten is replaced by
# a random one. Real data has wrong labels too, and here they keep the loss from falling to zero.
# On the clean digits even this small network can get *everything* right; then all gradients go to
# zero, the noise between batches goes with them, and a rate may stay high. Validation
# labels stay as they are. For other images change this one line to `load("fashion-mnist")` or
# `load("cifar10")`; what the text says about results was written for the digits.

# %% role="experiment"
data = load("digits")
labels = np.random.default_rng(0)
wrong = labels.random(len(data.y_train)) < 0.1
guesses = labels.integers(len(data.classes), size=len(data.y_train))
data = replace(data, y_train=np.where(wrong, guesses, data.y_train))
print(data)
print(f"{wrong.mean():.1%} of the training labels are random")

# %% [markdown]
# ## 1 Which rate is best?
#
# A small network, batches of 16, plain gradient descent: 600 steps at each of five constant rates,
# three seeds each. This is the picture of slide 49, measured.
#
# **Predict, then run.** What is the training loss at the highest rate, 5, in the end? (A network
# that gives each of the ten classes the same probability has the loss $\log 10 = 2.3$.)

# %% role="predict"
my_loss_at_rate_5 = None  # your prediction: a number, or float("inf")

# %% role="setup" hide=true
WIDTH, BATCH, STEPS, EVERY = 32, 16, 1200, 20
FIRST, DROP = 0.5, STEPS // 3  # first rate of the schedules below; steps from drop to drop


def small_net(seed):
    """Return affine, ReLU, affine with Kaiming's initial weights."""
    rng = np.random.default_rng(seed)
    n_in, n_out = data.x_train[0].size, len(data.classes)
    return Network([Affine(n_in, WIDTH, rng), ReLU(), Affine(WIDTH, n_out, rng)])


def trained(seed, schedule, steps=STEPS, every=EVERY):
    """Train by gradient descent; return the history, and the loss of all training data by time."""
    losses = []

    def measure(step, net, history):
        if step % every == 0:
            losses.append(float(net.loss_and_gradients(data.x_train, data.y_train)[0]))

    history = fit(
        small_net(seed), data, steps=steps, batch_size=BATCH, schedule=schedule,
        rng=np.random.default_rng(seed), callbacks=[measure], progress=False,
    )  # fmt: skip
    return history, losses


def many(ways, seeds, **options):
    """Return ({name: histories}, {name: losses (seeds, T)}) of schedules by name."""
    runs = {name: [] for name in ways}
    for name, seed in tqdm([(n, s) for n in ways for s in seeds], "training", delay=2, leave=False):
        runs[name].append(trained(seed, ways[name], **options))
    histories = {name: [history for history, _ in pairs] for name, pairs in runs.items()}
    losses = {name: np.array([loss for _, loss in pairs]) for name, pairs in runs.items()}
    return histories, losses


def accuracies(histories):
    """Return the validation accuracies in the end, one a seed."""
    return np.array([history.val_accuracy[-1] for history in histories])


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% role="experiment" claim="a-high-rate-ends-at-guessing" of="np.median(constant_losses['very high: 5'][:, -1])" says="2 to 3" slide="49" alt="Loss over 600 steps at five constant rates: too low crawls, low falls slowly, good falls fast and flattens, high is restless above it, very high jumps up and stays at the loss of guessing."
CONSTANT = {"too low: 0.003": 0.003, "low: 0.03": 0.03, "good: 0.3": 0.3, "high: 1": 1.0,
            "very high: 5": 5.0}  # fmt: skip
ways = {name: lambda t, rate=rate: rate for name, rate in CONSTANT.items()}
constant, constant_losses = many(ways, seeds=range(3), steps=600)

predicted(my_loss_at_rate_5, np.median(constant_losses["very high: 5"][:, -1]))
plotting.plot_loss_by_rate(constant, highest=4)
plotting.show("Which rate is best depends on when you look")

print("loss of all training data (median of three seeds) after")
print(f"{'':>16} " + "".join(f"{step:>8}" for step in (60, 200, 600)))
for name, losses in constant_losses.items():
    at = [np.median(losses[:, step // EVERY - 1]) for step in (60, 200, 600)]
    print(f"{name:>16} " + "".join(f"{loss:8.3f}" for loss in at))

for rate in (0.3, 5.0):
    net = small_net(0)
    fit(net, data, steps=600, batch_size=BATCH, learning_rate=rate,
        rng=np.random.default_rng(0), progress=False)  # fmt: skip
    fires = (net.activations(data.x_train)["relu1"] > 0).any(axis=0)
    print(f"rate {rate}: {(~fires).sum()} of {WIDTH} hidden units fire for no training example")

# %% [markdown]
# All five are there: the crawl, the long slope, the quick fall with its flat end, the restless one
# whose level depends on the seed (the bands are the range of three), and the one that goes up at
# once. It does not go to infinity, though: it comes back to the loss of guessing and stays. The
# last lines say why. Its first steps throw the weights so far that no hidden unit fires for any
# example, and where a ReLU does not fire it passes no gradient. Divergence is not always a `nan`;
# a loss that stays near $\log 10$ may be one too.

# %% [markdown] role="question" id="which-rate" points=6
# **Question 1 (6 points), slide 49: which one of these learning rates is best to use?** (a) What
# is wrong with each of the five curves? Say what you see, and what happens to the weights. (b)
# Find two of the rates, one of which is better after 60 steps and the other after 600. (c) Answer
# the question of the slide.

# %% [markdown] role="answer"
# *Model answer.* (a) Too low: the loss falls along a nearly straight line and has hardly left the
# start; the steps go in a good direction and are much too short. Low: the same, but faster; it
# still falls when the run ends. Good: falls fast, then flattens, and from there on the noise of the
# batches moves the weights about. High: restless, at a level well above the good one, and different
# for each seed: its steps are too long for the valley, and jump from side to side. Very high: the
# loss rises at once, and then stays at or above the loss of guessing; the first steps have thrown
# the weights so far that the hidden units no longer fire, and no gradient comes through. (b) 1 and
# 0.03: the high rate is ahead after 60 steps, and the low one after 600. (c) None of them all the
# time: a high rate covers the distance and cannot settle, a low one can settle and does not get
# there. Start high, then decay.
#
# *Rubric.* (a) 3 points: 1 for the two low ones (steps too short), 1 for the high one
# (restless, above), 1 for the very high one (chance, with a reason). (b) 1 point: two rates
# that change places. (c) 2 points: 1 for "none alone", 1 for "high first, then lower".

# %% [markdown]
# *You can stop here.*
#
# ## 2 Step decay
#
# Why does a high rate stop making progress? Each step follows the gradient of 16 examples: the
# true gradient plus noise. On a downhill slope the noise averages out. At the bottom of a valley
# the true gradient is small, and what is left is a random walk, whose width grows with the rate.
# The loss stays as far above the bottom as this walk reaches. Make the steps shorter, and the walk
# gets narrower: the loss drops, within a few steps, to a lower floor.
#
# That is the staircase of slides 51 and 52. The first recipe of slide 50 is to lower the rate by a
# factor $f$ every $S$ epochs (or steps):
#
# $$n = \lfloor t / S \rfloor \quad \text{(Decay.1)} \qquad\qquad
#   \alpha_t = \alpha_0 \, f^{\,n} \quad \text{(Decay.2)}$$
#
# Here and below $t$ counts what is already done: $t = 0$ at the first step. And a schedule is a
# *plain function* of $t$. It remembers nothing, so it fits any optimizer, and training can resume
# anywhere.
#
# ### Exercise: `step_decay`

# %% role="exercise" exercise="schedules.step_decay"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a drop one step early or late: with a drop every 4 steps, steps 0 to 3 have the first rate;
# * a fraction of a drop between two drops; the remainder of the division for its quotient;
# * the rate lowered *by* the factor where it should be lowered *to* it;
# * a decay of what has decayed already, so that it compounds.
# </details>
#
# ### The loss drops
#
# 1,200 steps from the rate 0.5, which is divided by ten after 400 and after 800.
#
# **Predict, then run.** Just before the first drop the loss is 0.63. What is it 100 steps later?

# %% role="predict"
my_loss_after_the_drop = None  # your prediction: a number

# %% role="experiment" uses="step_decay" claim="the-loss-drops-with-the-rate" of="drops['step decay'] - drops['constant: 0.5']" says="0.02 to 0.2" slide="51" alt="Above, loss over 1,200 steps for step decay and two constant rates: at the first drop the loss falls at once, at the second hardly. Below, the rates as stairs."
ways = {
    "step decay": lambda t: step_decay(t, FIRST, 0.1, DROP),
    "constant: 0.5": lambda t: FIRST,
    "constant: 0.05": lambda t: 0.1 * FIRST,
}
stairs, stairs_losses = many(ways, seeds=range(10))

measured = np.arange(EVERY, STEPS + 1, EVERY)
rates = {name: runs[0].rates for name, runs in stairs.items()}
after_drop = np.median(stairs_losses["step decay"][:, (DROP + 100) // EVERY - 1])
predicted(my_loss_after_the_drop, after_drop)
figure = plotting.plot_loss_and_rate(measured, stairs_losses, rates, marks=[DROP, 2 * DROP])
figure.axes[0].set_ylim(0.4, 1.2)  # the first steps fall from further up
plotting.show("When the rate drops, the loss drops")

print("mean loss of all training data in the 100 steps")
heads = ("before 1st drop", "after it", "before 2nd drop", "after it", "at the end")
ends, drops = (DROP, DROP + 100, 2 * DROP, 2 * DROP + 100, STEPS), {}
print(f"{'':>14} " + "".join(f"{head:>17}" for head in heads))
for name, losses in stairs_losses.items():
    means = [losses[:, end // EVERY - 5 : end // EVERY].mean() for end in ends]
    drops[name] = means[0] - means[1]
    print(f"{name:>14} " + "".join(f"{mean:17.3f}" for mean in means))
for name, runs in stairs.items():
    print(f"{name:>14}: validation accuracy {accuracies(runs).mean():.3f} on average")

# %% role="experiment" uses="step_decay" claim="decay-gives-validation-accuracy" of="over_constant['constant: 0.5']" says="above" slide="51"
decayed = accuracies(stairs["step decay"])
over_constant = {
    other: paired(decayed, accuracies(stairs[other]), ("step decay", other))
    for other in ("constant: 0.5", "constant: 0.05")
}
print(*over_constant.values(), sep="\n")

# %% [markdown]
# The claim of slide 51 shows: at the first drop the loss falls at once, from 0.63 to a mean of
# 0.54 in the next 100 steps (0.53 at the last of them), while the runs that keep their rate get to
# 0.60. Two things do *not* show, or not as on the slide.
#
# * The second drop is hardly there. At a rate of 0.05 this network is already near its floor, so
#   there is little left to gain. The slide's network has 120 epochs and a harder problem.
# * Lower *training* loss in the end does not show. The constant rate of 0.5 goes on and ends
#   below, with 0.48 against 0.51: after the drops the steps are so short that little more is
#   learnt. What the decay gives is better and steadier *validation* accuracy; the intervals say
#   how clearly.
#
# And a rate of 0.05 from the start is no substitute. Every drop needs something to drop from: high
# rates cover the distance, low ones collect.

# %% [markdown]
# *You can stop here.*
#
# ## 3 Smooth decays
#
# Slide 50 has two decays without stairs:
#
# $$\alpha_t = \alpha_0 \, e^{-kt} \quad \text{(Decay.3)} \qquad\qquad
#   \alpha_t = \frac{\alpha_0}{1 + kt} \quad \text{(Decay.4)}$$
#
# The exponential loses the same *fraction* in every step. The other one slows down: half is left at
# $t = 1/k$, a third at $2/k$, a quarter at $3/k$. It goes back to Robbins and Monro (1951), who
# asked how steps must shrink for noise to average out *and* for no point to be out of reach:
# $\sum_t \alpha_t^2$ finite, $\sum_t \alpha_t$ infinite. Only one of the two decays does both.
#
# ### Exercise: `exponential_decay`

# %% role="exercise" exercise="schedules.exponential_decay"

# %% [markdown]
# ### Exercise: `inverse_time_decay`

# %% role="exercise" exercise="schedules.inverse_time_decay"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $1 - k$ or 2 in the place of $e$; the sign; $k$ taken for a time;
# * $t$ in the exponent of what should be a plain fraction; brackets;
# * the first rate left out, or reached one step late.
# </details>
#
# All three with the same first rate, and $k$ such that the last rate is a hundredth of it:

# %% role="experiment" uses="step_decay exponential_decay inverse_time_decay" claim="one-over-t-does-not-get-far" of="far" says="0.02 to 1" slide="50" alt="Three decays over 1,200 steps, on a linear and on a logarithmic axis: stairs, a straight line in the second panel, and a curve that falls first and then hardly."
decays = {
    "step decay": lambda t: step_decay(t, FIRST, 0.1, DROP),
    "exponential": lambda t: exponential_decay(t, FIRST, math.log(100) / STEPS),
    "1/t": lambda t: inverse_time_decay(t, FIRST, 99 / STEPS),
}
plotting.plot_schedules(decays, STEPS)
plotting.show("Three decays between the same rates reach differently far")
for name, schedule in decays.items():
    reach = sum(map(schedule, range(STEPS)))
    print(f"{name:>12}: all rates together {reach:5.0f}, last rate {schedule(STEPS - 1):.4f}")

smooth, smooth_losses = many(
    {name: decays[name] for name in ("exponential", "1/t")}, seeds=range(10)
)
ends = {"step decay": decayed, **{name: accuracies(runs) for name, runs in smooth.items()}}
for name in ("exponential", "1/t"):
    print(f"{name:>12}: loss in the end {smooth_losses[name][:, -1].mean():.3f}")
    print(paired(ends[name], decayed, (name, "step decay")))
far = smooth_losses["1/t"][:, -1].mean() - smooth_losses["exponential"][:, -1].mean()

# %% role="experiment" uses="step_decay exponential_decay inverse_time_decay" claim="step-and-exponential-tie" of="exponential_gain" says="-0.01 to 0.01" slide="50"
exponential_gain = (ends["exponential"] - decayed).mean()
print(f"accuracy, exponential against step decay: {exponential_gain:+.4f} on average")

# %% [markdown]
# The three curves begin and end at the same rates, and that is all they have in common. The second
# panel shows what "the same fraction in every step" means: a straight line on a logarithmic axis. The
# sum of all rates is, roughly, how far a run can go: step decay could travel 222 units, the
# exponential 129, the 1/t decay 28. It spends its rate in the first few steps and ends with the
# highest loss. That is no verdict on 1/t: with a smaller $k$ it ends at a higher rate and gets
# further. It does say that the three formulas of slide 50 are not exchangeable, and that each
# needs its own tuning. Between the step and the exponential decay there is no clear difference
# here.

# %% [markdown] role="question" id="why-drop" points=5
# **Question 2 (5 points).** (a) Explain why the loss falls *at once* when the rate is lowered,
# although a lower rate means shorter steps. (b) The same drop of the rate, made right at the start
# of training, would make things worse. Why? (c) What becomes of the drop when the gradient is
# taken over all of the training data?

# %% [markdown] role="answer"
# *Model answer.* (a) Before the drop, the weights walk at random about the bottom of a valley:
# noise of the batches pushes them up its walls as fast as the gradient pulls them back. The height
# of that walk is proportional to the rate (for small rates). With a lower rate the balance is at a
# lower height, and the pull towards the bottom, which is there already, gets them down within a few
# steps: about 1/(rate × curvature). Progress along the valley is slower than before, but that is
# not what one sees. (b) At the start the weights are far from any bottom. The loss is the distance
# still to go and not the noise, and shorter steps only cover it more slowly. (c) Without gradient
# noise there is no random walk and no floor of this kind, so no drop (except where the rate was too
# high for the curvature, and the steps jumped from wall to wall).
#
# *Rubric.* (a) 3 points: 1 for noise of the batches, 1 for a floor that grows with the rate, 1 for
# the quick fall into a narrower walk. (b) 1 point: far from the bottom, length of step is what
# counts. (c) 1 point: no drop without noise.

# %% [markdown]
# *You can stop here.*
#
# ## 4 Kill the bug (beyond the core)
#
# The locked cell below is somebody's step decay. It goes through all steps and lowers the rate at
# every drop; somebody ran it for a while, and the numbers looked right. Find a step $t$ between 0
# and 199 at which it is wrong, whatever the factor and the interval. The check compares it there
# with *your* `step_decay`.
#
# ### Exercise: `separating_step`

# %% role="exercise" exercise="schedules.separating_step"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * before anything has dropped all schedules are alike;
# * play both functions through on paper for `every = 3`, and write down the rate after each drop;
# * your own `step_decay` has to be right.
# </details>

# %% role="experiment" uses="step_decay separating_step"
t = separating_step(0.5, 10)
for u in (0, 10, t):
    own, other = step_decay(u, 0.4, 0.5, 10), compounding_step_decay(u, 0.4, 0.5, 10)
    print(f"t = {u:>3}: yours {own:.4g}, the other one {other:.4g}")

# %% [markdown]
# A test of a schedule that looks at the first drop only cannot see this. It is the usual shape of
# such bugs: the first epochs are right, and the run dies slowly, hours later, from steps that are
# too short.
#
# *You can stop here.*
#
# ## 5 Warm restarts
#
# Slides 66 and 67 use a schedule that goes down *and up again* (SGDR; Loshchilov & Hutter 2017,
# arXiv:1608.03983). Within a cycle of length $T_i$ the rate falls along half a wave of a cosine;
# then it jumps back to the top, while the weights stay where they are ("warm"). Cycles may get
# longer, by a factor $m$:
#
# $$T_{cur} \leftarrow T_{cur} - T_i \quad \text{(SGDR.1)} \qquad
#   T_{i+1} = m \, T_i \quad \text{(SGDR.2)}$$
#
# $$\alpha_t = \alpha_{min} + \tfrac12 (\alpha_{max} - \alpha_{min})
#   \Bigl(1 + \cos \frac{\pi \, T_{cur}}{T_i}\Bigr) \quad \text{(SGDR.3)}$$
#
# In whole steps, $T_{cur}$ runs from 0 to $T_i - 1$. So the lowest rate $\alpha_{min}$ is *not*
# reached: the step that would have it is the first of the next cycle, and has $\alpha_{max}$.
# PyTorch does the same. The paper moves on after every batch with $t$ in epochs, so $t$ may be a
# fraction.
#
# ### Exercise: `cosine_restarts`

# %% role="exercise" exercise="schedules.cosine_restarts"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a cycle one step too long or too short; a rate that comes twice at the restart;
# * half a wave that is a whole one, or a quarter; degrees;
# * the lowest rate forgotten, or added on top; a lost ½;
# * all cycles equally long; a cycle that grows before it has run;
# * a formula for one restart only.
# </details>
#
# Three cycles of 160, 320 and 640 steps, together 1,120, against one cycle of the same length, and
# against the constant rate.
#
# **Predict, then run.** By how much does the loss *rise* in the 20 steps after the first restart?

# %% role="predict"
my_rise_at_the_restart = None  # your prediction: a number

# %% role="experiment" uses="cosine_restarts" claim="a-restart-throws-the-loss-up" of="np.median(rise)" says="0.03 to 0.4" slide="67" alt="Above, loss over 1,120 steps for three cycles, one cycle and a constant rate: the loss jumps up at each restart and is lower at the end of each cycle. Below, the rates as waves."
CYCLE, LONG = 160, 1120
ways = {
    "three cycles": lambda t: cosine_restarts(t, FIRST, 0.0, CYCLE, 2),
    "one cycle": lambda t: cosine_restarts(t, FIRST, 0.0, LONG, 1),
    "constant: 0.5": lambda t: FIRST,
}
cycles, cycles_losses = many(ways, seeds=range(10), steps=LONG)
restarts = [CYCLE, 3 * CYCLE]
k = CYCLE // EVERY
rise = cycles_losses["three cycles"][:, k] - cycles_losses["three cycles"][:, k - 1]
predicted(my_rise_at_the_restart, np.median(rise))

rates = {name: runs[0].rates for name, runs in cycles.items()}
plotting.plot_loss_and_rate(np.arange(EVERY, LONG + 1, EVERY), cycles_losses, rates, marks=restarts)
plotting.show("A restart throws the loss up, and lets it settle again")
for name, losses in cycles_losses.items():
    at = [losses[:, end // EVERY - 1].mean() for end in (CYCLE, 3 * CYCLE, LONG)]
    print(f"{name:>14}: loss after {CYCLE}, {3 * CYCLE} and {LONG} steps "
          + ", ".join(f"{loss:.3f}" for loss in at)
          + f"; validation accuracy {accuracies(cycles[name]).mean():.3f}")  # fmt: skip
ends = {name: accuracies(runs) for name, runs in cycles.items()}
print(paired(ends["three cycles"], ends["constant: 0.5"], ("three cycles", "constant: 0.5")))

# %% role="experiment" uses="cosine_restarts" claim="restarts-are-no-better-in-the-end" of="cycles_gain.mean" says="-0.01 to 0.01" slide="66–67"
cycles_gain = paired(ends["three cycles"], ends["one cycle"], ("three cycles", "one cycle"))
print(cycles_gain)

# %% role="experiment" uses="cosine_restarts" claim="ahead-when-the-first-cycle-ends" of="ahead" says="0.005 to 0.3" slide="67"
at_the_end = {name: losses[:, k - 1].mean() for name, losses in cycles_losses.items()}
ahead = min(at_the_end["one cycle"], at_the_end["constant: 0.5"]) - at_the_end["three cycles"]
print(f"after {CYCLE} steps three cycles are ahead of both others by {ahead:.3f} in the loss")

# %% [markdown]
# At each restart the loss jumps up, by about 0.13 in 20 steps: the weights are thrown out of the
# valley they had settled in. At the end of each cycle it is lower than at the end of the one
# before. After 160 steps, where the first cycle ends, the three-cycle runs are ahead of both
# others: they have had their decay already. So a run with restarts can be stopped at the end of
# *any* cycle, and has something to show.
#
# What does not show at this size is an advantage in the end: three cycles and one cycle reach the
# same loss and the same accuracy, within the interval. The last printed line compares them with
# the constant rate. The restarts will be put to their real use in lesson 08: the networks at the
# ends of the cycles are different ones, at no further cost (slides 66 and 67).

# %% [markdown]
# *You can stop here.*
#
# ## 6 Wire the pipeline
#
# A right schedule in the wrong place is wrong. The three rules:
#
# 1. **After the optimizer.** The optimizer takes a step at the present rate (Wire.1), *then* the
#    scheduler moves on (Wire.2). In the opposite order the first rate is never used: with step decay
#    the drops come one step early, with a warm-up or SGDR the plan is shifted for good.
# 2. **Once a batch, or once an epoch, as its $t$ is meant.** A schedule that drops every 30 epochs
#    drops every 30 batches when it is stepped per batch: it is over within the first epoch.
# 3. **Keep the best, as a copy.** The rates get low in the end, and the last epoch is often good,
#    but the best on the validation data may be an earlier one (slide 64; more in lesson 08).
#
# Write the loop. What you are passed behaves like the objects of PyTorch: `optimizer.zero_grad()`,
# `loss.backward()`, `optimizer.step()`, `scheduler.step()`. In the check they are spies. They do
# not care *how* you write it. They write down at which rate each step was taken, where it led, and
# what the weights are in the end.
#
# ### Exercise: `train_with_schedule`

# %% role="exercise" exercise="schedules.train_with_schedule"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the scheduler in the loop over batches, whatever `per` says; or in both loops;
# * the scheduler before the optimizer;
# * gradients that pile up, or that are forgotten before they are used;
# * the best weights kept by reference, or by a copy that is not deep; never loaded back;
# * validation in the middle of an epoch, or before it.
# </details>
#
# *You can stop here.*
#
# Now with real ones: the same network in PyTorch, an optimizer with momentum, six epochs, and a
# scheduler that halves the rate. It is meant for epochs. What if it is stepped after every batch?

# %% role="setup" hide=true
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def torch_net(seed):
    """Return `small_net` in PyTorch, with the same weights."""
    affine = [layer for layer in small_net(seed).layers if isinstance(layer, Affine)]
    first, last = (torch.nn.Linear(*layer.params["w"].shape) for layer in affine)
    for linear, layer in zip((first, last), affine, strict=True):
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer.params["w"].T))
            linear.bias.copy_(torch.from_numpy(layer.params["b"]))
    return torch.nn.Sequential(first, torch.nn.ReLU(), last).to(device)


def on_device(x, y):
    """Return a batch as tensors on the device."""
    return torch.as_tensor(x, device=device), torch.as_tensor(y, device=device)


def run_loop(loop, seed, per, epochs=6):
    """Train a network with a student's loop; return the accuracy, and the rate of every step."""
    model = torch_net(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    rng = np.random.default_rng(seed)
    parts = [on_device(*b) for b in batches(data.x_train, data.y_train, BATCH, rng)]
    x_val, y_val = on_device(data.x_val, data.y_val)
    rates = []
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))

    def loss_of(batch):
        return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])

    def evaluate():
        with torch.inference_mode():
            return (model(x_val).argmax(dim=1) == y_val).double().mean().item()

    return loop(model, optimizer, scheduler, per, parts, loss_of, evaluate, epochs), rates


# %% role="experiment" uses="train_with_schedule" claim="stepped-per-batch-nothing-is-learnt" of="best_of['epoch'] - best_of['batch']" says="0.1 to 0.9"
best_of = {}
for per in ("epoch", "batch"):
    runs = [run_loop(train_with_schedule, seed, per) for seed in range(3)]
    best_of[per] = np.mean([score for score, _ in runs])
    best = ", ".join(f"{score:.3f}" for score, _ in runs)
    rates = runs[0][1]
    print(f"per {per:>5}: {len(rates)} steps, first rate {rates[0]:.3g}, at step 81 {rates[80]:.1e}, "
          f"last {rates[-1]:.1e}; best validation accuracies {best}")  # fmt: skip

# %% [markdown]
# The same network, the same optimizer, the same scheduler, one indentation apart. Stepped per
# batch, the rate is $4 \cdot 10^{-26}$ after the first of six epochs, and the network stays about
# where it started. There is no error message and no warning, only a loss that does not move.
# PyTorch does warn when the scheduler comes *before* the optimizer, once; your loop gives it no
# reason to.

# %% [markdown] role="question" id="two-clocks" points=4
# **Question 3 (4 points).** A paper trains for 90 epochs on 1.28 million images with batches of
# 256, and divides the rate by ten at epochs 30 and 60. (a) After how many *steps* are the two
# drops? (b) You have a smaller GPU and use batches of 64, with the same number of epochs. What
# happens to the numbers of (a)? (c) Somebody calls `scheduler.step()` of `StepLR(optimizer, 30)`
# in the inner loop. What is the rate after one epoch of the original setting, and what will the
# loss curve look like?

# %% [markdown] role="answer"
# *Model answer.* (a) An epoch has 1,280,000 / 256 = 5,000 steps, so the drops are after 150,000
# and 300,000 steps. (b) Four times as many steps in an epoch, 20,000: drops after 600,000 and
# 1,200,000 steps. A schedule counted in epochs needs no change; one counted in steps does. (c)
# 5,000 steps are 166 drops: the rate is $10^{-166}$ of the first one. The loss falls for the first
# 60 to 90 steps and is flat from there on, at a high value, however long one waits.
#
# *Rubric.* (a) 1 point: 150,000 and 300,000 steps. (b) 1 point: four times as many steps. (c) 2
# points: the number of drops (1), the flat curve (1).

# %% [markdown]
# *You can stop here.*
#
# ## 7 Where to start: a rate finder, and a warm-up
#
# A schedule begins with its first rate, and where does that come from? A search over runs (lesson
# 01) finds it. A quicker look is to raise the rate within *one* short run, by the same factor in
# each step, and to watch the loss (Smith 2017, arXiv:1506.01186). It begins to fall, falls faster,
# gets restless and rises. Good first rates are those where it falls fast, some way below the
# turning point.


# %% role="experiment" claim="a-search-finds-the-rate" of="chosen" says="0.1 to 0.4" slide="49" alt="Smoothed loss of five searches against the rising rate, logarithmic: it falls, reaches its lowest between 0.4 and 0.8 and turns up; a line marks a third of that."
def searched(seed):
    """Return the rates and the smoothed losses of one search."""

    def train(schedule, steps):
        return fit(
            small_net(seed), data, steps=steps, schedule=schedule, batch_size=BATCH,
            rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip

    return find_rate(train, 1e-3, 10.0, steps=250)


searches = [searched(seed) for seed in range(5)]
turning = [rates[losses.argmin()] for rates, losses in searches]
chosen = np.median(turning) / 3
print("lowest loss at the rates", ", ".join(f"{rate:.2f}" for rate in turning))
print(f"a third of their median: {chosen:.2f}")
plotting.plot_rate_finder({"five seeds": searches}, chosen)
plotting.show("Where the loss falls fast, rates are good")

# %% [markdown]
# The lowest smoothed loss comes at rates from 0.4 to 0.8, and a third of that is near what part 1
# called good; at the rate 1, "high" in part 1, the curve has turned. It cost 250 steps. It is a
# look and not a measurement: the turning point depends on how fast the rate is raised (slowly: the
# loss falls by training as well) and on the smoothing, which lags behind.
#
# ### Bonus exercise: `linear_warmup`
#
# Beyond the lecture, and in nearly every recipe since: begin *low*, and rise to the first rate over
# a number of steps (Goyal et al. 2017, arXiv:1706.02677). At the start the loss is at its most
# curved and the statistics of Adam or of a batch norm are not yet worth much; a rate that is right
# after a hundred steps can be too high for the first ten. With $s$ the fraction of the rate to
# begin with, and $T_w$ the length of the warm-up:
#
# $$\alpha_t = \alpha \, \bigl(s + (1 - s) \min(t / T_w, 1)\bigr) \quad \text{(Warm.1)}$$

# %% role="exercise" exercise="schedules.linear_warmup"

# %% role="experiment" uses="linear_warmup" claim="a-warm-up-does-no-harm" of="(accuracies(warm['with warm-up']) - accuracies(warm['without'])).mean()" says="-0.02 to 0.6"
HIGH = 1.0
ways = {
    "with warm-up": lambda t: linear_warmup(t, HIGH, 100, 0.05),
    "without": lambda t: HIGH,
}
warm, _ = many(ways, seeds=range(10), steps=300)
for name, runs in warm.items():
    print(f"{name:>12}: accuracies " + " ".join(f"{a:.2f}" for a in accuracies(runs)))
print(paired(*map(accuracies, warm.values()), names=tuple(warm)))

# %% [markdown]
# The rate 1 was too high for this network in part 1. With a warm-up it is more often usable,
# though not for all seeds alike. Compare the two rows seed by seed; the interval says what it is
# on average.
#
# *You can stop here.*
#
# ## 8 Adam with and without decay
#
# Slide 52 says that decay is more critical with SGD and momentum, and less common with Adam. Both
# are in PyTorch, so it can be measured: each optimizer at a rate that suits it, with the constant
# rate and with one cosine cycle to zero; twelve seeds.
#
# **Predict, then run.** How many percentage points of validation accuracy does the decay give to
# SGD with momentum, and how many to Adam?

# %% role="predict"
my_gain_for_sgd, my_gain_for_adam = None, None  # your predictions: percentage points

# %% role="experiment" uses="cosine_restarts" claim="decay-helps-sgd-with-momentum" of="gains['SGD + momentum']" says="above" slide="52"
OPTIMIZERS = {
    "SGD + momentum": (0.05, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "Adam": (0.01, lambda p: torch.optim.Adam(p, lr=0.01)),
}


def accuracy_of(seed, name, decay, steps=800):
    """Return the validation accuracy of a run."""
    rate, make = OPTIMIZERS[name]
    schedule = (lambda t: cosine_restarts(t, rate, 0.0, steps, 1)) if decay else (lambda t: rate)
    model = torch_net(seed)
    history = fit_torch(
        model, data, steps=steps, batch_size=BATCH, schedule=schedule,
        optimizer=make(model.parameters()), rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


gains = {}
for name in OPTIMIZERS:
    comparison = compare(
        lambda seed, name=name: accuracy_of(seed, name, decay=True),
        lambda seed, name=name: accuracy_of(seed, name, decay=False),
        range(12), names=(f"{name} with decay", f"{name} without"),
    )  # fmt: skip
    print(f"{name}: {comparison.b.mean():.3f} without, {comparison.a.mean():.3f} with decay")
    print(comparison)
    gains[name] = comparison
predicted(my_gain_for_sgd, 100 * gains["SGD + momentum"].mean, "percentage points")
predicted(my_gain_for_adam, 100 * gains["Adam"].mean, "percentage points")
difference = [gains[name].differences for name in OPTIMIZERS]

# %% role="experiment" uses="cosine_restarts" claim="decay-is-worth-more-to-sgd" of="more" says="above" slide="52"
more = paired(*difference, ("the gain of SGD + momentum", "that of Adam"))
print("The gains compared:", more)

# %% [markdown]
# **Confirmed, at this size.** Decay is worth more to SGD with momentum, by a clear margin, and for
# Adam the interval of the gain reaches zero. Adam divides each gradient by a running root mean
# square of it, but that does not shrink its steps as training goes on: where gradients
# are nothing but noise they keep a fixed length, about a quarter of the rate. So "less common" is not "useless", and many recipes decay Adam's rate
# too. Note also that with decay SGD with momentum is no worse than Adam, as slide 62 will say.
#
# ## 9 Two forms of momentum part
#
# Lesson 04 has two forms of momentum, of slides 27 and 28:
#
# $$v \leftarrow \rho v + g, \quad w \leftarrow w - \alpha v \qquad\qquad
#   u \leftarrow \rho u - \alpha g, \quad w \leftarrow w + u$$
#
# While $\alpha$ is constant they are the same, with $u = -\alpha v$. When the rate drops they are
# not: $v$ is a sum of gradients, and the new rate applies to *all* of it, at once; $u$ is a sum of
# steps that were taken at the old rate, and they keep their length until they have died out.
# PyTorch has the first form. The second comes out of the same optimizer when, at the drop, its
# velocity is multiplied by old rate / new rate: then $\alpha v$ is what it was.

# %% role="experiment" claim="one-form-runs-on-after-the-drop" of="(losses['slide 28'][:, 54] - losses['slide 27, PyTorch'][:, 54]).mean()" says="0.01 to 3" slide="27–28" alt="Loss around a drop of the rate: the form of slide 27 settles at once, that of slide 28 rises for some twenty steps before it settles."
CHANGE, FACTOR, RHO = 100, 0.1, 0.95


def with_momentum(seed, keeps_length):
    """Return the loss of all training data, and the weights, after each step around the drop."""
    model = torch_net(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=RHO)
    x, y = on_device(data.x_train, data.y_train)
    losses, weights = [], []

    def watch(step, net, history):
        if keeps_length and step == CHANGE:
            for state in optimizer.state.values():
                state["momentum_buffer"] /= FACTOR
        if step > CHANGE - 40:
            with torch.inference_mode():
                losses.append(torch.nn.functional.cross_entropy(net(x), y).item())
            weights.append(torch.cat([p.detach().flatten() for p in net.parameters()]).cpu())

    fit_torch(
        model, data, steps=CHANGE + 100, batch_size=BATCH, optimizer=optimizer,
        schedule=lambda t: 0.05 * (FACTOR if t >= CHANGE else 1), callbacks=[watch],
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return np.array(losses), torch.stack(weights)


forms = {"slide 27, PyTorch": False, "slide 28": True}
results = {name: [with_momentum(seed, keeps) for seed in range(6)] for name, keeps in forms.items()}
steps = np.arange(CHANGE - 39, CHANGE + 101)
losses = {name: np.array([loss for loss, _ in runs]) for name, runs in results.items()}
figure = plotting.plot_lines(steps, losses, "step", "loss of all training data (nats)")
figure.axes[0].axvline(CHANGE + 0.5, color="0.4", lw=1, ls=":")
plotting.show("After a drop one form of momentum runs on")
for step in (CHANGE, CHANGE + 15, CHANGE + 100):
    k = step - steps[0]
    apart = [(a[k] - b[k]).norm() for (_, a), (_, b) in zip(*results.values(), strict=True)]
    means = ", ".join(f"{name} {loss[:, k].mean():.3f}" for name, loss in losses.items())
    print(f"after step {step}: mean loss: {means}; weights apart by {np.mean(apart):.2g}")

# %% [markdown]
# Up to the drop the two are equal to the last bit. Then the form of slide 27 settles at once, and
# that of slide 28 runs on for some $1 / (1 - \rho) = 20$ steps with its old velocity, out of the
# valley: its loss *rises* after the rate was lowered. In the end it settles too, somewhere else.
# With $\rho = 0.99$ it would take five times as long. So a schedule that is moved from one
# code base to another can behave differently with all numbers equal.

# %% [markdown] role="question" id="coasting" points=5
# **Question 4 (5 points).** The rate drops from $\alpha$ to $f\alpha$ and stays there. (a) Show
# that before the drop $u = -\alpha v$ in every step. (b) Suppose all gradients after the drop are
# 0. How far do the weights still move in each of the two forms, in terms of $v$, $\alpha$, $f$ and
# $\rho$? (c) A paper says "momentum 0.99, the rate divided by 10 at epoch 30". Why should you ask
# which form it used?

# %% [markdown] role="answer"
# *Model answer.* (a) Both start at 0. If $u = -\alpha v$, then the next velocity is $\rho u -
# \alpha g = -\alpha (\rho v + g)$, which is $-\alpha$ times the next $v$; and the steps $u$ and
# $-\alpha v$ are equal, so the weights and the next gradients are too. (b) With $g = 0$ the
# velocity shrinks by $\rho$ in each step: the steps add up to $\rho / (1 - \rho)$ times the last
# velocity. Slide 27: $f \alpha \, \rho / (1-\rho) \, v$. Slide 28: $\alpha \, \rho / (1-\rho) \,
# v$, which is $1/f$ times as far. (c) With $\rho = 0.99$ that is 99 old steps, ten times as far as
# in the other form: about a hundred steps long the drop has hardly begun. The same words describe
# two different runs.
#
# *Rubric.* (a) 2 points: 1 for the induction step, 1 for the equal weights. (b) 2 points: 1 for
# the geometric series, 1 for the factor $1/f$. (c) 1 point: the same words are two different
# runs.

# %% [markdown]
# *You can stop here.*
#
# ## 10 The same in PyTorch
#
# A schedule has no framework, so there is nothing to write again. `LambdaLR` takes any function of
# $t$ and multiplies the optimizer's rate by it: your functions fit as they are, with the rate 1.
# Beside them PyTorch has schedulers of its own, which do not compute the rate from $t$ but change
# the last one. Do they agree?

# %% role="setup" hide=true
from torch.optim import lr_scheduler


def rates_of(make, steps=1000):
    """Return the rates of a PyTorch scheduler, stepped after its optimizer."""
    weight = torch.nn.Parameter(torch.zeros(1, device=device))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def largest_difference(make, own):
    """Compare a PyTorch scheduler with a function of t in `LambdaLR`."""
    in_lambda = rates_of(lambda optimizer: lr_scheduler.LambdaLR(optimizer, own))
    return np.abs(rates_of(make) - in_lambda).max()


# %% role="experiment" uses="step_decay exponential_decay cosine_restarts" claim="schedules-agree-with-pytorchs" of="max(differences.values())" says="0 to 1e-12" slide="50"
pairs = {
    "StepLR": (
        lambda o: lr_scheduler.StepLR(o, 30, gamma=0.5),
        lambda t: step_decay(t, 1.0, 0.5, 30),
    ),
    "ExponentialLR": (
        lambda o: lr_scheduler.ExponentialLR(o, math.exp(-0.01)),
        lambda t: exponential_decay(t, 1.0, 0.01),
    ),
    "CosineAnnealingWarmRestarts": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 20, 2, eta_min=0.01),
        lambda t: cosine_restarts(t, 1.0, 0.1, 20, 2),
    ),
}
differences = {name: largest_difference(theirs, own) for name, (theirs, own) in pairs.items()}
for name, difference in differences.items():
    print(f"{name:>28}: largest difference {difference:.1e}")

# %% role="experiment" uses="linear_warmup"
difference = largest_difference(
    lambda o: lr_scheduler.LinearLR(o, 0.1, total_iters=100),
    lambda t: linear_warmup(t, 1.0, 100, 0.1),
)
print(f"{'LinearLR':>28}: largest difference {difference:.1e}")

# %% [markdown]
# Equal to the last digits; the small differences are the rounding of a thousand multiplications.
# (`LambdaLR` multiplies the rate by what your function returns, so it gets the rate 1, and the
# lowest rate of the cosine as a fraction.) One thing PyTorch's schedulers have besides the formula: a
# state, which must be saved with the model (`scheduler.state_dict()`). A plain function of $t$
# needs nothing but $t$.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * No constant rate is best all the time: high rates cover the distance, low ones settle. Start
#   high, then decay.
# * When the rate drops, the loss drops, because the random walk in the noise of the batches gets
#   narrower. Without that noise there is nothing to drop.
# * Step, exponential, 1/t, cosine: plain functions of the steps or epochs done so far. Begin and
#   end at the same rate, and they still differ by how far a run gets.
# * A restart throws the weights out and lets them settle again. What it buys are several good
#   networks in one run, not a better last one.
# * Scheduler after optimizer; per batch or per epoch, as its $t$ is meant; keep a deep copy of the
#   best.
# * SGD with momentum gains more from decay than Adam does, here.
# * Two forms of momentum are one only while the rate is constant.
#
# **Sources.** Lecture 7, slides 49–52 and 66–67. Robbins & Monro 1951, *A stochastic approximation
# method* · Loshchilov & Hutter 2017, *SGDR: Stochastic Gradient Descent with Warm Restarts*,
# arXiv:1608.03983 · Smith 2017, *Cyclical Learning Rates for Training Neural Networks*, arXiv:1506.01186 ·
# Goyal et al. 2017, *Accurate, Large Minibatch SGD*, arXiv:1706.02677.
#
# **Next:** lesson 07 asks whether the curvature could choose the step for us.
