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
#     lesson: "01"
#     title: Foundations recap
#     minutes_core: 60
#     minutes_all: 120
# ---

# %% [markdown]
# # Foundations recap
#
# **Lesson 01 · CS231n 2018, lecture 7, slides 2–9 · core 60 minutes, all of it 120**
#
# The lecture opens with eight slides of "last time": activation functions, initialization,
# preprocessing, babysitting, search. This lesson is a *diagnostic* on them. Four short exercises tell you
# whether the ground is firm; if one of them is hard, its part is where to stay. And since a recap is
# quickly nodded through, every claim of these slides is measured here. Most hold, and not all.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 activation functions | `leaky_relu_forward`, `leaky_relu_backward`, question 1 | 14 |
# | 2 weight initialization | `xavier_init`, question 2 | 14 |
# | 3 data preprocessing | `normalize`, question 3 | 14 |
# | 4 babysitting the learning | two predictions | 8 |
# | 5 hyperparameter search | `log_uniform`, question 4 | 10 |
# | **the core** | | **60** |
# | 6 optional | kill the bug, ELU, maxout, Kaiming, PCA and more: bonus points | 35 |
# | 7–8 the same in PyTorch | the leaky ReLU and `xavier_init` on tensors; others (bonus) | 25 |
# | **all of it** | | **120** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions. Words and symbols are the same in all lessons (`docs/vocabulary.md`). The
# signatures are those of the usual CS231n assignments, so code that you wrote there can be pasted.
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load, photograph
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.layers.in_numpy import relu_backward, relu_forward
from cs231n_lib.layers.network import Activation, Affine, Network
from cs231n_lib.train import compare, fit, predicted, score_predictions, sized

threadpool_limits(1)  # arrays this small are fastest on one thread

# %% [markdown]
# **The data.** 8 × 8 images of handwritten digits that come with scikit-learn: nothing to download.
# For other images change this one line to `data = load("fashion-mnist")` or `load("cifar10")`.
# Everything below adapts, and takes several times as long; what the text says about results was
# written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 Activation functions (slides 3–4)
#
# ### The question
#
# A network of affine layers alone is one affine layer, however deep. What lies between them must
# bend. Slides 3 and 4 show six ways to bend, and look like a catalogue. They are answers to one
# question: *what comes back through the unit when the loss asks it to change?* In the backward
# pass each of them multiplies the gradient by its slope, layer after layer. Where the slope is 0,
# nothing comes back, and the weights before that unit do not learn from that example.
#
# ### The idea in one picture
#
# Solid: the function. Dashed: its slope, as the change over a small step divided by the step.


# %% role="experiment" claim="a-sigmoid-passes-a-quarter" of="curves['sigmoid'][1].max()" says="0.249 to 0.2501" slide="3" alt="Six panels on one scale, functions solid and slopes dashed: sigmoid and tanh flatten on both sides, ReLU on the left, leaky ReLU and maxout nowhere, ELU slowly on the left."
def through(*corners):
    """Return the function whose graph is straight from corner to corner."""
    return lambda x: np.interp(x, *zip(*corners, strict=True))


x, h = np.linspace(-4, 4, 161), 1e-6
SHOWN = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "ReLU": through((-5, 0), (0, 0), (5, 5)),
    "leaky ReLU, slope 0.1": through((-5, -0.5), (0, 0), (5, 5)),
    "maxout of −x − 1, x/2 and 2x − 3": through((-5, 4), (-2 / 3, -1 / 3), (2, 1), (5, 7)),
    "ELU, α = 1": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}
curves = {}
for name, function in SHOWN.items():
    slope = (function(x + h) - function(x - h)) / (2 * h)
    curves[name] = function(x), slope
    print(f"{name}: largest slope {slope.max():.3g}, at x = −4 {slope[0]:.2g}")
plotting.plot_activation_functions(x, curves)
plotting.show("What each bend lets back: its slope")

# %% [markdown]
# * **Sigmoid** and **tanh** are flat on both sides: a unit whose input is far from 0 is *saturated*.
#   The sigmoid's slope is nowhere above ¼, so ten layers of it multiply a gradient by less than
#   10⁻⁶ before any weight has its say; and its outputs are all positive.
# * **ReLU** has slope 1 on one half and 0 on the other. A unit whose input is negative for *every*
#   example gets no gradient from any of them: it is *dead*, and no step moves its own weights again.
# * **Leaky ReLU** keeps a little slope on the negative side, **ELU** keeps some for a while, and
#   **maxout** has no flat part unless its weights are flat; it pays with K times as many weights.
#
# ### The mathematics
#
# $$\text{leaky}(x) = \max(\alpha x, x) \quad \text{(Act.7)}$$
#
# with the lecture's $\alpha = 0.1$. For $\alpha$ between 0 and 1 the larger one of the two is the
# right one on either side. Its derivative you can read off the picture.
#
# ### Exercise: `leaky_relu_forward` and `leaky_relu_backward`
#
# $x$ may have any shape, the slope is the caller's, and in the backward pass the chain rule has two
# factors: the slope *at x*, and what arrives in `dout`. At $x = 0$ exactly there is no derivative; any
# slope between those of the two sides is accepted. One line each.

# %% role="exercise" exercise="activations.leaky_relu_forward"

# %% role="exercise" exercise="activations.leaky_relu_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the slope applied to all of x, or to the wrong side;
# * the slope fixed in the code, in place of the argument;
# * a backward pass that looks at the sign of `dout` or of the output's gradient, and not at x;
# * a slope that is never multiplied by `dout`, or a `dout` that is never multiplied by a slope;
# * a division by x;
# * an input changed in place; float32 that became float64 on the way (`np.where` with two plain
#   numbers makes float64).
# </details>

# %% [markdown]
# ### Units that are lost, counted
#
# Now a real network: five hidden layers of 64 units, 200 steps of gradient descent on the digits, five
# seeds. After training, every unit is asked with all training examples: is there *any* example for
# which it passes back at least one hundredth of the gradient? If not, count it as lost. For ReLU lost
# means dead, for tanh it means saturated everywhere. What a layer passes back is found by sending ones
# through its backward pass.
#
# **Predict, then run.** With ReLU and the learning rate 0.1 the network reaches an accuracy of about
# 0.96. At five times that rate, what fraction of the units of hidden layer 5 is dead at the end?

# %% role="predict"
my_dead_fraction = None  # your prediction: from 0 to 1

# %% role="setup" hide=true
WIDTH, DEPTH = 64, 5


def net_with(pair, seed, depth=DEPTH):
    """Return (affine, activation) × depth and an affine layer to the class scores."""
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size] + [WIDTH] * depth
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [Affine(n_in, n_out, rng), Activation(*pair)]
    return Network([*layers, Affine(WIDTH, len(data.classes), rng)])


def lost_units(net):
    """Return the fraction of units, layer by layer, that pass back less than 0.01 for every example."""
    fractions = []
    with np.errstate(all="ignore"):  # a run that diverged has infinite activations
        for name, out in net.activations(data.x_train).items():
            if name.startswith("activation"):
                slopes = net.layers[net.names.index(name)].backward(np.ones_like(out))
                fractions.append(np.mean(slopes.max(axis=0) < 0.01))
    return fractions


