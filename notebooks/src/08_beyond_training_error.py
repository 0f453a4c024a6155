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
#     lesson: "08"
#     title: Beyond training error
#     minutes_core: 90
#     minutes_all: 120
# ---

# %% [markdown]
# # Beyond training error
#
# **Lesson 08 · CS231n 2018, lecture 7, slides 63–68 · core 90 minutes, all of it 120**
#
# Seven lessons were about making the training loss fall. Nobody needs that: what counts are
# examples that the network has not seen. Slide 63 asks how the gap between the two can be reduced.
# This lesson has three answers that leave the network and its loss as they are. Stop in time.
# Average predictions. Average weights. Each is a few lines of code, and each has a trap: a copy of
# the weights that is no copy and goes on changing, a comparison that flatters, statistics that
# belong to other weights.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 the gap | a prediction, question 1 | 15 |
# | 2 when to stop | `EarlyStopping`, a prediction | 20 |
# | 3 kill the bug | `separating_scores` | 5 |
# | 4 validation, and the test set | `train_and_select`, question 2 | 15 |
# | 5 ensembles | `ensemble_predict`, a prediction | 10 |
# | 6 snapshots of one run | `snapshot_ensemble`, question 3 | 10 |
# | 7 averages of weights | `polyak_average`, a prediction | 15 |
# | **the core** | | **90** |
# | 8 look at the average, and train on | `evaluate_average`, question 4 | 10 |
# | 9 the same in PyTorch | `ensemble_predict`, `polyak_average` | 10 |
# | 10 the wiring at work | nothing: your loops on real networks | 10 |
# | **all of it** | | **120** |
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
from functools import cache

import numpy as np
from threadpoolctl import threadpool_limits

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import batches, load
from cs231n_lib.layers.batched import Stack
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.train import compare, predicted, score_predictions

threadpool_limits(1)  # networks this small are fastest on one thread

# %% [markdown]
# **The data.** Handwritten digits in two versions. Each seed draws 500 examples for training, 250
# for validation and keeps all others, more than a thousand, for the test. In the *clean* version
# that is all. In the *noisy* one, 30 % of the training labels are replaced by random ones; the
# labels of validation and test stay right. Real data have wrong labels too, and they make the gap
# wide enough to be seen with twenty seeds in a few seconds. For other images change this one line
# to `load("fashion-mnist")` or `load("cifar10")`; what the text says about results was written for
# the digits.

# %% role="experiment"
full = load("digits")

# %% [markdown]
# The folded cell below is machinery, the same for all experiments: a network with one hidden layer,
# and many of them that take their steps at the same time, each on its own data. You may open it, and
# you need not.

# %% role="setup" hide=true
WIDTH, RATE, STEPS, EVERY = 64, 0.2, 1000, 20
SEEDS = range(20)


def small_net(seed):
    """Return affine, ReLU, affine with Kaiming's initial weights."""
    rng = np.random.default_rng(seed)
    n_in, n_out = full.x_train[0].size, len(full.classes)
    return Network([Affine(n_in, WIDTH, rng), ReLU(), Affine(WIDTH, n_out, rng)])


def data_of(seed, noise):
    """Return 500 training, 250 validation and up to 1,250 test examples, as this seed draws them."""
    rng, parts = np.random.default_rng(seed), ("train", "val", "test")
    pool = {k: np.concatenate([getattr(full, f"{k}_{p}") for p in parts]) for k in "xy"}
    *rows, _ = np.split(rng.permutation(len(pool["y"])), [500, 750, 2000])
    split = {f"{k}_{p}": pool[k][r] for p, r in zip(parts, rows, strict=True) for k in "xy"}
    return replace(full, **split).with_random_labels(noise, rng)


def endless(data, batch, seed):
    """Yield batches of the training examples, every epoch in another order."""
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(data.x_train, data.y_train, batch, rng)


class Together:
    """Networks that train at the same time: `members` for the data of each seed."""

    def __init__(self, noise, seeds=SEEDS, batch=10, members=1):
        self.seeds = [(seed, m) for seed in seeds for m in range(members)]
        sets = [data_of(seed, noise) for seed in seeds for m in range(members)]
        self.stack = Stack([small_net(s) for s in self.seeds]).train()
        self.streams = [endless(d, batch, s) for d, s in zip(sets, self.seeds, strict=True)]
        self.parts = {
            part: [np.stack([getattr(d, f"{k}_{part}") for d in sets]) for k in "xy"]
            for part in ("train", "val", "test")
        }

    def step(self, rate):
        """Take a step of gradient descent in every network."""
        x, y = map(np.stack, zip(*map(next, self.streams), strict=True))
        _, gradients = self.stack.loss_and_gradients(x, y)
        for name, w in self.stack.params.items():
            w -= rate * gradients[name]

    def scores(self, part):
        """Return the scores (S, N, C) of all networks on a part of their data."""
        return self.stack.scores(self.parts[part][0])

    def accuracy(self, part):
        """Return the accuracies (S,)."""
        return (self.scores(part).argmax(axis=2) == self.parts[part][1]).mean(axis=1)

    def state_dict(self):
        """Return the live weights of all networks, (S, ...) each."""
        return self.stack.params

    def load_state_dict(self, state):
        """Take over other weights."""
        for name, w in self.stack.params.items():
            w[...] = state[name]

    def curves(self):
        """Train at the constant rate; return {part: accuracies (S, T)} after each EVERY steps."""
        seen = {part: [] for part in self.parts}
        for t in range(1, STEPS + 1):
            self.step(RATE)
            if t % EVERY == 0:
                for part, accuracies in seen.items():
                    accuracies.append(self.accuracy(part))
        return {part: np.array(accuracies).T for part, accuracies in seen.items()}


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% [markdown]
# ## 1 The gap
#
# 1,000 steps of plain gradient descent with batches of 10, twenty seeds, both versions of the data.
#
# **Predict, then run.** On the noisy data: what is the *best* validation accuracy along the way, and
# what is it at the end?

# %% role="predict"
my_best_accuracy, my_last_accuracy = None, None  # your predictions: numbers from 0 to 1

# %% role="experiment" claim="noise-opens-a-gap" says="above" of="gap" slide="63" alt="Accuracies over 1,000 steps: on noisy data validation rises to 0.9, then falls while training rises; on clean data both rise."
runs = {"noisy": Together(0.3).curves(), "clean": Together(0.0).curves()}

steps = np.arange(EVERY, STEPS + 1, EVERY)
val = runs["noisy"]["val"]
predicted(my_best_accuracy, np.median(val.max(axis=1)))
predicted(my_last_accuracy, np.median(val[:, -1]))
lines = {f"{name}: {part}": run[part] for name, run in runs.items() for part in ("train", "val")}
plotting.plot_lines(steps, lines, "step", "accuracy")
plotting.show("Training goes on rising when validation has turned")
gap = paired(val.max(axis=1), val[:, -1], ("the best validation accuracy", "the last one"))
print("noisy:", gap)

# %% [markdown]
# On the noisy data the training accuracy goes on rising to the end, and validation turns after
# some hundred steps: from there on, fitting the training labels better makes the network *worse*.
# It begins to learn the wrong labels by heart. (That training lies *below* validation here is no
# wonder: its labels are noisy, those of validation are right.) On the clean data nothing turns.
# There is a gap too, everything right in training and some 95 % in validation. Keep the clean
# curves in mind: most of what this lesson measures shows on noisy data, and hardly on clean ones.

# %% [markdown] role="question" id="the-gap" points=5
# **Question 1 (5 points), slide 63: how can the gap be reduced?** (a) 30 % of the labels were
# drawn again from ten classes. What training accuracy would a network reach that has learnt the
# digits perfectly and nothing else? (b) At the end the training accuracy of the noisy runs is
# above that number. What has been learnt there, and why does it hurt on validation data? (c) Name
# one way to reduce the gap that makes the *training* accuracy worse, and one that leaves it as it
# is.

# %% [markdown] role="answer"
# *Model answer.* (a) 70 % of the labels are untouched and a tenth of the others is right by
# chance: 0.7 + 0.03 = 73 %. (b) Wrong labels of single examples, by heart. The network bends its
# decision boundaries around these examples, and validation examples that lie near them get the
# wrong class. (c) Worse in training: stopping earlier, a smaller network, a penalty, dropout.
# Unchanged: more data for the same network only if it still fits them; averaging the predictions
# of several networks, each trained to the end; averaging the weights at the end of a run.
#
# *Rubric.* (a) 1 point: 73 %. (b) 2 points: 1 for memorized wrong labels, 1 for their
# neighbours. (c) 2 points: one way that lowers the training accuracy (1), one that leaves it
# (1).

# %% [markdown]
# *You can stop here.*
#
# ## 2 When to stop
#
# Slide 64 says: "stop training the model when accuracy on the validation set decreases", *or*
# "train for a long time, but always keep track of the model snapshot that worked best on val".
# The two halves are not the same. Accuracies on 250 examples go up and down by chance, so the
# first decrease comes early. What people use lies between: wait for a while, and keep the best.
#
# A score $s$ is a *gain* when it beats the best one $b$ by more than $\delta$, with $\sigma = 1$
# for accuracies and $\sigma = -1$ for losses, where low is good:
#
# $$\sigma\,(s - b) > \delta \quad \text{(Stop.1)}$$
#
# After a gain, keep score and weights, and begin to wait anew; otherwise wait one longer; stop when
# $k$ reaches the *patience* $P$:
#
# $$b \leftarrow s, \quad w^* \leftarrow \text{a copy of } w, \quad k \leftarrow 0 \quad
#   \text{(Stop.2)} \qquad k \leftarrow k + 1 \quad \text{(Stop.3)} \qquad k \ge P \quad
#   \text{(Stop.4)}$$
#
# This time you write a class: what it remembers between two calls is the point of it. The trap is
# in the word *copy*. What you are shown are the live arrays, and the next step writes into them.
#
# ### Exercise: `EarlyStopping`

# %% role="exercise" exercise="generalization.EarlyStopping"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the best weights kept by reference, or in a new dict with the same arrays;
# * a patience that is not renewed by a gain, or is one too short or too long;
# * an equal score taken for a gain; `min_delta` measured from the last score;
# * `mode="min"` forgotten, or a first best score that a loss cannot beat.
# </details>
#
# Three rules on the same twenty runs: stop *at once* (the first decrease, slide 64 taken
# literally), *patience 10* with the weights of the end, and patience 10 with the *best kept*. The
# number that counts is the test accuracy of what each rule hands over. The runs go on to the end in
# any case, so that all rules see the same scores.
#
# **Predict, then run.** What is the mean test accuracy when a run stops at the first decrease?

# %% role="predict"
my_accuracy_at_once = None  # your prediction: a number from 0 to 1


# %% role="experiment" uses="EarlyStopping" claim="keep-the-best" says="above" of="kept" slide="64" alt="One validation curve with four flags: the first decrease after few steps, the best score, the end of the patience, the end of the run."
def ended(scores, patience):
    """Return the places of the score that ends a run, and of the best one by then."""
    stopper = EarlyStopping(patience)
    for t, score in enumerate(scores):
        if stopper.update(score, {"t": np.array(t)}):
            break
    return t, int(stopper.best_weights["t"])


def by_rule(run):
    """Return {rule: test accuracies (S,)} of what each rule hands over."""
    ends = {patience: [ended(scores, patience) for scores in run["val"]] for patience in (1, 10)}
    places = {
        "at once": [t for t, _ in ends[1]],
        "patience 10": [t for t, _ in ends[10]],
        "patience 10, best kept": [best for _, best in ends[10]],
        "the end": [-1] * len(run["test"]),
    }
    return {rule: run["test"][np.arange(len(ts)), ts] for rule, ts in places.items()}