def tanh_forward(x):
    """Hyperbolic tangent, and what its backward pass needs."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, out):
    """Gradient of the hyperbolic tangent."""
    return dout * (1 - out**2)


RELU, TANH = (relu_forward, relu_backward), (tanh_forward, tanh_backward)


FIVE = range(sized(5, 2, "seeds"))


def trained_with(pair, learning_rate, seeds=FIVE):
    """Return the fractions of lost units (seeds, L) and the final accuracies (seeds,)."""
    fractions, accuracies = [], []
    for seed in tqdm(seeds, "training", delay=2, leave=False):
        net = net_with(pair, seed)
        history = fit(
            net, data, steps=200, batch_size=64, learning_rate=learning_rate,
            rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        fractions.append(lost_units(net))
        accuracies.append(history.val_accuracy[-1])
    return np.array(fractions), np.array(accuracies)


# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward" claim="relu-units-die" of="dying" says="above" slide="4" alt="Bars, the fraction of lost units in five layers: with ReLU at rate 0.5 some in every layer, by the seed up to most, with leaky ReLU none, with tanh at rate 1 more with every layer up to all of them." hide=true
LEAKY = leaky_relu_forward, leaky_relu_backward
runs = {
    "ReLU, rate 0.1": trained_with(RELU, 0.1),
    "ReLU, rate 0.5": trained_with(RELU, 0.5),
    "leaky ReLU, rate 0.5": trained_with(LEAKY, 0.5),
    "tanh, rate 0.1": trained_with(TANH, 0.1),
    "tanh, rate 1": trained_with(TANH, 1.0),
}
predicted(my_dead_fraction, runs["ReLU, rate 0.5"][0][:, -1].mean())
for name, (fractions, accuracies) in runs.items():
    lost = ", ".join(f"{fraction:.2f}" for fraction in fractions.mean(axis=0))
    print(f"{name}: accuracy {accuracies.mean():.2f}; lost in layers 1 to 5: {lost}")
plotting.plot_unit_states({name: fractions for name, (fractions, _) in runs.items()})
plotting.show("A high rate kills ReLU units and saturates tanh; leaky ReLU loses none")

lost = {name: fractions[:, 0] for name, (fractions, _) in runs.items()}  # in layer 1, a seed each
dying = compare(
    lambda seed: lost["ReLU, rate 0.5"][seed],
    lambda seed: lost["leaky ReLU, rate 0.5"][seed],
    FIVE,
    progress=False,
    names=("the fraction lost with ReLU", "that with leaky ReLU"),
)
print(dying)

# %% [markdown]
# At the rate 0.1 a few units in a hundred are lost. At 0.5 it is more of every layer, and of the
# fifth sometimes most, depending on the seed. One large step can
# push a whole unit to the negative side, and from there it gets no gradient to come back. With tanh at
# rate 1 nearly all units of the last layer are saturated for all examples, and the network guesses.
#
# And leaky ReLU? It never loses a unit: its slope is 0.1 at least. But that alone does not make the
# rate 0.5 a good one. At so high a rate a run is chaotic: rounding in the last digit decides which
# of the two ends with the better accuracy, so five seeds say nothing about that, and neither do we.
# "Does not die" is confirmed, by the last line. The simple remedy is in the first row: a smaller
# learning rate.

# %% [markdown] role="question" id="units-that-die" points=5
# **Question 1 (5 points).** (a) Why does a ReLU unit that is dead on the whole training set stay dead
# for the rest of the training, if only its own layer and those after it are trained? And what could
# wake it up in the network above, where the layers before it are trained too? (b) A tanh unit that is
# saturated on every example is not dead in this strict sense. What is the difference, and does it help
# in practice? Refer to your counts. (c) Write ReLU and leaky ReLU as maxout with K = 2. What would you
# pay for letting the network learn the pieces?

# %% [markdown] role="answer"
# *Model answer.* (a) Its output is 0 and its slope is 0 for every example, so the gradient of its
# incoming weights and of its bias is exactly 0: a step of gradient descent does not move them, and after
# the step the unit is as dead as before. Only a change of its *inputs* can make its input positive
# again: the layers before it still get gradients through their other units, and when they move, the
# dead unit may see positive numbers again. (b) The slope of tanh is $1 - y^2$, tiny but not 0, so
# some gradient always comes back. With a slope below 0.01 it needs at least a hundred times as
# many steps, and in float32 $1 - y^2$ is exactly 0 from |x| = 10. In the counts above, the
# network with tanh at rate 1 has most units of its last layers saturated and does not get beyond
# guessing: it does not help. (c) ReLU: pieces $0$ and $x$, leaky ReLU: $\alpha x$ and $x$ (for a unit
# $w^T x + b$: $w_1 = 0, b_1 = 0$, or $w_1 = \alpha w, b_1 = \alpha b$; and $w_2 = w, b_2 = b$).
# Learning them costs twice the weights and twice the multiplications.
#
# *Rubric.* (a) 2 points: zero gradient of its own weights (1), inputs that move (1). (b) 1.5 points:
# small against exactly zero (0.5), no help in practice, with a number from the experiment (1). (c) 1.5
# points: both pairs of pieces (1), the price (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 2 Weight initialization (slide 5)
#
# ### The question
#
# With all weights 0 all units would stay alike, so weights start at random: but how large? Slide 5
# tells of three outcomes, too small, too big and just right. Here they are, in a network of ten hidden
# layers with 100 units each, before any training. You follow two things: the activations as they
# go forward, and the gradients of the loss with respect to them as they come back.
#
# ### The idea in one picture
#
# A unit adds up fan-in many products $x_i W_{ij}$. If the weights are independent with mean 0 and
# variance $s^2$, variances add up:
#
# $$\operatorname{E}\bigl[(x W)_j^2\bigr] = s^2 \sum_i x_i^2
#   = n_\text{in}\, s^2 \cdot \frac1{n_\text{in}} \sum_i x_i^2$$
#
# The mean square of what goes in is multiplied by $n_\text{in} s^2$ in every layer. Smaller than 1, ten
# times: gone. Larger than 1, ten times: exploded. On the way back it is the same with the fan-out.
#
# ### Exercise: `xavier_init`
#
# Choose $s^2$ so that a linear layer keeps the mean square, and draw the weights from a Gaussian. All
# randomness comes from the generator that is passed in. The check draws many weights and asks which
# rule they obey; it allows for chance (a right answer fails once in 10⁹ draws).

# %% role="exercise" exercise="initialization.xavier_init"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the fan-out where the fan-in belongs, or the shape the other way round;
# * a variance used as a standard deviation, or a root taken twice;
# * the factor for ReLU, which belongs to another initialization;
# * `rand` where `randn` belongs; limits of a uniform distribution taken for its standard deviation;
# * numbers from the global generator, or from one with a fixed seed.
# </details>
#
# ### Too small, too big, just right: tanh
#
# **Predict, then run.** The weights of the first network have the standard deviation 0.01. By
# which factor is the root mean square of the activations of layer 10 smaller than that of layer 1?
# (Near 0, tanh is a straight line of slope 1.)

# %% role="predict"
my_shrinking = None  # your prediction: layer 10 over layer 1, such as 1e-3

# %% role="setup" hide=true
UNITS, LAYERS = 100, 10


def gaussian(std):
    """Return an initialization: weights from N(0, std²), whatever the size of the layer."""
    return lambda fan_in, fan_out, rng: std * rng.standard_normal((fan_in, fan_out))


def deep_net(pair, init, seed=0):
    """Return LAYERS hidden layers of UNITS units with their weights from `init`, in float64."""
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size] + [UNITS] * LAYERS + [len(data.classes)]
    layers = []
    for n_in, n_out in pairwise(sizes):
        affine = Affine(n_in, n_out, rng, dtype=np.float64)
        affine.params["w"][...] = init(n_in, n_out, rng)
        layers += [affine, Activation(*pair)]
    return Network(layers[:-1])


def signals(net, examples=300):
    """Return {layer: activations} and {layer: gradients of the loss with respect to them}."""
    x, y = data.x_train[:examples].astype(float), data.y_train[:examples]
    outputs = net.activations(x)
    _, dout = net.loss(outputs[net.names[-1]], y)
    forward, backward = {}, {}
    for name, layer in reversed(list(zip(net.names, net.layers, strict=True))):
        if name.startswith("activation"):
            number = int(name.removeprefix("activation"))
            forward[number], backward[number] = outputs[name], dout
        dout = layer.backward(dout)
    return forward, backward


def size(values):
    """Return the root mean square."""
    return np.sqrt(np.mean(values**2))


def show_signals(nets, title):
    """Draw the sizes of activations and gradients in every layer of several networks."""
    found = {name: signals(net) for name, net in nets.items()}
    numbers = range(1, LAYERS + 1)
    panels = {
        f"root mean square of the {what}": {
            name: [size(both[side][n]) for n in numbers] for name, both in found.items()
        }
        for side, what in enumerate(("activations", "gradients"))
    }
    figure = plotting.plot_lines(numbers, panels, "hidden layer", "")
    for ax in figure.axes:
        ax.set(yscale="log", ylim=(1e-16, 1e9), xticks=numbers)
    plotting.show(title)
    for what, lines in panels.items():
        for name, values in lines.items():
            print(f"{what}, {name}: layer 1 {values[0]:.2g}, layer 10 {values[-1]:.2g}")
    return found


# %% role="experiment" uses="xavier_init" claim="gradients-of-saturated-layers-grow" of="growth" says="100 to 100000" slide="5" alt="Two panels on one logarithmic scale, sizes by layer: from weights of 0.01 activations and gradients fall by ten powers of ten, from 1 activations stay near 1 and gradients grow backwards, with Xavier both stay level."
found = show_signals(
    {
        "too small, 0.01": deep_net(TANH, gaussian(0.01)),
        "too big, 1": deep_net(TANH, gaussian(1.0)),
        "yours, Xavier": deep_net(TANH, xavier_init),
    },
    "tanh: too small dies out both ways, too big saturates, and its gradients grow",
)
small, (big, big_gradients) = found["too small, 0.01"][0], found["too big, 1"]
predicted(my_shrinking, size(small[10]) / size(small[1]))
growth = size(big_gradients[1]) / size(big_gradients[10])
print(f"too big: from layer 10 back to layer 1 gradients grow {growth:,.0f} times")

# %% role="experiment" uses="xavier_init" claim="most-tanh-units-saturate" of="saturated" says="0.7 to 0.86" slide="5"
saturated = np.mean(np.abs(found["too big, 1"][0][10]) > 0.99)
print(f"too big: {saturated:.0%} of the activations of layer 10 are beyond ±0.99")

# %% [markdown]
# **Too small.** Every layer multiplies by about $\sqrt{100} \cdot 0.01 = 0.1$: nine layers, nine powers
# of ten. The gradients shrink in the same way on their way back. Nothing is exactly 0, but a weight of
# layer 5 has a gradient that is a product of two such small numbers.
#
# **Too big.** 78 % of the activations of layer 10 are beyond ±0.99, where the slope of tanh is below
# 0.02. So far, so slide 5. But look at the gradients: they do *not* go to zero. From layer 10 to layer 1
# they grow from 0.0043 to 8.6. The slope is tiny for most units, but not for all, and weights of
# standard deviation 1 times a hundred units more than make up for it. "Gradients zero" is true of a
# saturated unit, and not of this network; question 2 comes back to it.
#
# **Just right.** Activations and gradients have about the same size in all layers. The activations
# still shrink a little, from 0.40 to 0.22, because tanh is only nearly a straight line.
#
# ### And ReLU
#
# A ReLU sets half of the numbers to 0 and with them half of the mean square. So what is just right for
# tanh loses a factor of 2 in every layer here. Kaiming initialization makes up for it; it is what the
# `Affine` layers of this course start with, so that the third network below needs nothing from you.
#
# **Predict, then run.** With Xavier's weights and ReLU: by which factor is the root mean square of
# layer 10 smaller than that of layer 1?

# %% role="predict"
my_relu_shrinking = None  # your prediction: layer 10 over layer 1

# %% role="setup" hide=true


def kaiming(fan_in, fan_out, rng):
    """Return the weights with which the course's own affine layers start."""
    return Affine(fan_in, fan_out, rng, dtype=np.float64).params["w"]


# %% role="experiment" uses="xavier_init" claim="xavier-shrinks-relu" of="np.median(ratios)" says="0.03 to 0.06" slide="5" alt="Two panels on one logarithmic scale: with ReLU weights of 0.01 die out, weights of 1 explode to ten to the eighth, Xavier falls by a factor of 25 over ten layers, Kaiming stays level."
found = show_signals(
    {
        "too small, 0.01": deep_net(RELU, gaussian(0.01)),
        "too big, 1": deep_net(RELU, gaussian(1.0)),
        "yours, Xavier": deep_net(RELU, xavier_init),
        "Kaiming": deep_net(RELU, kaiming),
    },
    "ReLU: Xavier loses half of the mean square in every layer, Kaiming keeps it",
)
ratios = []
for seed in range(10):
    forward, _ = signals(deep_net(RELU, xavier_init, seed))
    ratios.append(size(forward[10]) / size(forward[1]))
predicted(my_relu_shrinking, np.median(ratios))
print(f"over ten seeds: from {min(ratios):.3f} to {max(ratios):.3f}")