noisy = by_rule(runs["noisy"])
predicted(my_accuracy_at_once, noisy["at once"].mean())
first, test = runs["noisy"]["val"][0], runs["noisy"]["test"][0]
places = {"at once": ended(first, 1)[0], "best kept": ended(first, 10)[1],
          "patience 10": ended(first, 10)[0], "the end": len(first) - 1}  # fmt: skip
flags = {f"{rule}: test {test[t]:.0%}": t for rule, t in places.items()}
plotting.plot_stopping(steps, {"validation": first, "test": test}, flags)
plotting.show("Wait, and hand over the best")
kept = paired(noisy["patience 10, best kept"], noisy["the end"], ("the best kept", "the end"))
print(kept)

# %% [markdown]
# Keeping the best pays. Now the same rules on three kinds of runs: batches of 10 and of 50 on noisy
# data, and the clean data.

# %% role="experiment" uses="EarlyStopping" claim="at-once-loses-with-small-batches" says="below" of="small" slide="64" alt="Test accuracies of four stopping rules in three panels: stopping at once is worst with batches of 10 and on clean data, but beats the end with batches of 50."
ended(val[0], 1)  # nothing is trained before your stopper is written
runs["noisy, batches of 50"] = Together(0.3, batch=50).curves()
rules = {name: by_rule(runs[name]) for name in ("noisy", "noisy, batches of 50", "clean")}
plotting.plot_results(
    rules, "test accuracy",
    {"noisy": "noisy, batches of 10:\nkeep the best", "clean": "clean:\ndo not stop at once",
     "noisy, batches of 50": "noisy, batches of 50:\neven at once beats the end"},
)  # fmt: skip
plotting.show("Patience and keeping the best beat stopping at once")
for name, group in rules.items():
    print(f"{name}: " + ", ".join(f"{rule} {r.mean():.1%}" for rule, r in group.items()))
small = paired(rules["noisy"]["at once"], rules["noisy"]["the end"], ("at once", "the end"))
print("batches of 10:", small)

# %% role="experiment" uses="EarlyStopping" claim="at-once-wins-with-larger-batches" says="above" of="large" slide="64"
large = by_rule(runs.get("noisy, batches of 50", runs["noisy"]))
large = paired(large["at once"], large["the end"], ("at once", "the end"))
print("batches of 50:", large)

# %% role="experiment" uses="EarlyStopping" claim="stopping-gives-nothing-on-clean-data" says="-0.025 to 0.003" of="clean.mean" slide="64"
clean = by_rule(runs["clean"])
clean = paired(clean["patience 10, best kept"], clean["the end"], ("the best kept", "the end"))
print("clean:", clean)

# %% [markdown]
# * **Slide 64 taken literally** loses with batches of 10, although the run that goes on to the end
#   has learnt wrong labels: the first decrease comes within 100 steps, when the network is far
#   from finished. With batches of 50 the curve is smoother, and the same rule *wins*. A rule whose
#   value depends on the noise of the curve is not a rule.
# * **Patience with the best kept** is the best or close to it on noisy data, whatever the batch.
# * **On clean data stopping gives nothing**, and the best on validation is a little worse than the
#   end: 250 examples choose by chance.
#
# *You can stop here.*
#
# ## 3 Kill the bug
#
# The locked cell below is somebody's early stopping. It went through a review: right at a first
# decrease, right when the scores only fall. Find scores for which it stops at another one than
# yours.
#
# ### Exercise: `separating_scores`

# %% role="exercise" exercise="generalization.separating_scores"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * read the loop: what happens to `left` after a gain?
# * both must still be running when the gain comes;
# * one of the two must have stopped before the scores end; an array, with numbers from 0 to 1.
# </details>

# %% role="experiment" uses="EarlyStopping separating_scores"
scores = separating_scores(3)
place, _ = ended(scores, 3)
print(f"{len(scores)} scores; somebody's stops after {stops_without_renewal(scores, 3)}, "
      f"yours after {place + 1} (the last one, if it never stops)")  # fmt: skip

# %% [markdown]
# Such a bug raises no error and no warning. It ends every long run at about the same time, and
# looks like a network that has learnt all it can.
#
# *You can stop here.*
#
# ## 4 Validation, and the test set
#
# To pick the best of fifty validation accuracies is to pick luck as well. The highest of many noisy
# numbers lies above the truth, the more so the noisier they are and the more of them there are.
# Here is by how much: the highest validation accuracy of each run against the test accuracy of
# the same weights.

# %% role="experiment" claim="the-validation-maximum-is-too-good" says="above" of="luck" slide="64"
run = runs["clean"]
best, rows = run["val"].argmax(axis=1), np.arange(len(run["val"]))
luck = paired(run["val"][rows, best], run["test"][rows, best], ("the best on validation", "test"))
print(luck)

# %% [markdown]
# That is no fault of early stopping: it is what choosing does to the number by which one chose. So
# the number for a report comes from examples that nothing was chosen by. The test set is asked
# once, at the very end, and if you ask it in every epoch you turn it into a second validation
# set.
#
# Wire it: train, stop, select, report. The check passes doubles of PyTorch's objects that write
# down what happens: in which mode each step and each accuracy was taken, which accuracies the
# stopper saw, which weights met the test set, and how often.
#
# ### Exercise: `train_and_select`

# %% role="exercise" exercise="generalization.train_and_select"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the stopper sees training or test accuracies; the test set is asked in every epoch;
# * the last weights are reported; the best ones come back too late;
# * `train()` or `eval()` missing: both modes come up again in every epoch;
# * the stopper says stop, and nobody listens; it is asked after every batch.
# </details>

# %% [markdown] role="question" id="luck" points=5
# **Question 2 (5 points).** (a) A network has the true accuracy 0.9. What is the standard deviation
# of its accuracy on 250 random examples? And on 10,000? (b) Twenty networks, all of true accuracy
# 0.9, are compared on 250 examples, and the best is chosen. The highest of twenty independent
# normal numbers lies 1.9 standard deviations above their mean, on average. What accuracy will be
# reported? (c) A colleague says: "I chose by the test set, but only among three models." What do
# you answer?

# %% [markdown] role="answer"
# *Model answer.* (a) √(0.9 · 0.1 / 250) = 0.019, about two percentage points; with 10,000 examples
# 0.003. (b) 0.9 + 1.9 · 0.019 = 0.936, although each of them is right in 90 % of the cases. (Runs
# of one network are not independent, so in this lesson it is less.) (c) The best of three lies
# 0.85 standard deviations above the truth, on average: the number is still too good, by less. And
# the test set cannot be used for these models again. Choose by validation data, then ask once.
#
# *Rubric.* (a) 2 points: the formula (1), both numbers (1). (b) 1 point: about 0.936. (c) 2
# points: 1 for "still biased", 1 for what to do.

# %% [markdown]
# *You can stop here.*
#
# ## 5 Ensembles
#
# Slide 65: train several independent models, average their *probabilities*, choose the highest.
# "Enjoy 2 % extra performance."
#
# $$p^{(m)}_{nc} = \frac{e^{z^{(m)}_{nc}}}{\sum_j e^{z^{(m)}_{nj}}} \quad \text{(Ens.1)} \qquad
#   \bar p_{nc} = \frac1M \sum_m p^{(m)}_{nc} \quad \text{(Ens.2)} \qquad
#   \hat y_n = \arg\max_c \bar p_{nc} \quad \text{(Ens.3)}$$
#
# The order matters. Three models say 0.9, 0.45 and 0.45 for the first of two classes. Two of three
# *vote* for the second, and the mean, 0.6, says the first: a vote does not tell how sure a member
# is.
#
# ### Exercise: `ensemble_predict`

# %% role="exercise" exercise="generalization.ensemble_predict"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * scores averaged in place of probabilities; votes counted;
# * the softmax over another axis than that of the classes, or twice;
# * `exp` of a large score.
# </details>
#
# Five networks for each of twenty data sets; the five differ in their first weights and in the
# order of their batches. Three questions: is it 2 %? Is anything left of it when all five together
# may take only as many steps as one? And what if one averages something else?
#
# **Predict, then run.** How many percentage points does the ensemble of five gain over one of its
# members, on noisy and on clean data?

# %% role="predict"
my_gain_noisy, my_gain_clean = None, None  # your predictions: percentage points

# %% role="experiment" uses="ensemble_predict" claim="five-are-better-than-one" says="above" of="five" slide="65" alt="Test accuracies in two panels: on noisy data five networks beat one by five points and five short ones by more; on clean data the differences are below a point." hide=true
M = 5


def labels(scores, y):
    """Return the accuracy (sets,) of your ensemble of the members (sets, M, N, C)."""
    pairs = zip(scores, y, strict=True)
    return np.array([(ensemble_predict(z)[1] == truth).mean() for z, truth in pairs])