# %% [markdown]
# Expected for Xavier: $\sqrt{1/2}$ for each of nine layers, 0.044.
# Ten seeds lie around it, from 0.029 to 0.058. With Kaiming's factor the activations stay where they
# were, 0.47 in layer 1 and 0.35 in layer 10, and so do the gradients. Too big *explodes* with ReLU: by a
# factor of about 7 in every layer, forwards and backwards.
#
# ### Does it matter for learning?
#
# The same networks, trained: 200 steps of gradient descent from each initialization, three seeds, the
# learning rate 0.05 for all.

# %% role="setup" hide=true
THREE, STEPS_FROM = range(sized(3, 2, "seeds")), sized(200, 40, "steps")


def accuracy_from(pair, init, seed):
    """Return the validation accuracy after a training."""
    history = fit(
        deep_net(pair, init, seed), data, steps=STEPS_FROM, batch_size=64, learning_rate=0.05,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


# %% role="experiment" uses="xavier_init" claim="tanh-hardly-minds" of="tanh_pays" says="-0.05 to 0.05" slide="5"
starts = {"0.01": gaussian(0.01), "1": gaussian(1.0), "Xavier": xavier_init, "Kaiming": kaiming}
accuracy = {}
for activation, pair in {"tanh": TANH, "ReLU": RELU}.items():
    for start, init in starts.items():
        results = [accuracy_from(pair, init, seed) for seed in THREE]
        accuracy[activation, start] = results
        low, high = min(results), max(results)
        print(f"{activation} from {start}: {np.mean(results):.2f} ({low:.2f} to {high:.2f})")
tanh_pays = np.mean(accuracy["tanh", "Kaiming"]) - np.mean(accuracy["tanh", "Xavier"])
print(f"tanh: Kaiming is {tanh_pays:+.3f} from Xavier")

# %% role="experiment" uses="xavier_init" claim="relu-learns-from-kaiming" of="halved" says="below" slide="5"
halved = compare(
    lambda seed: accuracy["ReLU", "Xavier"][seed], lambda seed: accuracy["ReLU", "Kaiming"][seed],
    THREE, progress=False, names=("ReLU from Xavier", "from Kaiming"),
)  # fmt: skip
print(halved)

# %% [markdown]
# From 0.01 and from 1 nothing is learned, with either activation. With tanh, Xavier and Kaiming end
# within a few hundredths. With ReLU they do not: after 200 steps the network from Xavier's weights has an accuracy of
# 0.32, that from Kaiming's of 0.94. Ten halvings are enough to make the difference between learning and
# hardly any.

# %% [markdown] role="question" id="too-small-too-big" points=5
# **Question 2 (5 points).** Slide 5 says "too small: activations go to zero, gradients also zero" and
# "too big: activations saturate (for tanh), gradients zero". (a) In the network with scale 0.01, why is
# the gradient *of the weights* of layer 5 so small? Name two factors. Is it zero? (b) Which half of the
# second sentence do your numbers for tanh confirm, and how can the other half fail although most slopes
# are near 0? What does "too big" do to a ReLU network? (c) Derive the variance that keeps the mean
# square through a linear layer, and say where a ReLU changes the derivation. (d) Why can no choice of
# $s^2$ keep the size of both activations and gradients when fan-in and fan-out differ?

# %% [markdown] role="answer"
# *Model answer.* (a) The gradient of $W_5$ is (activations of layer 4)ᵀ times (gradient at the input of
# the tanh of layer 5), and both are small: the activations have shrunk in four layers going
# forward, the gradient in five coming back, by about 0.1 each time. It is not zero, but steps
# are so small that nothing is learned in any reasonable time. (b) They saturate: 78 % beyond ±0.99.
# But gradients grow by a factor of about 2000 from layer 10 to layer 1: about a fifth of a hundred
# units still has a slope that counts, and each of them sends its gradient back through weights of size 1.
# The sum of some twenty such terms is larger than what came. In a ReLU network nothing saturates:
# activations and gradients grow by a factor of about 7, $\sqrt{100/2}$, in every layer. (c)
# $\operatorname E[(\sum_i x_i W_i)^2] = s^2 \sum_i x_i^2$, because mixed terms have mean 0; with
# $n_\text{in}$ inputs of mean square $q$ this is $n_\text{in} s^2 q$, so $s^2 = 1/n_\text{in}$. A ReLU
# halves the mean square of what is symmetric around 0, so $s^2 = 2/n_\text{in}$. (d) Forward the factor is
# $n_\text{in} s^2$, backward $n_\text{out} s^2$ (each input reaches fan-out many units); both are 1
# only if the fans are equal. Glorot's $2/(n_\text{in} + n_\text{out})$ is a compromise.
#
# *Rubric.* (a) 1 point: both factors (0.5), small but not zero (0.5). (b) 2 points: saturation
# confirmed, vanishing gradients not, with numbers (1), why they grow (0.5), explosion with ReLU
# (0.5). (c) 1 point: variances add (0.5), half of the mean square (0.5). (d) 1 point: one
# factor for each of the two fans.

# %% [markdown]
# *You can stop here.*
#
# ## 3 Data preprocessing (slides 6–7)
#
# ### The question
#
# The first layer computes $x W + b$. Move $W$ by a little $\delta W$, and its output moves by
# $x\,\delta W$. So how much a small step of the weights does is not a property of the network: it is
# decided by the *data*. Pixels from 0 to 255, temperatures in kelvin, an income beside an age: the
# same step is a whisper in one feature and an earthquake in the next.
#
# Slide 6 prepares the data in two steps: subtract the mean, divide by the spread. Slide 7 says what it
# is good for. You will write it, and measure what slide 7 says.
#
# ### The idea in one picture
#
# Two neighbouring pixels of a photograph, at 400 places: nearly always alike, and never negative.
# The first step needs one line, so here it is, with the point that matters most: *the mean is
# learned on the training data, and then used for all data*.

# %% role="setup"
import math
import tempfile
from dataclasses import replace
from pathlib import Path

from cs231n_lib.layers.in_numpy import softmax_loss
from cs231n_lib.layers.network import ReLU
from cs231n_lib.train import read_curve, remembered

# %% role="experiment" alt="Pairs of neighbouring pixels, raw and centred, with equal axes: a narrow slanted cloud, first between 0 and 1, then around the origin."
rng = np.random.default_rng(0)
grey = photograph("camera") / 255  # (512, 512) grey values from 0 to 1
row, column = rng.integers(0, 511, (2, 500))
pairs = np.stack([grey[row, column], grey[row, column + 1]], axis=1)  # (500, 2)
points_train, points_val = pairs[:400], pairs[400:]

mean = points_train.mean(axis=0)  # (2,) of the training data
centred = points_train - mean, points_val - mean
clouds = {"raw": points_train, "centred": centred[0]}
clouds_val = {"raw": points_val, "centred": centred[1]}
plotting.plot_point_clouds(clouds, clouds_val, ("a pixel", "the pixel to its right"))
plotting.show("Subtracting the mean moves the cloud, and keeps its slant")

# %% [markdown]
# (Triangles are validation data.) The second step divides each feature by its spread.
#
# ### The mathematics
#
# For each feature $j$ by itself, with all sums over the N *training* examples:
#
# $$\mu_j = \frac1N \sum_i x_{ij} \quad \text{(Pre.1)} \qquad
#   \sigma_j^2 = \frac1N \sum_i (x_{ij} - \mu_j)^2 \quad \text{(Pre.2)} \qquad
#   \hat x_{ij} = \frac{x_{ij} - \mu_j}{\sqrt{\sigma_j^2 + \varepsilon}} \quad \text{(Pre.3)}$$
#
# You know these formulas from batch normalization, or will meet them there. The difference is *when*:
# here $\mu$ and $\sigma^2$ are computed once, before training, and are constants from then on. What
# is $\varepsilon$ for? In 8 × 8 digits the pixel at the left edge is 0 in nearly all images, and
# its spread is 0 or almost 0.
#
# ### Exercise: `normalize`

# %% role="exercise" exercise="preprocessing.normalize"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * one mean for each image, or one for everything, instead of one for each feature;
# * validation data measured with a ruler of their own;
# * $\varepsilon$ outside the root, hard-coded, or missing;
# * the variance where the spread belongs; a sum where a mean belongs;
# * an input changed in place; a type that changed on the way.
# </details>

# %% role="experiment" uses="normalize" alt="The same cloud after division by the spreads: still slanted, now from about -2 to 2 on both axes."
scaled = dict(zip(("train", "val"), normalize(points_train, points_val, 1e-5), strict=True))
plotting.plot_point_clouds(
    {"centred and scaled": scaled["train"]}, {"centred and scaled": scaled["val"]},
    ("a pixel", "the pixel to its right"),
)  # fmt: skip
plotting.show("Spread 1 in each feature")

# %% [markdown]
# The cloud keeps its slant: each feature has mean 0 and spread 1 by itself, and the two still say nearly
# the same. Part 6 has an optional section about that.
#
# ### Is the loss less sensitive? (slide 7)
#
# A fair test needs *the same classifier* on both sides. We train a linear one on normalized digits.
# Then we rewrite its weights for raw pixels: $\hat x$ is $x$ stretched and shifted, so there are weights
# for $x$ that give exactly the same scores, and the same loss. Now move the weights in random
# directions, by a fraction of their own length, on either side. We also move the raw data away from zero
# by 1 and by 3, as if the images were over-exposed; the rewritten classifier does not mind.
#
# **Predict, then run.** The loss is 0.098. With normalized data, moving the weights by a tenth of
# their length raises it to 0.10. What is it after the same move when the raw pixels lie around 3?

# %% role="predict"
my_loss_far_from_zero = None  # your prediction: a number

# %% role="setup" hide=true
EPS = 1e-2  # a pixel with a spread below 0.1 does not count in full


def prepared_by(normalize):
    """Return the digits as your function prepares them; the experiments below begin with it."""
    x_train, x_val = normalize(data.x_train, data.x_val, EPS)
    return replace(data, x_train=x_train, x_val=x_val)


# %% role="experiment" uses="normalize" claim="far-from-zero-is-sensitive" of="np.median(losses['raw, moved by 3'][:, 4]) - np.median(losses['normalized'][:, 4])" says="0.1 to 2" slide="7" alt="Loss against the length of a random move, both logarithmic: four curves from one start; normalized data rise last, raw pixels a little sooner, moved by 1 and by 3 far sooner." hide=true
prepared = prepared_by(normalize)
D = prepared.x_train.shape[1]
net = Network([Affine(D, len(data.classes), np.random.default_rng(0), 0.0)])
fit(net, prepared, steps=300, batch_size=100, learning_rate=0.3, rng=np.random.default_rng(0))
W, b = (net.params[f"affine1.{key}"].astype(float) for key in "wb")
probe = np.concatenate([np.zeros((1, D)), np.eye(D)]).astype(data.x_train.dtype)
answers = normalize(data.x_train, probe, EPS)[1].astype(float)  # your function on known inputs ...
shift, stretch = answers[0], np.diag(answers[1:] - answers[0])  # ... says what it does to x
settings = {"normalized": (prepared.x_train, W, b)}
for moved in (0, 1, 3):
    label = f"raw, moved by {moved}" if moved else "raw pixels"
    b_raw = b + (shift - moved * stretch) @ W
    settings[label] = data.x_train + float(moved), stretch[:, None] * W, b_raw

FRACTIONS = np.geomspace(0.01, 1, 9)
losses = {label: np.zeros((10, len(FRACTIONS))) for label in settings}
for label, (x, weights, bias) in settings.items():
    for seed in range(10):
        direction = np.random.default_rng(seed).normal(size=weights.shape)
        direction *= np.linalg.norm(weights) / np.linalg.norm(direction)
        for k, fraction in enumerate(FRACTIONS):
            scores = x @ (weights + fraction * direction) + bias
            losses[label][seed, k], _ = softmax_loss(scores, data.y_train)
    start, _ = softmax_loss(x @ weights + bias, data.y_train)
    print(f"{label:>14}: loss {start:.4f} at the start, "
          f"{np.median(losses[label][:, 4]):.3f} after a move by a tenth")  # fmt: skip
predicted(my_loss_far_from_zero, np.median(losses["raw, moved by 3"][:, 4]))
plotting.plot_lines(
    FRACTIONS, losses, "length of the move / length of the weights", "loss (nats)", log_x=True
)
plotting.show("Far from zero, small moves cost much")

# %% [markdown]
# One classifier, four coordinate systems. Slide 7 is right, and the picture says how much it matters:
# for pixels between 0 and 1 a little, and the further the data lie from zero beside their spread, the
# more. Think of a line that has to pass through a cloud far away: turn it by a degree, and it misses.
#
# Sensitive to the weights means hard to optimize. Here is a network with a hidden layer, trained
# for 100 steps at ten learning rates.


# %% role="setup" hide=true
def small_net(seed, scale=None, depth=1, width=32, last_scale=0.01):
    """Return a ReLU network that starts without a preference: its last weights are small."""
    rng = np.random.default_rng(seed)
    layers, n_in = [], data.x_train[0].size
    for _ in range(depth):
        layers += [Affine(n_in, width, rng, scale), ReLU()]
        n_in = width
    return Network([*layers, Affine(n_in, len(data.classes), rng, last_scale)])


def small_run(seed, dataset, learning_rate, steps=100, batch_size=64, evaluate_every=None, **net):
    """Train a `small_net` and return the history."""
    return fit(
        small_net(seed, **net), dataset, steps=steps, batch_size=batch_size,
        learning_rate=learning_rate, rng=np.random.default_rng(seed),
        evaluate_every=evaluate_every, progress=False,
    )  # fmt: skip


# %% role="experiment" uses="normalize" claim="far-from-zero-is-hard-to-learn" of="defeated" says="0.3 to 0.88" slide="7" alt="Validation accuracy against the learning rate: normalized data reach 0.98 and raw pixels 0.96 at rate 1; images moved by 1 stay below 0.9 at every rate."
RATES = np.logspace(-3.5, 1, 10)
datasets = {"normalized": prepared_by(normalize), "raw pixels": data}
datasets["raw, moved by 1"] = replace(data, x_train=data.x_train + 1, x_val=data.x_val + 1)
accuracies = {
    name: np.array(
        [[small_run(seed, d, rate).val_accuracy[-1] for rate in RATES] for seed in range(3)]
    )
    for name, d in datasets.items()
}
for name, accuracy in accuracies.items():
    middle = np.median(accuracy, axis=0)
    print(f"{name:>15}: at best {middle.max():.2f}, at rate {RATES[middle.argmax()]:.2g}; "
          f"above 0.9 at {np.sum(middle > 0.9)} of {len(RATES)} rates")  # fmt: skip
defeated = np.median(accuracies["raw, moved by 1"], axis=0).max()
plotting.plot_lines(RATES, accuracies, "learning rate", "validation accuracy", log_x=True)
plotting.show("Near zero, more rates learn")

# %% [markdown]
# Normalized data are ahead at nearly every rate. Raw pixels between 0 and 1 come close to them at their
# best rate: they are near zero as they are. Moved by 1, the same images defeat the same network within
# these 100 steps at every rate.
#
# ### Whose statistics?
#
# "Fitted on the training data" sounds like a formality. Here is a network that was trained on
# normalized digits, and its accuracy on the validation images when these are normalized in four ways.
#
# **Predict, then run.** In the last way each image is normalized on its own, as a set of one: $\mu$ is
# the image. What accuracy is left? (There are ten classes.)

# %% role="predict"
my_accuracy_one_by_one = None  # your prediction: a fraction

# %% role="experiment" uses="normalize" claim="one-by-one-is-guessing" of="np.mean(by_group['one by one'])" says="0.05 to 0.15" slide="6" hide=true
prepared, everyone = prepared_by(normalize), np.arange(len(data.x_val))


def accuracy_by_groups(net, groups):
    """Accuracy when each group of validation examples is normalized by its own statistics."""
    right = 0.0
    for group in groups:
        x = data.x_val[group]
        right += len(group) * net.accuracy(normalize(x, x, EPS)[1], data.y_val[group])
    return right / sum(map(len, groups))


groups = {
    "all 250 together": [everyone],
    "a class at a time": [everyone[data.y_val == c] for c in np.unique(data.y_val)],
    "one by one": everyone[:, None],
}
by_group = {name: [] for name in ("by the training data", *groups)}
for seed in range(5):
    net = small_net(seed)
    fit(net, prepared, steps=150, batch_size=64, learning_rate=0.3, rng=np.random.default_rng(seed),
        progress=False)  # fmt: skip
    by_group["by the training data"].append(net.accuracy(prepared.x_val, data.y_val))
    for name, group in groups.items():
        by_group[name].append(accuracy_by_groups(net, group))
predicted(my_accuracy_one_by_one, np.mean(by_group["one by one"]))
for name, values in by_group.items():
    print(f"normalized {name:>20}: accuracy {np.mean(values):.3f} "
          f"(from {min(values):.3f} to {max(values):.3f})")  # fmt: skip

# %% [markdown]
# The second line is the trap. With 250 images of all classes the statistics are nearly those of the
# training data, so this bug does not show in the validation accuracy. It shows in use, when images
# come one by one, or when a hospital sends only healthy patients.

# %% [markdown] role="question" id="whose-statistics" points=5
# **Question 3 (5 points).** Three colleagues prepare the same data. Ann computes mean and spread
# over all images and then splits them into training and validation sets. Bob normalizes each of the two
# sets by its own statistics. Cem fits on the training set, saves $\mu$ and $\sigma$ beside the
# weights, and uses them from then on. (a) What flows from where to where in Ann's method that should not, and
# how much would you expect it to change here? (b) Bob's validation accuracy is as good as Cem's.
# Say what happens to the first image that Bob's app receives, and quote a number from above. (c) A year
# later the cameras are replaced, and all images are brighter by 0.3. What does Cem's network see, and
# what would you advise: new statistics for the new images, or something else?

# %% [markdown] role="answer"
# *Model answer.* (a) Information about the validation images flows into the training data (and so into
# the weights): validation no longer stands for data that nobody has seen. Two statistics of 250 out
# of 1,547 images change little here; it is a matter of principle, and with few examples or with PCA or
# feature selection it is not small. (b) For a single image the mean is the image, so the network
# receives zeros and answers the same for every image: accuracy as by guessing, about 0.1 (fourth line).
# (c) Every feature is moved by $0.3/\sigma_j$, far from what the network was trained on, and it
# will be wrong more often. Normalizing new images by new statistics *of the new camera* (from many
# images of the usual mixture) brings them back; doing so for each small batch would be Bob's method again.
# Better: collect labelled images and measure; retrain, or train with images of varied brightness. Any
# answer with a reason counts.
#
# *Rubric.* (a) 1 point for the direction of the flow, 1 for "little here" with a reason. (b) 1 point: zeros,
# or the same answer for all, with the measured number. (c) 1 point: inputs shifted by $0.3/\sigma_j$;
# 1 point: a piece of advice with its reason.

# %% [markdown]
# *You can stop here.*
#
# ## 4 Babysitting the learning (slide 8)
#
# A training run that fails costs hours, and most failures show in the first minute, if one looks. Three
# looks, in this order: the loss before the first step, twenty examples, the shape of the curves.
#
# ### First look: the loss before the first step
#
# A network that prefers none of C classes gives each the probability $1/C$. Its cross-entropy is
# $-\log(1/C) = \log C$, whatever the labels say: for ten classes 2.303. If the first loss is
# anything else, something is wrong, and no learning rate will fix it.
#
# **Predict, then run.** The last layer of the network below is drawn with scale 1 instead of 0.01, so the
# untrained network is sure of itself. What is its first loss?

# %% role="predict"
my_first_loss = None  # your prediction: nats

# %% role="experiment" uses="normalize" claim="the-first-loss-is-log-c" of="first[0.01] - log_C" says="-0.02 to 0.02" slide="8"
prepared, log_C, first = prepared_by(normalize), math.log(len(data.classes)), {}
for last_scale in (0.01, 0.1, 1.0, 10.0):
    nets = [small_net(seed, last_scale=last_scale) for seed in range(5)]
    values = [softmax_loss(net.scores(prepared.x_train), data.y_train)[0] for net in nets]
    first[last_scale] = np.mean(values)
    print(f"scale of the last layer {last_scale:>5g}: first loss {first[last_scale]:.3f} "
          f"(from {min(values):.3f} to {max(values):.3f}); log C = {log_C:.3f}")  # fmt: skip
predicted(my_first_loss, first[1.0], "nats")

# %% [markdown]
# Being sure and wrong is expensive: the first steps of the training then only take back what nobody had
# asked for. (A second test in the same spirit: switch on the penalty of the weights. The loss must rise by
# exactly the penalty.)

# %% [markdown]
# ### Second look: twenty examples
#
# Before the whole training set, take twenty examples. Any network of a useful size learns them by heart:
# loss near 0, accuracy 1. If it does not, there is a bug, and it is found in a second instead of a day.
# Below, one of the two pipelines is broken. It shuffles images and labels anew in each step, separately.

# %% role="experiment" uses="normalize" claim="twenty-examples-tell-a-broken-pipeline" of="by_heart['healthy'][1] - by_heart['broken'][1]" says="0.4 to 1" slide="8"
prepared = prepared_by(normalize)
twenty = replace(prepared, x_train=prepared.x_train[:20], y_train=data.y_train[:20])
order = np.random.default_rng(0)


def with_shuffled_labels(scores, y):
    return softmax_loss(scores, order.permutation(y))


pipelines, by_heart = {"healthy": softmax_loss, "broken": with_shuffled_labels}, {}
for name, loss in pipelines.items():
    finals = []
    for seed in range(5):
        net = Network(small_net(seed).layers, loss)
        history = fit(net, twenty, steps=200, batch_size=20, learning_rate=0.3,
                      rng=np.random.default_rng(seed), progress=False)  # fmt: skip
        finals.append((history.loss[-1], history.train_accuracy[-1]))
    loss, accuracy = by_heart[name] = np.mean(finals, axis=0)
    print(f"{name}: after 200 steps on 20 examples, loss {loss:.3f}, accuracy {accuracy:.2f}")

# %% [markdown]
# The broken pipeline raises no error. On the full training set it would look like a hard problem.
#
# ### Third look: the curves
#
# Five runs on the digits, three seeds each. One has a learning rate that is too low, one that is
# too high, one is good; one was given 100 training examples only; and one has three layers of weights
# that start too small. Run the cell, look, and only then read on (or unfold the locked cell).
#
# **Predict, then run.** Write the letters in this order: too low, too high, good, a gap, a plateau.


# %% role="setup" hide=true
def five_kinds(prepared):
    """Return {letter: (its name, data, settings)}; read the curves before you read this."""
    hundred = replace(prepared, x_train=prepared.x_train[:100], y_train=data.y_train[:100])
    small = {"learning_rate": 0.3, "scale": 0.02, "depth": 2, "last_scale": 0.02}
    return {
        "A": ("plateau", prepared, small),
        "B": ("learning rate too high", prepared, {"learning_rate": 4.0}),
        "C": ("gap", hundred, {"learning_rate": 0.3}),
        "D": ("good", prepared, {"learning_rate": 0.3}),
        "E": ("learning rate too low", prepared, {"learning_rate": 0.003}),
    }


# %% role="predict"
my_reading = ""  # after looking: five letters, such as "ABCDE"

# %% role="experiment" uses="normalize" alt="Five pairs of panels A to E, loss above and accuracies below: A lies flat and then falls, B leaves the panel, C falls while validation stays behind, D falls and flattens, E falls slowly and steadily."
kinds = five_kinds(prepared_by(normalize))
runs = {
    letter: [small_run(s, d, steps=300, evaluate_every=15, **how) for s in range(3)]
    for letter, (_, d, how) in kinds.items()
}
plotting.plot_loss_curves(runs)
plotting.show("Five runs: what is wrong with each?")
wanted = ("learning rate too low", "learning rate too high", "good", "gap", "plateau")
if len(my_reading) == 5:
    right = sum(kinds[a][0] == kind for a, kind in zip(my_reading, wanted, strict=True))
    print(f"You read {right} of 5 right.")

# %% [markdown]
# <details><summary><b>What to see</b> (after your own reading)</summary>
#
# * **E, too low**: falls from the first step, steadily, and is far from done. Nothing is wrong but the
#   patience.
# * **B, too high**: each step overshoots by more than the last; the loss leaves the panel.
# * **D, good**: falls fast, flattens, and both accuracies go up together.
# * **C, a gap**: the loss looks even better than in D. Only the validation accuracy tells that the
#   network knows its 100 examples by heart. More data or regularization, not another rate.
# * **A, a plateau**: $\log C$ for a long time, then a sudden fall. The weights started too small, the gradients
#   with them (part 2). More patience helps by luck; a better start helps at once.
# </details>
#
# Such a reading can be written down as a rule of thumb, and tested: `read_curve` of the course's trainer,
# on five other seeds of each run.

# %% role="experiment" uses="normalize" claim="curves-can-be-read-by-rule" of="sum(right.values())" says="22 to 25" slide="8"
prepared_by(normalize)  # the runs above need it
right = {}
for kind, d, how in kinds.values():
    readings = [read_curve(small_run(s, d, steps=300, **how)) for s in range(3, 8)]
    right[kind] = readings.count(kind)
print({kind: f"{count} of 5" for kind, count in right.items()})

# %% [markdown]
# ## 5 Hyperparameter search (slide 9)
#
# ### The question
#
# The learning rate may be 0.001 or 1, the penalty 0.00001 or 10, and nobody knows. Every trial costs a
# training. Where should the next one be? Slide 9 has two answers: at *random* places, and then again in a
# *finer* range around the best.
#
# ### The mathematics
#
# A learning rate acts by factors: from 0.001 to 0.002 is as far as from 0.1 to 0.2. So it is drawn evenly on
# a *logarithmic* axis, with $u$ uniform between 0 and 1:
#
# $$\log v = \log \text{low} + u\,(\log \text{high} - \log \text{low}) \quad \text{(Search.1)}$$
#
# **Predict, then run.** 10,000 values are drawn from 0.00001 to 1, once evenly on the usual axis
# and once on the logarithmic one. What fraction of the *first* lies above 0.1?

# %% role="predict"
my_fraction_above_a_tenth = None  # your prediction: a fraction

# %% [markdown]
# ### Exercise: `log_uniform`

# %% role="exercise" exercise="search.log_uniform"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * linear draws; logarithms of one base, and powers of another; logarithms returned as they are;
# * exponents that are whole numbers; a grid; sorted values;
# * random numbers from somewhere else than `rng`; a `size` that may be a shape.
# </details>
#
# This check looks at random numbers, so it cannot compare yours with ours. It counts: each stretch of the
# logarithmic axis must have its part of your values. A right answer fails it by bad luck less than once
# in 10⁹ times.

# %% role="experiment" uses="log_uniform" claim="linear-draws-are-large" of="np.mean(draws['linear'] > 0.1)" says="0.88 to 0.92" slide="9" alt="Two histograms of log10 of the draws: the linear ones pile up below 0, nine tenths of them above -1; the log-uniform ones are level from -5 to 0."
rng = np.random.default_rng(0)
draws = {"linear": rng.uniform(1e-5, 1, 10_000), "log-uniform": log_uniform(1e-5, 1.0, 10_000, rng)}
predicted(my_fraction_above_a_tenth, np.mean(draws["linear"] > 0.1))
for name, values in draws.items():
    fractions = [np.mean((values >= 10.0**p) & (values < 10.0 ** (p + 1))) for p in range(-5, 0)]
    print(f"{name:>12}: fractions in each power of ten, from 0.00001 up: {np.round(fractions, 3)}")
plotting.plot_histograms(
    {name: {"drawn": np.log10(v)} for name, v in draws.items()}, "log10(value)"
)
plotting.show("Linear draws are nearly all in the last power of ten")

# %% [markdown]
# ### Our own table of slide 9
#
# 24 trials of 150 steps on the digits: every trial draws learning rate and strength of L2 anew, with your
# `log_uniform`.

# %% role="setup" hide=true
RANGES = np.array([[1e-5, 1.0], [1e-5, 10.0]])  # learning rate, strength of L2
NAMES = ("learning rate", "strength of L2")


def validation_accuracy(learning_rate, reg, dataset, seed=0, steps=150):
    """Train a small network with L2 on its weights; return its validation accuracy."""

    def update(w, dw, config):
        penalty = 2 * reg * w if w.ndim == 2 else 0.0
        return w - config["learning_rate"] * (dw + penalty), config

    history = fit(
        small_net(seed), dataset, steps=steps, batch_size=64, learning_rate=learning_rate,
        rng=np.random.default_rng(seed), update=update, progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


# %% role="experiment" uses="normalize log_uniform" alt="The 24 trials in the plane of learning rate and L2, darker the better: the good ones lie at the right, at rates above 0.01 and small L2." claim="small-rates-are-all-bad" of="coarse[coarse[:, 1] < 1e-3, 0].max()" says="0 to 0.5" slide="9"
prepared, rng = prepared_by(normalize), np.random.default_rng(0)
settings = np.stack([log_uniform(low, high, 24, rng) for low, high in RANGES], axis=1)  # (24, 2)
results = [validation_accuracy(rate, reg, prepared) for rate, reg in settings]
coarse = np.column_stack([results, settings])  # (24, 3)
for number, (accuracy, learning_rate, reg) in enumerate(coarse):
    print(f"val_acc: {accuracy:.6f}, lr: {learning_rate:e}, reg: {reg:e}, ({number} / 24)")
plotting.plot_trials({"coarse": coarse}, NAMES, {"coarse": RANGES})
plotting.show("The learning rate decides: what is good lies at the right")

# %% [markdown]
# Read the table as one reads slide 9: where are the good rows, and what do they have in common?

# %% [markdown]
# ### Grid or random?
#
# With nine trials over two hyperparameters a grid tries three values of each; random search tries
# nine. If only one of the two matters (Bergstra & Bengio 2012), six of the nine training runs of
# the grid are repetitions. Below both get the same ranges; as one never knows where the good values
# are, the ranges are moved by a random factor for each seed.
#
# **Predict, then run.** By how much is the best accuracy of random search above that of the grid, on
# average?

# %% role="predict"
my_advantage = None  # your prediction: a difference of accuracies

# %% role="experiment" uses="normalize log_uniform" claim="random-beats-a-grid" of="versus" says="above" slide="9" alt="Two panels of trials in the plane of learning rate and L2: random search has nine different learning rates, the grid three." hide=true
prepared = prepared_by(normalize)


def nine_trials(seed, way):
    """Return the tables of nine trials of either kind, in ranges that depend on the seed."""
    rng = np.random.default_rng(seed)
    ranges = np.array([[1e-4, 10.0], [1e-6, 1e-2]]) * 10 ** rng.uniform(-1, 1, (2, 1))

    def quick(rate, reg):
        return validation_accuracy(rate, reg, prepared, seed, steps=40)

    if way == "random":
        settings = zip(*(log_uniform(low, high, 9, rng) for low, high in ranges), strict=True)
    else:
        rates, regs = (np.geomspace(low, high, 3) for low, high in ranges)
        settings = [(rate, reg) for rate in rates for reg in regs]
    return np.array([[quick(rate, reg), rate, reg] for rate, reg in settings])


tables = {way: {} for way in ("grid", "random")}


def best_of_nine(way):
    def best(seed):
        tables[way][seed] = nine_trials(seed, way)
        return tables[way][seed][:, 0].max()

    return best


tried = range(sized(20, 10, "seeds"))
versus = compare(best_of_nine("random"), best_of_nine("grid"), tried, names=("random", "grid"))
predicted(my_advantage, versus.mean)
print(versus)
print(f"random is better for {np.sum(versus.differences > 0)} of {len(tried)} seeds, worse for "
      f"{np.sum(versus.differences < 0)}")  # fmt: skip
plotting.plot_trials({way: {"trial": t[0]} for way, t in tables.items()}, NAMES)
plotting.show("Nine random trials try nine rates, a grid three")

# %% [markdown]
# The ticks at the edges of the two panels show the argument: three different learning rates against nine.
# The advantage is that large because the range is wide and the learning rate is nearly all that
# counts. In a range that is narrow enough for three values to hit the good ones, little of it is left.

# %% [markdown] role="question" id="reading-a-search" points=5
# **Question 4 (5 points).** Use the table (or the picture) of our coarse search. (a) Which of the two
# hyperparameters decides about success, and how do you see it? What does the other one do when it is
# large? (b) A colleague wants to draw the learning rate evenly from 0.00001 to 1. How many of 24 trials
# would you expect above 0.1, how many below 0.001, and would it have gone well *here*? (c) The best
# trials crowd towards the upper border of the learning rate. What do you do? (d) You report
# the best validation accuracy of all 24 trials as the accuracy of your method. Is it too high or too low,
# and what do you report instead?

# %% [markdown] role="answer"
# *Model answer.* (a) The learning rate: rows with a small one (below about 0.001) are all bad, whatever
# the penalty. A large penalty (above about 0.1, together with a large rate) spoils even the good
# rates, and below about 0.01 it makes little difference. (b) 90 % or about 22 above 0.1, and 0.1 % or
# none below 0.001. Here the good rates happen to be above 0.1, so it would have worked, by luck: had the
# good ones been at 0.001, as for slide 9's networks, hardly a trial would have been near them. (c) Extend the
# range beyond the border and search again around the best (part 6 has a finer search that does).
# (d) Too high: the largest of 24 noisy numbers is partly luck. Report the accuracy of the chosen
# setting on the test set, used once (or on new validation data, over several seeds).
#
# *Rubric.* (a) 1 point for the learning rate with evidence, 1 for the effect of a large penalty. (b) 1 point: about
# 22 and none, and a sentence on luck. (c) 1 point: extend. (d) 1 point: too high, and the test set.

# %% [markdown]
# *You can stop here.*
#
# ## 6 Optional: further than the core
#
# Everything here is a bonus. Each section can be read alone, and takes about five minutes.

# %% [markdown]
# ### Kill the bug: a slope by division
#
# Here is a backward pass that somebody wrote for the function that you have just finished. On random
# numbers it agrees with yours to the last digit, whatever the seed, and it passes a gradient check.
# Find an input on which it does not. (Its `cache` holds output and input. There is more than one answer.)

# %% role="exercise" exercise="activations.slope_breaking_input"

# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward slope_breaking_input"
mine = slope_breaking_input()
random = np.random.default_rng(0).normal(size=5)
with np.errstate(all="ignore"):
    for name, numbers in {"random numbers": random, "your input": mine}.items():
        out, cache = leaky_relu_forward(numbers)
        own = leaky_relu_backward(np.ones_like(numbers), cache)
        divided = slope_by_division(np.ones_like(numbers), (out, numbers))
        print(f"{name}:\n  your slopes  {own.ravel()[:5]}\n  by division  {divided.ravel()[:5]}")

# %% [markdown]
# Tests with random numbers say nothing about the numbers that random generators never give. Real data
# are full of them: how many of the pixels of the digits does this concern?

# %% [markdown]
# ### ELU
#
# $$\text{ELU}(x) = x \;\text{ for } x > 0, \;\text{ else } \alpha\,(e^x - 1) \quad \text{(Act.9)}$$
#
# Two things to mind. The derivative of the left part can be had from the *output*, without a second
# exponential. And $e^x$ of a large positive $x$ overflows, also where nobody wants its value. (5 minutes
# each way, bonus points.)

# %% role="exercise" exercise="activations.elu_forward"

# %% role="exercise" exercise="activations.elu_backward"

# %% [markdown]
# ### Maxout
#
# Maxout is a layer with weights: each of its M units gives the largest of K affine pieces,
#
# $$z_k = x W_k + b_k \quad \text{(Act.11)} \qquad\qquad y = \max_k z_k \quad \text{(Act.12)}$$
#
# with $W$ as (K, D, M) and $b$ as (K, M); the slide shows K = 2. In the backward pass the gradient goes
# to the piece that was the largest. Where several pieces tie, they may share it as they like, but what
# they get must add up to what came. (Bonus points.)

# %% role="exercise" exercise="activations.maxout_forward"

# %% role="exercise" exercise="activations.maxout_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * ELU: alpha in the wrong place; the input where the output belongs; the − 1 forgotten, or not
#   made up for; infinity times zero;
# * maxout: the maximum over the wrong axis; biases added after the maximum; two pieces where there may
#   be more; every tied piece given the full gradient; the sum over pieces missing in `dx`;
# * both: a mask that is not multiplied by `dout`; `dout` changed in place.
# </details>

# %% [markdown]
# ### `kaiming_init`
#
# Write the initialization that makes up for the ReLU, by the fan-in. (Bonus points.)

# %% role="exercise" exercise="initialization.kaiming_init"

# %% role="experiment" uses="kaiming_init" alt="Root mean square of the activations by layer from your Kaiming weights: from 0.4 to 0.5 in every layer, with a band for ten seeds that widens."
sizes = []
for seed in range(10):
    forward, _ = signals(deep_net(RELU, kaiming_init, seed))
    sizes.append([size(forward[n]) for n in range(1, LAYERS + 1)])
plotting.plot_lines(
    range(1, LAYERS + 1), {"your Kaiming": sizes}, "hidden layer", "root mean square of activations"
)
plotting.show("Kaiming keeps the size through ten ReLU layers")

# %% [markdown]
# ### Kill the bug: a feature that never changes
#
# The locked cell below protects itself in another way: where the spread is *exactly* 0 it divides by 1.
# Reasonable? Add up a number a thousand times in float32, and divide by a thousand: do you get the number
# back? Find training data of features that never change for which the guard does not hold. It runs on your
# data, and should return zeros; so should your own `normalize` with its default $\varepsilon$.
#
# ### Exercise: `separating_feature` (bonus)

# %% role="exercise" exercise="preprocessing.separating_feature"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * the constant has few binary digits (1, 0.5, 3): its sums are exact;
# * too few rows: too few additions that could round;
# * the constant is so large that its rounding errors outgrow your own $\varepsilon$;
# * `x_train` is float64, or has features that do change.
# </details>

# %% role="experiment" uses="normalize separating_feature"
x = separating_feature()
for name, out in {"yours": normalize(x, x[:1]), "guarded": guarded_normalize(x, x[:1])}.items():
    print(f"{name:>8}: largest number in the result {np.abs(out[0]).max():.2g}")

# %% [markdown]
# *You can stop here.*
#
# ### Decorrelate and whiten
#
# Scaling works on each feature by itself, so a slanted cloud stays slanted. Turn it, and the axes
# become uncorrelated. $\Sigma$ is the covariance of the training data, $U$ holds its eigenvectors as
# columns, $\lambda$ its eigenvalues, which are the variances along them:
#
# $$\Sigma = \tfrac1N (x - \mu)^\top (x - \mu) \quad \text{(Pre.4)} \qquad
#   \Sigma = U \,\mathrm{diag}(\lambda)\, U^\top \quad \text{(Pre.5)} \qquad
#   z = (x - \mu)\, U_k \quad \text{(Pre.6)}$$
#
# $U_k$ are the $k$ columns with the largest $\lambda$: **principal component analysis**. `np.linalg.eigh`
# returns $\lambda$ and $U$; look up in which order. An eigenvector may as well point in the opposite direction, so
# the check ignores the signs of your columns.
#
# ### Exercise: `pca` (bonus)

# %% role="exercise" exercise="preprocessing.pca"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * data that were not centred before the covariance; validation data centred otherwise, or not at all;
# * rows of $U$ taken for its columns; smallest for largest;
# * directions for the validation data of their own; $k$ ignored.
# </details>
#
# Divide each column of $z$ by the spread it has, and the cloud becomes round: that is **whitening**. Where
# the data do not vary, $\varepsilon$ holds the division back. Any rotation of a round cloud is round, so
# one more is free: turn back by $U^\top$, and every whitened image stays as close to the original as
# a white image can (this is called ZCA whitening; slide 19 needs it). The check accepts every rotation.
#
# ### Exercise: `whiten` (bonus)

# %% role="exercise" exercise="preprocessing.whiten"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * eigenvalues where their roots belong; multiplied where divided;
# * $\varepsilon$ outside the root, or hard-coded;
# * rows of $U$ scaled instead of columns; features scaled instead of directions;
# * everything that can go wrong with the mean in `pca`.
# </details>

# %% role="experiment" uses="normalize pca whiten" alt="Two clouds with equal axes: the decorrelated one is long and flat along the first axis, the whitened one is as wide as it is high."
steps = {
    "raw": (points_train, points_val),
    "scaled": normalize(points_train, points_val, 1e-5),
    "decorrelated": pca(points_train, points_val, 2),
    "whitened": whiten(points_train, points_val, 1e-5),
}
new = ("decorrelated", "whitened")
plotting.plot_point_clouds(
    {name: steps[name][0] for name in new}, {name: steps[name][1] for name in new}
)
plotting.show("Turned to its own axes; then all directions made equal")
for name, (train, val) in steps.items():
    correlations = [np.corrcoef(x.T)[0, 1] for x in (train, val)]
    print(f"{name:>12}: variances {train.var(axis=0).round(4)}, correlation "
          f"{correlations[0]:.2f} in training, {correlations[1]:.2f} in validation data")  # fmt: skip

# %% [markdown]
# In the first panel the axes are no longer pixels: the first is "how bright are both", the second "by how
# much do they differ". In the second a difference between neighbours counts as much as the
# brightness, though it is much smaller. (The cloud is round as far as variances go. The few pairs far out lie
# on edges of the photograph: white is not the same as Gaussian.) The validation data are not
# perfectly white, and need not be: nobody fitted them.
#
# With 64 pixels instead of two it is an image again: patches of the same photograph at a quarter of
# its size, ten of the held-out ones.

# %% role="experiment" uses="normalize whiten" claim="few-directions-hold-nearly-all" of="eigenvalues[:5].sum() / eigenvalues.sum()" says="0.9 to 0.99" alt="Rows of ten small patches: as they are, normalized, and whitened with two values of epsilon, where edges and then grain come out." hide=true
rng = np.random.default_rng(0)
small = grey.reshape(128, 4, 128, 4).mean(axis=(1, 3))
corners = rng.integers(0, 120, (3000, 2))
patches = np.stack([small[r : r + 8, c : c + 8].ravel() for r, c in corners])  # (3000, 64)
known, held_out = patches[:2900], patches[2900:]
shown = held_out[np.argsort(held_out.std(axis=1))[-30::3]]  # with some contrast
rows = {"patches": shown, "normalized": normalize(known, shown, 1e-5)[1]}
for eps in (1e-2, 1e-4):
    rows[f"whitened, ε = {eps:g}"] = whiten(known, shown, eps)[1]
plotting.plot_image_rows({name: x.reshape(-1, 8, 8) for name, x in rows.items()})
plotting.show("Whitening lifts edges, and with a small ε grain")

eigenvalues = np.linalg.eigvalsh(np.cov(known.T))[::-1]
print(
    f"variance along the first direction / along the last: {eigenvalues[0] / eigenvalues[-1]:.0f}"
)
print(f"the first 5 of 64 directions hold {eigenvalues[:5].sum() / eigenvalues.sum():.0%} of it")

# %% [markdown]
# Neighbouring pixels are so alike that a few directions hold nearly everything. Whitening lifts the rest to
# the same size: edges, then grain. How much of it, $\varepsilon$ decides. (If your `whiten` does not turn
# back, the last two rows look like noise, and are as white.) For photographs one centres,
# perhaps scales, and lets the network do the rest; whitening comes back as a *layer* in lesson 03.

# %% [markdown]
# ### `sanity_loss`: the first look of part 4
#
# Write this look down as a function of the first scores: mean cross-entropy minus $\log C$.
#
# $$L = \frac1N \sum_i \Bigl( \log \sum_c e^{f_{ic}} - f_{i y_i} \Bigr) \quad \text{(Search.4)} \qquad
#   \text{excess} = L - \log C \quad \text{(Search.5)}$$
#
# The scores $f$ may be in the thousands, and must not overflow.

# %% role="exercise" exercise="search.sanity_loss"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * nothing subtracted, or the logarithm of something else, or of another base;
# * the number of classes counted in the labels at hand;
# * $e^{1000}$; a sum where a mean belongs; the softmax along the wrong axis.
# </details>

# %% role="experiment" uses="normalize sanity_loss" claim="the-excess-grows-with-depth" of="np.mean(excess)" says="1 to 20" slide="8"
prepared = prepared_by(normalize)
for depth in (1, 3, 6):
    nets = [small_net(seed, 0.5, depth) for seed in range(5)]
    excess = [sanity_loss(net.scores(prepared.x_train), data.y_train) for net in nets]
    print(f"{depth} hidden layers with weights of scale 0.5: excess {np.mean(excess):.2f} nats")

# %% [markdown]
# The last layer is small in all three networks, and still the excess grows with the depth. You know from
# part 2 why.

# %% [markdown]
# ### Random search
#
# Now every trial draws every hyperparameter anew. `objective` is a function of the hyperparameters, and each
# row of your table holds its result and what it was called with (Search.2). Use your `log_uniform`.
#
# ### Exercise: `random_search` (bonus)

# %% role="exercise" exercise="search.random_search"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * one random number for all hyperparameters of a trial, or one setting for all trials;
# * results paired with the wrong settings, or in the wrong column;
# * a table that is lying on its side; only the winner returned.
# </details>

# %% [markdown]
# A real search takes hours, and computers are restarted in between. So the objective gets a memory in a
# file: what it has once computed, it does not compute again. To try this, the first attempt is stopped
# in the middle.

# %% role="experiment" uses="normalize log_uniform random_search" hide=true
folder = tempfile.mkdtemp()  # for a search of your own choose a folder that lasts
prepared, trained = prepared_by(normalize), []


def objective(learning_rate, reg):
    if len(trained) == 10:
        trained.append("interrupted")
        raise KeyboardInterrupt
    trained.append((learning_rate, reg))
    return validation_accuracy(learning_rate, reg, prepared)


for attempt in (1, 2):
    with_memory = remembered(objective, Path(folder) / "coarse.json", total=24)
    try:
        coarse = random_search(with_memory, RANGES, 24, np.random.default_rng(0))
    except KeyboardInterrupt:
        print(f"attempt {attempt} was stopped after {len(trained) - 1} trainings")
print(f"in both attempts together: {len(trained) - 1} trainings for 24 trials")

# %% [markdown]
# ### From coarse to fine
#
# The next search is centred at the best trial and narrower by the factor $s$, *on the logarithmic axis*. With
# $v^*$ the best setting:
#
# $$\bigl[\, v^*_p / r_p, \; v^*_p\, r_p \,\bigr], \qquad \log r_p = \tfrac{s}{2} \log (\text{high}_p /
#   \text{low}_p) \quad \text{(Search.3)}$$
#
# If the best trial lies near the border, the best setting may lie beyond it. The new range reaches there by
# itself, as long as nobody cuts it off. A trial that failed has NaN for its result.
#
# ### Exercise: `refine` (bonus)

# %% role="exercise" exercise="search.refine"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * cut off at the old border; the middle left where it was; the worst trial, the last, or a failed one;
# * a width on the linear axis, or twice the width;
# * the column of the results taken for a hyperparameter.
# </details>

# %% role="experiment" uses="normalize log_uniform random_search refine" claim="past-the-border-pays" of="fine[:, 0].max() - inside[:, 0].max()" says="-0.01 to 0.1" slide="9" alt="Trials of both searches in the plane of learning rate and L2: the frame of the fine one is smaller and reaches beyond the right border of the coarse one."
prepared = prepared_by(normalize)
coarse = random_search(with_memory, RANGES, 24, np.random.default_rng(0))  # from the file
fine_ranges = refine(coarse, RANGES, 0.4)
fine = random_search(
    lambda rate, reg: validation_accuracy(rate, reg, prepared), fine_ranges, 24,
    np.random.default_rng(1),
)  # fmt: skip
ranges = {"coarse": RANGES, "fine": fine_ranges}
plotting.plot_trials({"coarse": coarse, "fine": fine}, NAMES, ranges)
plotting.show("A fine search, beyond the border of the coarse one")
for name, table in {"coarse": coarse, "fine": fine}.items():
    accuracy, learning_rate, reg = table[table[:, 0].argmax()]
    print(f"{name:>7}: best {accuracy:.3f} at learning rate {learning_rate:.2g} and L2 {reg:.2g}; "
          f"median of all trials {np.median(table[:, 0]):.3f}")  # fmt: skip
inside = fine[(fine[:, 1:] <= RANGES[:, 1]).all(axis=1)]
print(f"best of the fine trials within the coarse range: {inside[:, 0].max():.3f}")

# %% [markdown]
# The frames are the two ranges. The coarse search needs few steps for a trial: most of its settings are
# hopeless, and that shows early. The best coarse learning rates crowd towards the upper border, so the
# finer search looks beyond it too; the last line says whether that paid.

# %% [markdown]
# *You can stop here.*
#
# ## 7 The same in PyTorch: activations and initialization
#
# From here on the names `leaky_relu_forward`, `xavier_init`, … are **defined again**, on tensors. To
# repeat an experiment from above afterwards, run its exercise cells again first.
#
# `np.where` and `np.maximum` have namesakes; `axis` is called `dim`. Random numbers come from a
# `torch.Generator`, which is passed as `generator=`; it also says on which device to draw. The backward
# pass stays written by hand, without autograd and without `torch.nn.functional`.

# %% role="setup"
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercise: the leaky ReLU on tensors

# %% role="exercise" exercise="activations.torch.leaky_relu_forward"

# %% role="exercise" exercise="activations.torch.leaky_relu_backward"

# %% [markdown]
# ### Exercise: Xavier initialization with a torch.Generator

# %% role="exercise" exercise="initialization.torch.xavier_init"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * `torch.maximum` with a number: it wants two tensors;
# * `torch.randn` without the generator, or one seeded inside the function;
# * tensors made in float32 by hand, so that the dtype changes on the way.
# </details>
#
# ### Against autograd, and in a network
#
# A `torch.autograd.Function` tells autograd to call your backward pass. One trap on the way from your
# weights to PyTorch's: `torch.nn.Linear` keeps its weight as (fan_out, fan_in), the other way round.


# %% role="setup" hide=true
class HandWritten(torch.autograd.Function):
    """A forward/backward pair of one tensor as an operation of autograd."""

    @staticmethod
    def forward(ctx, x, pair):
        out, ctx.cache = pair[0](x)
        ctx.backward_pass = pair[1]
        return out

    @staticmethod
    def backward(ctx, dout):
        return ctx.backward_pass(dout, ctx.cache), None


class HandWrittenLayer(torch.nn.Module):
    """A layer around a forward/backward pair."""

    def __init__(self, pair):
        super().__init__()
        self.pair = pair

    def forward(self, x):
        return HandWritten.apply(x, self.pair)


def net_in_torch(activation, init=None):
    """Return five hidden layers of 64 units; `init` fills the weights, else PyTorch's own way."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    layers = []
    for n_in, n_out in pairwise([data.x_train[0].size] + [WIDTH] * DEPTH + [len(data.classes)]):
        linear = torch.nn.Linear(n_in, n_out)
        if init is not None:
            with torch.no_grad():
                linear.weight.copy_(init(n_in, n_out, generator).T)
                linear.bias.zero_()
        layers += [linear, activation()]
    return torch.nn.Sequential(*layers[:-1])


# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward xavier_init" claim="your-leaky-relu-is-the-built-in" of="difference" says="0 to 0.001"
activations = {
    "yours": lambda: HandWrittenLayer((leaky_relu_forward, leaky_relu_backward)),
    "built-in": lambda: torch.nn.LeakyReLU(0.1),
}
histories = {}
for name, activation in activations.items():
    histories[name] = fit_torch(
        net_in_torch(activation, xavier_init).to(device), data, steps=100, batch_size=64,
        learning_rate=0.1, rng=np.random.default_rng(0), progress=False,
    )  # fmt: skip
difference = np.abs(np.array(histories["yours"].loss) - histories["built-in"].loss).max()
print(f"losses of your leaky ReLU and of the built-in one differ by at most {difference:.1e}")
print(f"accuracy after 100 steps: {histories['yours'].val_accuracy[-1]:.2f}")

# %% [markdown]
# ### What does `torch.nn.Linear` start with?
#
# **Predict, then run.** PyTorch fills a `Linear` layer by a rule of its own. What is the variance of its
# weights, in units of Xavier's?

# %% role="predict"
my_variance_ratio = None  # your prediction: 1 for Xavier, 2 for Kaiming

# %% role="experiment" uses="xavier_init" claim="linear-starts-at-a-third" of="(weights.var() / mine.var()).item()" says="0.31 to 0.36"
torch.manual_seed(0)
weights = torch.nn.Linear(400, 300).weight.detach()
mine = xavier_init(400, 300, torch.Generator().manual_seed(0))
predicted(my_variance_ratio, (weights.var() / mine.var()).item())
largest = weights.abs().max().item()
print(f"its largest weight: {largest:.5f}; 1/√400 = {400**-0.5:.5f}")

# %% [markdown]
# Uniform between $\pm 1/\sqrt{n_\text{in}}$, whose variance is a third of $1/n_\text{in}$. It comes from a
# call of `kaiming_uniform_` with the odd argument $a = \sqrt5$, a relic from older versions. In a deep
# network of your own, choose the initialization; do not inherit it.
#
# ### A cure that needs no luck: batch normalization
#
# If the size of the activations is the trouble, one can also set it right in every layer, whatever the
# weights are. That is batch normalization, slide 11 and lesson 02. Here is PyTorch's own as a
# foretaste: ten hidden layers of 100 ReLUs again, trained from seven scales of the initial weights, with
# and without it, two seeds each.

# %% role="setup" hide=true
SCALES = np.array([0.001, 0.01, 0.1, 0.14, 0.2, 1.0, 10.0])


def torch_net(scale, normalized, seed):
    """Return the deep network of this part as a PyTorch module; weights from N(0, scale²)."""
    torch.manual_seed(seed)
    sizes = [data.x_train[0].size] + [UNITS] * LAYERS
    layers = []
    for n_in, n_out in pairwise(sizes):
        linear = torch.nn.Linear(n_in, n_out)
        torch.nn.init.normal_(linear.weight, 0, scale)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, *([torch.nn.BatchNorm1d(n_out)] if normalized else []), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(UNITS, len(data.classes)))


# %% role="experiment" claim="batch-norm-learns-from-more-scales" of="learns_from['batch norm'].size - learns_from['none'].size" says="1 to 6" slide="11" alt="Validation accuracy against the scale of the initial weights: without batch norm high only near 0.14, with it from 0.001 to 0.2." hide=true
by_scale, learns_from = {"batch norm": [], "none": []}, {}
jobs = [(name, seed) for name in by_scale for seed in range(2)]
for name, seed in tqdm(jobs, "training", delay=2, leave=False):
    row = []
    for scale in SCALES:
        history = fit_torch(
            torch_net(scale, name == "batch norm", seed), data, steps=150, batch_size=64,
            learning_rate=0.05, rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        row.append(history.val_accuracy[-1])
    by_scale[name].append(row)
for name, results in by_scale.items():
    good = learns_from[name] = SCALES[np.min(results, axis=0) > 0.8]
    span = f"from scale {good.min():.2g} to {good.max():.2g}" if good.size else "nowhere"
    print(f"{name}: above 0.8 with both seeds {span}")
plotting.plot_scale_sweep(SCALES, by_scale, ylabel="validation accuracy")
plotting.show("With batch norm many more scales of the initial weights can be trained")

# %% [markdown]
# Without normalization the network learns from the scales around Kaiming's 0.14 only. With
# batch norm it learns from 0.001 as well as from 0.2; where the weights are far too large it
# still learns, but slowly (lesson 02 tells why). A good initialization is cheap; a normalization is
# robust. Networks today have both.
#
# ### Optional: ELU, maxout and Kaiming on tensors

# %% role="exercise" exercise="activations.torch.elu_forward"

# %% role="exercise" exercise="activations.torch.elu_backward"

# %% role="exercise" exercise="activations.torch.maxout_forward"

# %% role="exercise" exercise="activations.torch.maxout_backward"

# %% role="exercise" exercise="initialization.torch.kaiming_init"

# %% [markdown]
# *You can stop here.*
#
# ## 8 The same in PyTorch: preprocessing
#
# `normalize`, `pca` and `whiten` on tensors, for bonus points. **The names are used again**: after the cells below, `normalize`,
# `pca` and `whiten` are the PyTorch versions. Device and type follow the input.
#
# ### Exercise: `normalize` in PyTorch (bonus)

# %% role="exercise" exercise="preprocessing.torch.normalize"

# %% [markdown]
# ### Exercise: `pca` in PyTorch (bonus)

# %% role="exercise" exercise="preprocessing.torch.pca"

# %% [markdown]
# ### Exercise: `whiten` in PyTorch (bonus)

# %% role="exercise" exercise="preprocessing.torch.whiten"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those of part 3, and besides:
# * `x.var()` and `x.std()`, which divide by N − 1 unless told otherwise (accepted, with a remark);
# * constants made in float32 or on the CPU by hand.
# </details>
#
# Does whitening help to train? A linear classifier on the digits, prepared in three ways, each at the best
# of seven learning rates; the loss is that of the training batches.


# %% role="experiment" uses="normalize whiten" claim="whitening-gives-nothing-over-normalizing" of="whitened.mean" says="-0.03 to 0.02" slide="6" alt="Training loss and validation accuracy over 60 steps: normalized and whitened digits lie on each other, raw pixels begin with a leap up and are behind." hide=true
def linear_run(seed, dataset, rate):
    torch.manual_seed(seed)
    model = torch.nn.Linear(data.x_train.shape[1], len(data.classes)).to(device)
    return fit_torch(
        model, dataset, steps=60, batch_size=100, learning_rate=rate,
        rng=np.random.default_rng(seed), evaluate_every=15, progress=False,
    )  # fmt: skip


tensors = [torch.from_numpy(x).to(device) for x in (data.x_train, data.x_val)]
ways = {"raw pixels": tensors, "normalized": normalize(*tensors, 1e-2)}
ways["whitened"] = whiten(*tensors, 1e-2)
histories = {}
for name, (train, val) in ways.items():
    dataset = replace(data, x_train=train.cpu().numpy(), x_val=val.cpu().numpy())
    attempts = {r: linear_run(0, dataset, r) for r in np.logspace(-1, 2, 7)}
    rate = min(attempts, key=lambda r: np.mean(attempts[r].loss[-10:]))
    histories[f"{name}, rate {rate:g}"] = [linear_run(s, dataset, rate) for s in range(1, 6)]
plotting.plot_curves(histories)
plotting.show("Whitened digits train like normalized ones")
finals = {name: [h.val_accuracy[-1] for h in runs] for name, runs in histories.items()}
raw, normal, white = finals
for a, b in ((normal, raw), (white, normal)):
    whitened = compare(finals[a].__getitem__, finals[b].__getitem__, range(5), names=(a, b))
    print(whitened)

# %% [markdown]
# Raw pixels start with a leap in the wrong direction and need more steps. Whitening is *not* better than
# normalizing here: the two curves lie on each other. After 60 steps the accuracies do not differ
# clearly any more; what the preparation buys is getting there sooner.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 9 What to take away
#
# * **Activation functions** are chosen by what they let back: each multiplies the gradient by its slope. A
#   sigmoid passes a quarter at most; a ReLU all or nothing, so units can die, and at a large rate they do
#   (measured). A leaky ReLU never dies; that it trains better was not confirmed here.
# * **Initialization**: every layer multiplies the size of activations and gradients by a factor, and ten
#   layers by its tenth power. Xavier's variance 1/fan-in keeps it for tanh, Kaiming's 2/fan-in for ReLU.
#   Slide 5's "gradients zero" for weights that are too big is true of a unit, not of the network.
# * **Preprocessing** learns from the training data alone and is applied to everything. It makes the loss
#   less sensitive to the weights, the more so the further the raw data lie from zero (measured). Normalizing
#   validation data by themselves does not show in validation, and fails in use.
# * **Before training**: is the first loss $\log C$? Does the network learn twenty examples by
#   heart? **While training**: too low, too high, a gap and a plateau look different, and each asks
#   for a different cure.
# * **Search** hyperparameters that act by factors on a logarithmic axis, at random, from coarse to fine, and
#   past the border if the best lies there. With few trials and one hyperparameter that matters, random beats a grid
#   (measured); in a narrow range hardly.
#
# **Sources.** Lecture 7, slides 2–9. Glorot & Bengio 2010, *Understanding the difficulty of training deep
# feedforward neural networks*, AISTATS · He, Zhang, Ren & Sun 2015, *Delving Deep into Rectifiers*,
# arXiv:1502.01852 · Clevert, Unterthiner & Hochreiter 2015, *Fast and Accurate Deep Network Learning by
# Exponential Linear Units*, arXiv:1511.07289 · Goodfellow et al. 2013, *Maxout Networks*, arXiv:1302.4389 ·
# Bell & Sejnowski 1997, *The "independent components" of natural scenes are edge filters*, Vision
# Research 37 · Bergstra & Bengio 2012, *Random Search for Hyper-Parameter Optimization*, JMLR 13.