@cache
def ensembles(noise):
    """Train M networks a data set; return {way: accuracies (sets,)}, disagreement, networks."""
    ensemble_predict(np.zeros((1, 1, 2)))  # nothing is trained before yours is written
    group = Together(noise, members=M)
    y = group.parts["test"][1][::M]
    shape = (len(SEEDS), M, *y.shape[1:], len(full.classes))
    for _ in range(STEPS // M):
        group.step(RATE)
    short = group.scores("test").reshape(shape)
    for _ in range(STEPS - STEPS // M):
        group.step(RATE)
    z = group.scores("test").reshape(shape)
    chosen = z.argmax(axis=-1)  # (sets, M, N)
    ways = {
        "one": (chosen == y[:, None]).mean(axis=(1, 2)),
        f"{M} together": labels(z, y),
        "one short": (short.argmax(axis=-1) == y[:, None]).mean(axis=(1, 2)),
        f"{M} short ones": labels(short, y),
        "scores averaged": (z.mean(axis=1).argmax(axis=-1) == y).mean(axis=1),
        "votes": (np.eye(z.shape[-1])[chosen].sum(axis=1).argmax(axis=-1) == y).mean(axis=1),
    }
    apart = [(chosen[:, i] != chosen[:, j]).mean() for i in range(M) for j in range(i)]
    return ways, np.mean(apart), group


together = {}
for name, noise in (("noisy", 0.3), ("clean", 0.0)):
    together[name], apart, _ = ensembles(noise)
    print(f"{name}: two members disagree on {apart:.1%} of the examples; mean test accuracies: "
          + ", ".join(f"{way} {a.mean():.1%}" for way, a in together[name].items()))  # fmt: skip
plotting.plot_results(together, "test accuracy", {"noisy": "noisy: members disagree, five help",
                                                  "clean": "clean: they agree"})  # fmt: skip
plotting.show("Five are better than one, as far as they disagree")
gains = {name: 100 * (ways[f"{M} together"] - ways["one"]) for name, ways in together.items()}
predicted(my_gain_noisy, gains["noisy"].mean(), "percentage points")
predicted(my_gain_clean, gains["clean"].mean(), "percentage points")
five = paired(together["noisy"]["5 together"], together["noisy"]["one"], ("five", "one"))
print("noisy:", five)

# %% role="experiment" uses="ensemble_predict" claim="the-gain-is-not-2-percent-on-clean-data" says="0.001 to 0.01" of="little.mean" slide="65"
clean, _, _ = ensembles(0.0)
little = paired(clean["5 together"], clean["one"], ("five", "one"))
print("clean:", little)
print("clean, equal cost:", paired(clean["5 short ones"], clean["one"], ("five short", "one long")))

# %% role="experiment" uses="ensemble_predict" claim="five-short-ones-are-more-than-one-short-one" says="above" of="more" slide="65"
noisy, _, _ = ensembles(0.3)
print("noisy:", paired(noisy["one short"], noisy["one"], ("one short", "one long")))
more = paired(noisy["5 short ones"], noisy["one short"], ("five short ones", "one short"))
print("noisy:", more)
for way in ("scores averaged", "votes"):
    print("noisy:", paired(noisy[way], noisy["5 together"], (way, "probabilities averaged")))

# %% [markdown]
# * **Not 2 %.** About 5 points on noisy data, a third of a point on clean ones. The size follows
#   the *disagreement*: members that err in the same places correct nothing.
# * **At equal cost**, five short runs beat one long one clearly on noisy data. Part of that might
#   be early stopping, so look at *one* short run: it is hardly better than the long
#   one. What wins is the ensemble. On clean data five short runs lose: there the steps were needed.
# * **Averaged scores** do not differ clearly from averaged probabilities, **votes** are a little
#   worse, as the example of 0.9, 0.45 and 0.45 says.
#
# One more kind of average, and it does not work: the *weights* of the five, independently started.

# %% role="experiment" uses="ensemble_predict" claim="averaged-weights-of-independent-runs-fail" says="below" of="merged" slide="65"
_, _, group = ensembles(0.0)
alone = group.accuracy("test").reshape(-1, M).mean(axis=1)
kept = copy.deepcopy(group.state_dict())
for w in group.state_dict().values():
    sets = w.reshape(-1, M, *w.shape[1:])
    sets[...] = sets.mean(axis=1, keepdims=True)
merged = paired(group.accuracy("test")[::M], alone, ("weights averaged", "one of them"))
group.load_state_dict(kept)
print("clean:", merged)

# %% [markdown]
# The hidden units of two networks come in another order, and the unit in the middle between two
# different ones is neither. Keep this in mind for part 7, where averaging weights *does* work.
#
# *You can stop here.*
#
# ## 6 Snapshots of one run
#
# Slides 66 and 67: an ensemble without the cost of five training runs. Let the rate fall and jump
# up again, in cycles (lesson 06), and keep the weights at the end of each, where the rate is low
# and they have settled (Huang et al. 2017, arXiv:1704.00109):
#
# $$w \leftarrow w - \alpha(t)\,g, \quad t = 0, \dots, T - 1 \quad \text{(Snap.1)} \qquad
#   w^{(c)} \leftarrow \text{a copy of } w \quad \text{(Snap.2)}$$
#
# ### Exercise: `snapshot_ensemble`

# %% role="exercise" exercise="generalization.snapshot_ensemble"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * snapshots at the *start* of a cycle, where the rate is high; live weights kept, no copies;
# * a `t` that counts all steps of the run; a cycle of one step too many or too few;
# * the restart forgotten; the first cycles kept in place of the last.
# </details>
#
# Five cycles against *one decayed run* of the same length: that is the fair opponent, because it
# costs the same. (The rate falls on a straight line; with the cosine of the slides the differences
# below are the same within a point.)

# %% role="experiment" uses="ensemble_predict snapshot_ensemble" claim="snapshots-give-nothing-on-clean-data" says="-0.006 to 0.003" of="null.mean" slide="66–67" alt="Test accuracies in two panels: on noisy data the five snapshots beat one decayed run and their own last member, but not the best of the five; on clean data all are equal."
CYCLES, HIGH = 5, 2 * RATE
LENGTH = STEPS // CYCLES


@cache
def snapshots(noise):
    """Return {way: test accuracies (S,)} of cycles and of one decayed run."""
    ensemble_predict(np.zeros((1, 1, 2)))  # nothing is trained before yours is written
    cyclic = Together(noise)
    kept = snapshot_ensemble(
        cyclic, cyclic.step, lambda: None, lambda t: HIGH * (1 - t / LENGTH), LENGTH, CYCLES, CYCLES
    )
    scores, val = [], []
    for state in kept:
        cyclic.load_state_dict(state)
        scores.append(cyclic.scores("test"))
        val.append(cyclic.accuracy("val"))
    z = np.stack(scores, axis=1)  # (S, cycles, N, C)
    decayed = Together(noise)
    for t in range(STEPS):
        decayed.step(HIGH * (1 - t / STEPS))
    y = cyclic.parts["test"][1]
    members = (z.argmax(axis=-1) == y[:, None]).mean(axis=-1)  # (S, cycles)
    return {
        "one decayed run": decayed.accuracy("test"),
        "5 snapshots": labels(z, y),
        "the last snapshot": members[:, -1],
        "the best on validation": members[np.arange(len(members)), np.argmax(val, axis=0)],
    }


cycles = {name: snapshots(noise) for name, noise in (("noisy", 0.3), ("clean", 0.0))}
plotting.plot_results(cycles, "test accuracy", {"noisy": "noisy: five are no better than the best",
                                                "clean": "clean: no gain"})  # fmt: skip
plotting.show("Five snapshots are no better than the best of them")
for name, ways in cycles.items():
    print(f"{name}: " + ", ".join(f"{way} {a.mean():.1%}" for way, a in ways.items()))
null = paired(cycles["clean"]["5 snapshots"], cycles["clean"]["one decayed run"],
              ("five snapshots", "one decayed run"))  # fmt: skip
print("clean:", null)

# %% role="experiment" uses="ensemble_predict snapshot_ensemble" claim="snapshots-are-not-above-their-best-member" says="-0.02 to 0.006" of="honest.mean" slide="66–67"
noisy = snapshots(0.3)
for way in ("the last snapshot", "one decayed run"):
    print("noisy:", paired(noisy["5 snapshots"], noisy[way], ("five snapshots", way)))
best = noisy["the best on validation"]
honest = paired(noisy["5 snapshots"], best, ("five snapshots", "the best of them on validation"))
print("noisy:", honest)

# %% [markdown]
# On clean data: nothing, to a tenth of a point. Members from one run hardly disagree. On noisy data
# the snapshots *seem* to win. They beat their own last member, which is the usual comparison, and
# even the decayed run. But look at what wins there: the first cycles end before the wrong labels
# are learnt. Their best member alone, chosen on validation data, is as good as all five. The gain
# was early stopping in disguise.
#
# So here is a null and a trap, and both are worth more than a gain: compare an ensemble with what
# the same cost buys *otherwise*, not with its weakest part. The papers of the slides report gains
# for deep networks on CIFAR, with cycles of some forty epochs; at this size there is none.

# %% [markdown] role="question" id="diversity" points=5
# **Question 3 (5 points).** (a) Show that for every example the ensemble's $-\log \bar p$ of the
# right class is at most the mean of its members' $-\log p^{(m)}$. (b) Why does this not promise
# that its *accuracy* is at least that of the average member? Give three members and one example.
# (c) Five members, all of them 80 % right, never disagree. What does their ensemble gain? And what
# do the cycles of part 6 try to change about that?

# %% [markdown] role="answer"
# *Model answer.* (a) $-\log$ is convex, so by Jensen's inequality $-\log$ of a mean is at most the
# mean of $-\log$. (b) Accuracy only asks which class is highest. Members with 0.55, 0.55 and 0.05
# for the right one of two classes: two of three are right, the mean is 0.38, and the ensemble is
# wrong. (c) Nothing: the mean of equal predictions is the same prediction. A high rate after the
# restart throws the weights out of where they are, so that the next member is a different network.
#
# *Rubric.* (a) 2 points: $-\log$ is convex (1), the inequality (1). (b) 1 point: a right
# example. (c) 2 points: nothing (1), the next member is a different network (1).

# %% [markdown]
# *You can stop here.*
#
# ## 7 Averages of weights
#
# Slide 68: "instead of using actual parameter vector, keep a moving average of the parameter vector
# and use that at test time (Polyak averaging)". At a constant rate SGD does not settle. It walks
# about the minimum in a ball whose size is set by the rate and the noise (lesson 06). The weights
# after any step lie somewhere in the ball; their *average* lies near its centre. Unlike in
# part 5, all these weights are of one run, so that their units correspond.
#
# Polyak and Juditsky (1992) take the uniform mean of all weights. The slide's moving average
# forgets; started at zero it is too small at first and must be *debiased*, as in Adam; started at
# the first weights it must not:
#
# $$a_n = a_{n-1} + \frac{w_n - a_{n-1}}{n} \quad \text{(Polyak.1)} \qquad
#   m_n = \beta\,m_{n-1} + (1 - \beta)\,w_n \quad \text{(Polyak.2)}$$
#
# $$a_n = \frac{m_n}{1 - \beta^n} \ \text{ where } m_0 = 0 \quad \text{(Polyak.3)} \qquad
#   a_n = m_n \ \text{ where } m_0 = w_1 \quad \text{(Polyak.4)}$$
#
# PyTorch's moving average starts at the weights. For the weights 1, 3, 2, 5, 4 and $\beta = 0.9$
# the three averages are 3.0, 3.1655 and 1.8868: three numbers that go by one name.
#
# ### Exercise: `polyak_average`

# %% role="exercise" exercise="generalization.polyak_average"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $\beta$ and $1 - \beta$ exchanged; a debiased mean that did not start at zero, or the reverse;
# * the *corrected* mean kept for the next step; the count not stored;
# * with `start_at`, weights from before the start in the sum or in the count;
# * the average written back into `w`: it is for looking, not for training.
# </details>
#
# First the ball itself, on a bowl with the minimum at zero, and noise in every gradient: one run as
# a picture, 2,000 runs for the numbers.

# %% role="experiment" uses="polyak_average" claim="the-average-is-closer-to-the-centre" says="0 to 0.3" of="ratio" slide="68" alt="SGD's weights as a cloud around the minimum of a bowl; the average over the second half ends next to the minimum, the moving average near it."
rng, curvatures = np.random.default_rng(0), np.array([1.0, 4.0])
w, configs = np.full((2000, 2), 12.0), {
    "moving average": {"beta": 0.95},
    "uniform mean": {"kind": "uniform"},
    "uniform, 2nd half": {"kind": "uniform", "start_at": 200},
}  # fmt: skip
path, averages = [], {name: [] for name in configs}
for _ in range(400):
    w = w - 0.2 * (curvatures * w + rng.normal(size=w.shape))
    path.append(w)
    for name, config in configs.items():
        average, configs[name] = polyak_average(w, config)
        averages[name].append(average)


def risk(w):
    """Return the mean loss of the runs, which is zero at the minimum."""
    return (w**2 @ curvatures).mean() / 2


shown = {
    name: np.array(averages[name])[200:, 0] for name in ("moving average", "uniform, 2nd half")
}
plotting.plot_noise_ball(curvatures, np.array(path)[200:, 0], shown)
plotting.show("SGD walks about, its averages stay at the centre")
print(f"mean loss of the last weights {risk(w):.4f}; "
      + ", ".join(f"{name} {risk(a[-1]):.4f}" for name, a in averages.items()))  # fmt: skip
ratio = risk(averages["uniform, 2nd half"][-1]) / risk(w)

# %% [markdown]
# The loss of the average over the second half is a small fraction of the last weights' loss. The
# uniform mean over *all* steps carries along the descent from the start; that is what `start_at` is
# for.
#
# Now the network. Three averages are kept along the same run, at the constant rate, and never used
# in training. The opponent is again what the same cost buys otherwise: the rate *decayed* to zero
# over the second half.
#
# **Predict, then run.** How many percentage points does the average over the second half gain over
# the last weights, on noisy data?

# %% role="predict"
my_gain_of_the_average = None  # your prediction: percentage points

# %% role="experiment" uses="polyak_average" claim="the-average-beats-the-last-weights" says="above" of="gain" slide="68" alt="Test accuracies in two panels: on noisy data all averages beat the last weights and are close to the decayed rate; on clean data all are equal."
HALF = STEPS // 2
KINDS = {
    "moving average, β = 0.99": {"beta": 0.99},
    "uniform, 2nd half": {"kind": "uniform", "start_at": HALF},
}


@cache
def averaged(noise):
    """Return {way: test accuracies (S,)} of one run's weights, and of a decayed rate."""
    run, decayed, average = Together(noise), Together(noise), {}
    configs = {kind: {n: dict(c) for n in run.state_dict()} for kind, c in KINDS.items()}
    for t in range(STEPS):
        run.step(RATE)
        decayed.step(RATE * min(1, 2 * (1 - t / STEPS)))
        for kind, config in configs.items():
            for name, w in run.state_dict().items():
                average[kind, name], config[name] = polyak_average(w, config[name])
    ways = {"the last weights": run.accuracy("test")}
    for kind in configs:
        run.load_state_dict({name: average[kind, name] for name in run.state_dict()})
        ways[kind] = run.accuracy("test")
    return ways | {"rate decayed in 2nd half": decayed.accuracy("test")}


polyak = {name: averaged(noise) for name, noise in (("noisy", 0.3), ("clean", 0.0))}
plotting.plot_results(polyak, "test accuracy", {"noisy": "noisy: averaging is like decaying",
                                                "clean": "clean: little to average"})  # fmt: skip
plotting.show("Averages beat the last weights where gradients are noisy")
for name, ways in polyak.items():
    print(f"{name}: " + ", ".join(f"{way} {a.mean():.1%}" for way, a in ways.items()))
noisy = polyak["noisy"]
gain = paired(noisy["uniform, 2nd half"], noisy["the last weights"], ("the average", "the last"))
predicted(my_gain_of_the_average, 100 * gain.mean, "percentage points")
print("noisy:", gain)

# %% role="experiment" uses="polyak_average" claim="a-moving-average-is-like-a-decayed-rate" says="-0.01 to 0.01" of="decay.mean" slide="68"
noisy, clean = averaged(0.3), averaged(0.0)
decay = paired(noisy["moving average, β = 0.99"], noisy["rate decayed in 2nd half"],
               ("the moving average", "the decayed rate"))  # fmt: skip
print("noisy:", decay)
print("clean:", paired(clean["uniform, 2nd half"], clean["the last weights"], ("average", "last")))

# %% [markdown]
# On noisy data the average gains several points over the last weights, in nearly every seed. And
# the decayed rate gains the same as the moving average, to within a point: both take the noise of
# the last steps out, one by shorter steps, the other by a mean. The uniform mean reaches further
# back, to weights that have learnt fewer wrong labels, and is better still. On clean data there is
# next to no noise left to average. What speaks for an average is that it needs no plan: it has the
# decayed network at hand at *any* step.
#
# *You can stop here. This is the end of the core.*
#
# ## 8 Look at the average, and train on
#
# An average is only worth something if it is looked at, and training must not notice. So the
# weights of training are kept (a copy!), the average is loaded, scored, and the weights come back.
# Between loading and scoring there is one more thing to do. A batch norm's running statistics
# (lesson 02) were collected with the weights of training. For the averaged weights they are
# stale, and an average of running statistics is not what the averaged weights would produce. They
# must be *refreshed*: collected again, by some batches in train mode:
#
# $$r \leftarrow r + (\text{statistic of batch } i - r) \, / \, i \quad \text{(Refresh.1)}$$
#
# ### Exercise: `evaluate_average`

# %% role="exercise" exercise="generalization.evaluate_average"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * what was kept shows the live weights, so nothing comes back; a copy that is not deep;
# * the statistics refreshed before the average is loaded, after the score, or not at all;
# * the score taken when the weights of training are back already.
# </details>

# %% [markdown] role="question" id="average" points=5
# **Question 4 (5 points).** (a) Weights that do not change, $w_n = c$: what is $m_n$ when it starts
# at zero, and what when it starts at $c$? What happens if the second is "debiased"? (b) With
# $\beta = 0.99$, after how many steps has a weight lost half of its influence on the average? (c)
# Somebody trains *on* with the averaged weights after each epoch. What has become of their method?

# %% [markdown] role="answer"
# *Model answer.* (a) From zero: $m_n = c\,(1 - \beta^n)$, by the geometric series; the division by
# $1 - \beta^n$ gives $c$. From $c$: $m_n = c$ in every step; debiased it becomes $c / (1 -
# \beta^n)$, 100 times too large after the first step with $\beta = 0.99$. (b) $0.99^k = 1/2$ gives
# $k = \log 2 / (-\log 0.99) \approx 69$ steps. (c) Another optimizer: every epoch starts from the
# average, so the walk is pulled back each time. It may work (Lookahead is such a method), but the
# average is no longer one of an undisturbed SGD run.
#
# *Rubric.* (a) 2 points: from zero (1), from $c$ (1). (b) 1 point: 69 steps. (c) 2 points: 1
# for "training has changed", 1 for what it means for the average.

# %% [markdown]
# *You can stop here.*
#
# ## 9 The same in PyTorch
#
# Two of the functions again, on tensors. From here on their names mean the PyTorch versions.

# %% role="setup"
import torch

torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% role="exercise" exercise="generalization.torch.ensemble_predict"

# %% role="exercise" exercise="generalization.torch.polyak_average"

# %% [markdown]
# PyTorch has the averages of weights as `torch.optim.swa_utils.AveragedModel`: uniform unless told
# otherwise, and moving when it gets an `avg_fn`. Which of your settings are these?

# %% role="experiment" uses="polyak_average"
from torch.optim import swa_utils

built_in = {
    "uniform": swa_utils.AveragedModel(torch.nn.Linear(1, 1, bias=False)),
    "moving": swa_utils.AveragedModel(
        torch.nn.Linear(1, 1, bias=False), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)
    ),
}
own = {"uniform": {"kind": "uniform"}, "from the weights": {"start": "weights", "beta": 0.9},
       "from zero": {"beta": 0.9}}  # fmt: skip
last, model = {}, torch.nn.Linear(1, 1, bias=False)
for value in (1.0, 3.0, 2.0, 5.0, 4.0):
    torch.nn.init.constant_(model.weight, value)
    for average in built_in.values():
        average.update_parameters(model)
    for name, config in own.items():
        last[name], own[name] = polyak_average(model.weight.detach().clone(), config)
for name, average in built_in.items():
    print(f"PyTorch, {name}: {average.module.weight.item():.4f}")
for name, average in last.items():
    print(f"yours, {name}: {average.item():.4f}")

# %% [markdown]
# *You can stop here.*
#
# ## 10 The wiring at work
#
# Your two loops on real networks, with a batch norm in the middle and noisy labels. First
# `train_and_select` with your `EarlyStopping`: how far are the validation accuracy that selected
# and the test accuracy from each other?

# %% role="setup" hide=true
from torch.nn import functional


def torch_net(seed):
    """Return affine, batch norm, ReLU, affine."""
    torch.manual_seed(seed)
    n_in, n_out = full.x_train[0].size, len(full.classes)
    layers = torch.nn.Linear(n_in, WIDTH), torch.nn.BatchNorm1d(WIDTH), torch.nn.ReLU()
    return torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, n_out)).to(device)


class Torch:
    """A network with an optimizer, its noisy data, and what your loops ask for."""

    def __init__(self, seed, rate=0.2):
        self.data, self.model = data_of(seed, 0.3), torch_net(seed)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate)
        rows = np.random.default_rng(seed).permutation(500).reshape(-1, 10)
        self.batches = [self.part("train", r) for r in rows]

    def part(self, name, rows=slice(None)):
        """Return examples and labels of a part as tensors."""
        x, y = getattr(self.data, f"x_{name}")[rows], getattr(self.data, f"y_{name}")[rows]
        return torch.as_tensor(x, device=device), torch.as_tensor(y, device=device)

    def loss_of(self, batch):
        """Return the loss of a batch."""
        return functional.cross_entropy(self.model(batch[0]), batch[1])

    def accuracy(self, name):
        """Return the accuracy on a part, in the present mode."""
        x, y = self.part(name)
        with torch.inference_mode():
            return (self.model(x).argmax(dim=1) == y).double().mean().item()


# %% role="experiment" uses="EarlyStopping train_and_select"
for seed in range(3):
    run, stopper = Torch(seed), EarlyStopping(5)
    val, test = train_and_select(run.model, run.optimizer, run.batches, run.loss_of, run.accuracy,
                                 stopper, 20)  # fmt: skip
    print(f"seed {seed}: validation {val:.1%}, test {test:.1%}")

# %% [markdown]
# Then `evaluate_average`: the uniform mean of all weights of five epochs, scored with three kinds
# of running statistics. Those *of training* belong to the last weights. One may *average* them,
# like the weights. Or they are *refreshed*, for which PyTorch has `swa_utils.update_bn`. (Only what
# is a floating number is averaged: a batch norm also counts its batches, and a mean of counts is
# no count.)


# %% role="experiment" uses="polyak_average evaluate_average" claim="refreshed-statistics-are-better-than-stale-ones" says="above" of="refreshed" slide="68"
def average_of(seed, epochs=5):
    """Train; return the run and the uniform mean of its weights and statistics."""
    run, average, configs = Torch(seed), {}, {}
    for batch in epochs * run.batches:
        run.optimizer.zero_grad()
        run.loss_of(batch).backward()
        run.optimizer.step()
        for name, w in run.model.state_dict().items():
            average[name] = w
            if w.is_floating_point():
                config = configs.get(name, {"kind": "uniform"})
                average[name], configs[name] = polyak_average(w, config)
    return run, {name: w.clone() for name, w in average.items()}


def scores_of(seed):
    """Return the test accuracy of the average, with statistics of three kinds."""
    run, average = average_of(seed)
    live = {n: w.clone() for n, w in run.model.state_dict().items() if "running" in n}

    def refresh():
        swa_utils.update_bn([x for x, _ in run.batches], run.model)

    def evaluate():
        run.model.eval()
        return run.accuracy("test")

    kinds = (average | live, lambda: None), (average, lambda: None), (average, refresh)
    return [evaluate_average(run.model, state, call, evaluate) for state, call in kinds]


of_training, of_average, fresh = np.array([scores_of(seed) for seed in SEEDS]).T
print(f"statistics of training {of_training.mean():.1%}, averaged {of_average.mean():.1%}, "
      f"refreshed {fresh.mean():.1%}")  # fmt: skip
refreshed = paired(fresh, of_training, ("refreshed statistics", "those of training"))
print(refreshed)
print(paired(fresh, of_average, ("refreshed statistics", "averaged ones")))

# %% [markdown]
# Stale statistics cost several points, without an error message. Averaged ones do as well as
# refreshed ones here, where the weights stay close together; nothing guarantees it, and a refresh
# costs a pass over some batches. Mind what your tool does: `AveragedModel` copies the statistics of
# training unless it is told otherwise, and leaves the refresh to you.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * The gap is there to be measured: training, validation, test, each for its own purpose.
# * Stop with patience and hand over the best, as a copy. The first decrease is mostly noise.
# * The best of many validation accuracies is too good; the test set is asked once.
# * An ensemble averages probabilities, and gains as much as its members disagree: 5 points or 0.3,
#   not "2 %".
# * Compare with what the same cost buys otherwise. Snapshots beat their own last member, and neither
#   one decayed run on clean data nor their own best member on noisy data.
# * Averages of the weights of *one* run find the centre of SGD's walk, as a decayed rate does.
#   Weights of independent runs have nothing in common.
# * New weights need their own running statistics.
#
# **Next:** lesson 09 changes the loss and the network, so that there is less to stop.
#
# **Sources.** Lecture 7, slides 63–68. Prechelt 1998, *Early stopping – but when?*, in Neural Networks:
# Tricks of the Trade · Huang et al. 2017, *Snapshot Ensembles: Train 1, get M for free*,
# arXiv:1704.00109 · Loshchilov & Hutter 2017, *SGDR*, arXiv:1608.03983 · Polyak & Juditsky 1992,
# *Acceleration of stochastic approximation by averaging*, SIAM Journal on Control and Optimization 30 ·
# Izmailov et al. 2018, *Averaging Weights Leads to Wider Optima and Better Generalization*,
# arXiv:1803.05407.
