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
#     lesson: "12"
#     title: Transfer learning
#     minutes_core: 90
#     minutes_all: 110
# ---

# %% [markdown]
# # Transfer learning
#
# **Lesson 12 · CS231n 2018, lecture 7, slides 97–107 · core 90 minutes, all of it 110**
#
# "You need a lot of data if you want to train/use CNNs", says slide 97, and slide 98 strikes it
# out: somebody else had a lot of data, and you take over what their network learnt. In this lesson
# you take a network that has seen ImageNet, put a new classifier on it, freeze some of it and train
# the rest. Then you fill in the table of slides 102 to 104, by measurement: how much data, how
# similar, and what to do. One of its cells says "you're in trouble". You will see what that looks
# like, and that the honest baseline is not the one that most people use.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 how far do pixels get you? | `standardize`, `separating_features`, `linear_probe`, `transfer_matrix`, a prediction | 30 |
# | 2 features of a trained network | `extract_features`, a prediction, question 1 | 20 |
# | 3 a new head, the rest frozen | `replace_head`, `freeze`, `unfreeze`, question 2 | 20 |
# | 4 fine-tuning, and the table of slide 104 | `parameter_groups`, `finetune`, a prediction, question 3 | 20 |
# | **the core** | | **90** |
# | 5 features from a file | `cached_features` (bonus) | 10 |
# | 6 it is the norm | a switch to larger images | 10 |
# | **all of it** | | **110** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the three questions. Words and symbols are the same in all lessons (`docs/vocabulary.md`).
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import numpy as np
from threadpoolctl import threadpool_limits

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import photograph_patches
from cs231n_lib.train import compare, predicted, score_predictions

threadpool_limits(1)  # networks this small are fastest on one thread


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% [markdown]
# ## 1 How far do pixels get you?
#
# The task of this lesson is small and real: six photographs are cut into pieces of 16 × 16 pixels,
# and a classifier is to say which photograph a piece comes from. Pieces for training, validation
# and test share no pixel. Guessing is right once in six times.
#
# The simplest thing on top of any features, pixels or better ones, is a **linear probe**: a linear
# classifier, and nothing below it changes. Two details decide whether it is fair.
#
# **The unit of each feature.** A penalty on the weights treats all features alike, so they should
# have one scale. Mean and deviation come from the *training* examples, and the same two numbers
# are used for every example ever after:
#
# $$z = (h - \mu_{train}) \, / \, \sigma_{train} \qquad \text{(Probe.1)}$$
#
# A feature that is the same for all training examples has $\sigma = 0$. It carries no information;
# centre it and leave it at that.
#
# ### Exercise: `standardize`

# %% role="exercise" exercise="transfer.standardize"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the statistics of the data at hand, where those of the training set belong;
# * one mean for everything, or one for each example: the examples are along axis 0;
# * the variance for the deviation; 0 divided by 0;
# * `-=` on what came in.
# </details>
#
# ### Exercise: `separating_features`
#
# **Kill the bug.** Here is somebody else's function. It looks tidy, and takes its statistics from
# whatever it is given. Find features on which the two functions disagree about the *sign* of a
# number: above the average of the training set by yours, below by theirs, or the reverse.

# %% role="exercise" exercise="transfer.separating_features"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * what does the other function make the mean of *any* features?
# * which features would all lie on one side of the training set's average?
# * a single example is its own average.
# </details>
#
# This happens in practice. A test set of one class, a camera with another exposure, a batch of one
# image: each shifts the average, and a classifier that gets "standardized" features of this kind
# cannot see it.
#
# *You can stop here.*
#
# **How strong the penalty is.** Too weak and a probe on a thousand features fits five examples by
# heart; too strong and it sees nothing. Try a few, and keep the one that is best on *validation*
# data (Probe.2). The test examples have no say in anything. Your function gets `fit`, which fits a
# linear classifier for one penalty and returns `w` and `b`; the scores are `x @ w + b`.
#
# ### Exercise: `linear_probe`

# %% role="exercise" exercise="transfer.linear_probe"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * features that nobody standardized, or each set by its own statistics;
# * the penalty chosen by *training* accuracy, or the last one of the list;
# * `w` and `b` of the last penalty, used for the predictions of the best one.
# </details>
#
# The rest of this lesson compares methods, in several settings, over several seeds. The
# comparison is fair only if all methods get the same examples for a seed.
#
# ### Exercise: `transfer_matrix`

# %% role="exercise" exercise="transfer.transfer_matrix"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the data are made anew for every method;
# * the seed's place in the list is passed on, and not the seed;
# * the axes are cells, methods, seeds, in this order.
# </details>
#
# Now the first baseline: pixels. The fit of this part is least squares in closed form, because it
# needs nothing but NumPy.
#
# **Predict, then run.** With 100 examples of each photograph, how often is a linear classifier on
# pixels right?

# %% role="predict"
my_accuracy_of_pixels = None  # your prediction: a number from 0 to 1

# %% role="setup"
EXAMPLES = [2, 5, 10, 25, 100]  # training examples a class


def ridge(x, y, penalty):
    """Least squares on the classes, 1 for right and 0 for wrong; x is centred."""
    target = np.eye(y.max() + 1)[y]
    b = target.mean(axis=0)
    n = len(x)
    w = x.T @ np.linalg.solve(x @ x.T + n * penalty * np.eye(n), target - b)
    return w, b


def pixels_of(each):
    """Return a function seed -> pieces of six photographs, `each` a class to train on."""
    return lambda seed: photograph_patches(per_class=(each, 10, 40), seed=seed)


# %% role="experiment" uses="standardize linear_probe transfer_matrix" alt="Accuracy of a linear classifier on pixels against the number of training examples: from 2 to 100 it stays between 0.4 and 0.5."
def pixel_probe(data, seed):
    """Return how often a probe on pixels is right."""
    parts = data.x_train, data.y_train, data.x_val, data.y_val, data.x_test
    predictions, _ = linear_probe(ridge, *parts, [1.0, 10.0, 100.0])
    return np.mean(predictions == data.y_test)


pieces = photograph_patches(per_class=(8, 1, 1)).images()
rows = {
    name: pieces.x_train[pieces.y_train == k].transpose(0, 2, 3, 1)
    for k, name in enumerate(pieces.classes)
}
plotting.plot_image_rows(rows)
plotting.show("Six photographs, cut into pieces")

pixel_accuracies = transfer_matrix([pixels_of(n) for n in EXAMPLES], [pixel_probe], range(5))
predicted(my_accuracy_of_pixels, pixel_accuracies[-1].mean())
curve = {"a linear probe on pixels": pixel_accuracies[:, 0].T}
figure = plotting.plot_lines(EXAMPLES, curve, "training examples a class", "accuracy", log_x=True)
figure.axes[0].axhline(1 / 6, color="0.5", ls=":")
plotting.show("More pixels of the same kind help little")

# %% [markdown]
# Fifty times as many examples, and a linear classifier on pixels is still wrong about every second
# piece or more (the dotted line is guessing). It sees the average colour and little else: a shape
# that moves by one pixel is another vector. That is what people mean by "you need a lot of data":
# from pixels, a network has to learn edges, textures and parts before it can learn *your* classes.
# The idea of the next part is that edges and textures have been learnt already.
#
# *You can stop here.* What comes next starts afresh, with PyTorch.
#
# ## 2 Features of a trained network
#
# A convolutional network is a stack of stages. Near the image they are generic: edges, colours,
# blobs. Near the top they are specific to the classes that the network was trained on (slide 103).
# Cut it open at some stage, and what comes out, averaged over the pixels of each channel, is a
# vector of **features** of the image:
#
# $$h_{nc} = \frac{1}{HW} \sum_{ij} a_{ncij} \qquad \text{(Feature.1)}$$
#
# DeCAF (Donahue et al. 2014, arXiv:1310.1531) and "CNN features off-the-shelf" (Razavian et al.
# 2014, arXiv:1403.6382) showed that a linear classifier on such features beat methods that people
# had worked on for years.
#
# The networks here are `nn.Sequential`s of named parts: `stage1`, `stage2`, …, `pool`, `head`.
# `get_submodule("stage2")` finds a part, and `part.register_forward_hook(f)` makes PyTorch call
# `f(module, inputs, output)` whenever the part has computed; `remove()` of what it returns ends
# that. Compute as in a test, and without recording gradients. Your functions of part 1 stay as they
# are; from here on, images `x` are tensors.

# %% role="setup"
import hashlib
import os
from functools import cache
from pathlib import Path

import torch
from torch import nn

from cs231n_lib.data import TARGET, grey, load, patches
from cs231n_lib.train import softmax_regression
from cs231n_lib.zoo import (
    efficientnet_lite0,
    preprocess,
    pretrained_small_cnn,
    small_cnn,
    use_running_statistics,
)

torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ### Exercise: `extract_features`

# %% role="exercise" exercise="transfer.torch.extract_features"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * train mode: the features of an image then depend on the others of its batch, and the running
#   statistics move;
# * what goes into the stage, or the scores of the head, in place of what comes out of the stage;
# * only the last batch kept; a part without pixels, (N, D);
# * gradients recorded; a hook left behind.
# </details>
#
# Six photographs again, three of them new, cut into pieces of 32 × 32 pixels. The network is
# EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946): 4.7 million parameters, trained on 1.3
# million photographs of 1,000 classes, in a package that you installed with the course. It expects
# 224 × 224 pixels; we give it the pieces enlarged to 64, to save time. Part 6 has the switch. The
# second baseline is the *same network untrained*: random filters are features as well.
#
# **Predict, then run.** A linear probe on the features of the trained network gets 5 examples of
# each photograph. How often is it right?

# %% role="predict"
my_accuracy_with_five_examples = None  # your prediction: a number from 0 to 1

# %% role="setup"
SIZE, EACH = 64, 45  # pixels, and pieces of each photograph


def pieces_of(names, each, side=32):
    """Return pieces (N, side, side, 3) of photographs, `each` of one, and their labels."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(patches(name, side))[:each] for name in names]
    return np.concatenate(chosen), np.repeat(np.arange(len(names)), each)


def chosen_examples(y, each, seed, n_test=15, n_val=5):
    """Return indices of training, validation and test examples, none of them in two."""
    rng, parts = np.random.default_rng(seed), ([], [], [])
    for label in range(y.max() + 1):
        order = rng.permutation(np.flatnonzero(y == label))
        ends = [n_test, n_test + n_val, n_test + n_val + each]
        test, val, train, _ = np.split(order, ends)
        for part, indices in zip(parts, (train, val, test), strict=True):
            part.extend(indices)
    return [rng.permutation(part) for part in parts]


@cache
def features_by(extract):
    """Return {kind: (N, D)} features of the pieces, by a student's function: once for each."""
    torch.manual_seed(0)  # of the untrained network's weights
    trained, untrained = efficientnet_lite0(pretrained=True), efficientnet_lite0()
    x = preprocess(photos, SIZE).to(device)
    parts = {
        "untrained network": (untrained, "top"),
        "trained, top": (trained, "top"),
        "trained, stage 3": (trained, "stage3"),
    }
    small = photos.reshape(len(photos), 16, 2, 16, 2, 3).mean(axis=(2, 4))
    kinds = {"pixels": small.reshape(len(photos), -1)}
    for kind, (net, stage) in parts.items():
        kinds[kind] = extract(net.to(device), x, stage, True).cpu().numpy()
    return kinds


# %% role="experiment"
photos, photo_labels = pieces_of(TARGET, EACH)
print(f"{len(photos)} pieces of {', '.join(TARGET)}")

# %% role="experiment" uses="extract_features standardize" alt="Pieces of photographs and their nearest neighbours: by pixels most come from other photographs, by features of the trained network most come from the same one."
kinds = features_by(extract_features)
neighbours = {}
for kind, h in kinds.items():
    z = standardize(h, h)
    distance = (z**2).sum(axis=1)[:, None] - 2 * z @ z.T + (z**2).sum(axis=1)
    np.fill_diagonal(distance, np.inf)
    neighbours[kind] = distance.argsort(axis=1)[:, :5]
    same = (photo_labels[neighbours[kind]] == photo_labels[:, None]).mean()
    print(f"{kind:>18}: {same:.0%} of the 5 nearest come from the same photograph")

shown = [EACH * k + 3 for k in range(len(TARGET))]
plotting.plot_neighbours(
    {name: photos[i] for name, i in zip(TARGET, shown, strict=True)},
    {
        kind: [
            [(photos[j], photo_labels[j] == photo_labels[i]) for j in neighbours[kind][i]]
            for i in shown
        ]
        for kind in ("pixels", "trained, stage 3")
    },
)
plotting.show("Trained features find the same photograph, pixels the same light")

# %% [markdown]
# A frame means: from the same photograph. Near in pixels is a piece with light and dark in the same
# places. Near in features is a piece with the same texture, whatever the place of its edges (slide 98 shows
# the same with whole photographs).

# %% role="experiment" uses="extract_features standardize" alt="The pieces in the plane of the first two principal axes, marked by photograph: by pixels they are ordered by their light; at the top of the trained network those of the cat lie apart."
kinds = features_by(extract_features)
plotting.plot_feature_planes(
    {kind: standardize(kinds[kind], kinds[kind]) for kind in kinds if kind != "untrained network"},
    photo_labels,
    TARGET,
)
plotting.show("Two axes show the light, and little else")

# %% [markdown]
# Two axes out of hundreds show little, but one thing can be seen: at the top of the network the
# pieces of the cat (chelsea) lie apart. Hundreds of ImageNet's classes are animals; none is a
# coffee table. *t-SNE* (van der Maaten & Hinton 2008) draws another kind of map: it places the
# points so that each has the same neighbours as in all dimensions, as far as that goes.

# %% role="experiment" uses="extract_features standardize" alt="The same pieces on maps by t-SNE: by pixels they form one long band, ordered by their light; by features of the trained network pieces of one photograph lie together in patches."
from sklearn.manifold import TSNE

kinds = features_by(extract_features)
maps = {
    kind: TSNE(init="pca", random_state=0).fit_transform(standardize(kinds[kind], kinds[kind]))
    for kind in kinds
    if kind != "untrained network"
}
plotting.plot_feature_planes(maps, photo_labels, TARGET, axis="axis of the map")
plotting.show("On a map of trained features photographs keep together")

# %% [markdown]
# Believe who is next to whom, and nothing else: how far two patches lie from each other and how
# large they are means nothing in such a map, and another seed draws another one. What a probe can
# use, in all axes together, is the next picture.

# %% role="experiment" uses="extract_features standardize linear_probe transfer_matrix" claim="trained-features-against-random" of="trained_gain" says="above" slide="98–100" alt="Accuracy of linear probes against the number of training examples: a middle stage of the trained network is best, then its top, the untrained network, and pixels."
FEW_AND_MORE = [5, 10, 25]
kinds = features_by(extract_features)


def photo_probe(kind):
    """Return a way: a probe on one kind of features."""

    def way(examples, seed):
        h = kinds[kind].astype(float)
        (train, val, test), y = examples, photo_labels
        parts = h[train], y[train], h[val], y[val], h[test]
        predictions, _ = linear_probe(softmax_regression, *parts, [0.01, 0.1])
        return np.mean(predictions == y[test])

    return way


def drawn_examples(each):
    """Return a cell: a function of the seed that chooses the examples."""
    return lambda seed: chosen_examples(photo_labels, each, seed)


ways = [photo_probe(kind) for kind in kinds]
probes = transfer_matrix([drawn_examples(n) for n in FEW_AND_MORE], ways, list(range(4)))
by_kind = dict(zip(kinds, probes.transpose(1, 2, 0), strict=True))  # kind: (seeds, sizes)
predicted(my_accuracy_with_five_examples, by_kind["trained, stage 3"][:, 0].mean())
plotting.plot_transfer_matrix(FEW_AND_MORE, {"six photographs": by_kind}, "untrained network")
plotting.show("A middle stage of the trained network serves best here")
trained_gain = paired(
    by_kind["trained, stage 3"][:, 0],
    by_kind["untrained network"][:, 0],
    ("A probe on the trained network with 5 examples", "one on the untrained network"),
)
print(trained_gain)

# %% role="experiment" uses="extract_features standardize linear_probe transfer_matrix" claim="a-middle-stage-is-above-the-top" of="middle" says="above" slide="103"
middle, top = (by_kind[f"trained, {stage}"].mean(axis=1) for stage in ("stage 3", "top"))
middle = paired(middle, top, ("A probe on stage 3", "one on the top"))
print(middle)

# %% [markdown]
# With *five* examples of each photograph a probe on the trained network is far above what pixels
# reach with twenty-five. Three things to notice.
#
# * The untrained network is above pixels as well, by the shape of its computation alone: local
#   filters, and an average over places. Whoever compares transfer with pixels credits ImageNet with
#   what the architecture does. The grey area is the honest baseline.
# * The middle of the network is better than its top. ImageNet's classes are things; which
#   photograph a piece of cloth comes from is a question of colour and texture. "Linear classifier
#   on the top layer" (slide 103) is a rule for *similar* data; here the stage is one more setting
#   to choose on validation data.
# * The features are only as good as what the network is shown. It was trained on
#   $(x - 127) / 128$, red first. Feed it numbers from 0 to 1, or blue first: it gives no error, and
#   most top classes stay. The next cell shows what happens to the probabilities.

# %% role="experiment"
from cs231n_lib.data import wheel_photograph

three = preprocess([wheel_photograph(name) for name in ("chelsea", "coffee", "flower")])
inputs = {"(x − 127) / 128": three, "from 0 to 1": (128 * three + 127) / 255,
          "blue first": three.flip(1)}  # fmt: skip
net = efficientnet_lite0(pretrained=True)
with torch.no_grad():
    answers = {name: net(images).softmax(dim=1) for name, images in inputs.items()}
top = answers["(x − 127) / 128"].argmax(dim=1)
for name, p in answers.items():
    sure = ", ".join(f"{p[i, c]:.2f}" for i, c in enumerate(top))
    kept = int((p.argmax(dim=1) == top).sum())
    print(f"{name:>15}: probabilities of cat, espresso, daisy {sure}; top class kept: {kept} of 3")

# %% [markdown] role="question" id="a-lot-of-data" points=6
# **Question 1 (6 points), slides 97 and 98: do you need a lot of data to train a CNN?** (a) Which
# of your results speaks against the sentence, and who has paid the data in it? (b) Why is the
# untrained network, and not pixels, the baseline to beat? (c) A colleague takes features of a
# network that was pre-trained on a collection of photographs from the web, tests them on
# photographs from the web, and reports 99 %. What do you ask?

# %% [markdown] role="answer"
# *Model answer.* (a) A probe with 5 examples a class on features of the trained network is better
# than a probe on pixels with 25, and in part 1 pixels were no better with 100. The data have not gone away: 1.3 million labelled images were
# paid by somebody else, once, and their features are reused. (b) A convolutional network without
# any training computes local, pooled features, and these alone are better than pixels. The gain of
# *pre-training* is what is left above the same architecture with random weights; above pixels one
# measures architecture and pre-training together. (c) Whether the test photographs, or copies of
# them, were in the pre-training collection. Then the network has seen the test images, perhaps with
# labels, and the number says nothing about new ones. Ask for a check for duplicates, or for test
# images that are younger than the collection. Also: standardized by which statistics, and stage and
# penalty chosen on which data?
#
# *Rubric.* (a) 2 points: 1 for the comparison, 1 for the data that others paid. (b) 2 points: 1 for
# what an untrained network already does, 1 for telling the two gains apart. (c) 2 points: 2 for
# test images in the pre-training set; 1 for another leak only.

# %% [markdown]
# *You can stop here.*
#
# ## 3 A new head, the rest frozen
#
# A probe is a network whose head is new and whose body does not learn. The same can be done inside
# PyTorch, and then taken further. First the head: a linear layer with as many scores as *you* have
# classes. Let it begin at zero,
#
# $$W = 0, \quad b = 0 \qquad \text{(Head.1)}$$
#
# so that the first loss is $\log C$, as it should be for a network that knows nothing about your
# classes (slide 8), and so that in the very first step no gradient reaches the body: it is
# multiplied by $W$.
#
# ### Exercise: `replace_head`

# %% role="exercise" exercise="transfer.torch.replace_head"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the old head kept because the number of classes is the same;
# * old parameters with other numbers, still frozen; PyTorch's random weights;
# * a new layer on top of the old scores;
# * float32 on a network in float64.
# </details>
#
# **Frozen** is a word with three parts, and most bugs of transfer learning live in the second and
# third:
#
# 1. *No gradient.* `requires_grad_(False)` on every parameter: weights, biases, and γ and β of the
#    batch norms.
# 2. *Not even an old one* (Freeze.1). An optimizer takes a step for every parameter whose `.grad`
#    is not `None`. A gradient left over from before, or a gradient of zeros, is enough for momentum
#    and weight decay to move a "frozen" weight.
# 3. *Statistics too* (Freeze.2). The running mean and variance of a batch norm are not parameters.
#    They move with every batch in train mode. `bn.eval()` helps until the training loop calls
#    `model.train()`, which reaches all of the network. So the mode has to be set *at each forward
#    pass*: `part.register_forward_pre_hook(f)` calls `f(module, inputs)` just before a part
#    computes, and the zoo has `use_running_statistics` for `f`. Other solutions are right too.
#
# A part with `running_mean` that is not `None` is one that keeps statistics;
# `model.modules()` goes through everything, to any depth.
#
# ### Exercise: `freeze`

# %% role="exercise" exercise="transfer.torch.freeze"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * parameters frozen, statistics not; `eval()` undone by `model.train()`;
# * `momentum = 0`: the statistics stay, and the batch's own are used all the same;
# * γ and β forgotten, or biases;
# * an old gradient, or a gradient of zeros, in `.grad`.
# </details>
#
# What was frozen must be able to thaw. Undo the same steps, and leave the part in the mode that it
# was last set to.
#
# ### Exercise: `unfreeze`

# %% role="exercise" exercise="transfer.torch.unfreeze"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the hook is still there: keep what `register_forward_pre_hook` returned, and call `remove()`;
# * the batch norms are still in eval mode while the rest trains;
# * parameters that do not ask for a gradient again.
# </details>
#
# How bad is it to forget the statistics? The small network of this course (three stages, 24,000
# parameters, in `zoo.pretrained_small_cnn`) has learnt to tell 12 *other* photographs apart, in
# grey. We freeze it, and let 20 batches of another kind of images pass, without training anything.


# %% role="experiment" uses="freeze" claim="frozen-parameters-are-no-frozen-network" of="moved['parameters only']" says="0.02 to 10" slide="100"
def shift_of_features(freezing, mode_of):
    """Return how far the scores move when 20 batches pass through a frozen network."""
    model = freezing(pretrained_small_cnn())
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(50, 1, 16, 16, generator=rng)
    before = model.eval()(image).detach()
    mode_of(model)
    for _ in range(20):
        model(0.2 * torch.rand(32, 1, 16, 16, generator=rng))  # darker images
    return (model.eval()(image) - before).norm().item() / before.norm().item()


def parameters_only(model):
    return model.requires_grad_(False)


moved = {}
for name, freezing in (("parameters only", parameters_only), ("your freeze", freeze)):
    moved[name] = shift_of_features(freezing, lambda model: model.train())
    print(f"{name:>16}: the scores of the same 50 images move by {moved[name]:.0%}")

# %% [markdown]
# Not a single weight has changed, and yet it is a different network. A head that is trained on top
# of it aims at a moving target, and the network that is tested is not the one that was trained.

# %% [markdown] role="question" id="frozen" points=6
# **Question 2 (6 points).** (a) A loop freezes everything but the head by `requires_grad = False`
# and calls `model.train()` before each epoch. The validation accuracy is worse than that of a
# linear probe on the same features. Explain why. (b) Somebody builds the optimizer with
# `filter(lambda p: p.requires_grad, model.parameters())`, trains the head, then sets
# `requires_grad = True` everywhere and goes on. The loss goes on as before, without an error. What
# happens, and how would you notice? (c) When would you *want* the statistics to move although the
# weights stay?

# %% [markdown] role="answer"
# *Model answer.* (a) In train mode the batch norms normalize with the statistics of the batch, so
# the head learns from features that depend on the other images of the batch, and the running
# statistics drift towards the new data. In validation the drifted running statistics are used:
# features that the head has never seen. A probe has one fixed set of features. (b) The optimizer
# holds a list of parameters that was made once: the body is not in it. The body gets gradients,
# which cost time and memory, and never takes a step. One notices by comparing weights before and
# after an epoch, or by counting the parameters of the optimizer. (c) When the new images have
# another exposure, contrast or noise, and there are many of them, even without labels: new running
# statistics fit the normalization to them (adaptive batch norm). One does it on purpose then, and
# before the head is trained.
#
# *Rubric.* (a) 2 points: 1 for batch statistics in training, 1 for other statistics in the test.
# (b) 2 points: 1 for the list in the optimizer, 1 for a way to notice. (c) 2 points for a case
# with a reason.

# %% [markdown]
# *You can stop here.*
#
# ## 4 Fine-tuning, and the table of slide 104
#
# With more data the body may learn as well (slide 101), gently. Two habits:
#
# * **A smaller rate further down.** The head knows nothing and needs a normal rate; each part below
#   it is more generic, and gets the rate of the part above it times a factor $f$:
#
# $$\alpha_d = \alpha \, f^d, \quad d = 0 \text{ for the head} \qquad \text{(Tune.1)}$$
#
# * **Thawing one part after the other**, from the top (Howard & Ruder 2018, arXiv:1801.06146), so
#   that the first, wild gradients of a new head do not reach what is worth keeping.
#
# A PyTorch optimizer takes a list of groups, `{"params": [...], "lr": ...}`. Put *all* parameters
# in, frozen ones too: they may thaw later. Parts without parameters, such as a pool, are no step.
#
# ### Exercise: `parameter_groups`

# %% role="exercise" exercise="transfer.torch.parameter_groups"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the rates reversed: the head has the largest;
# * frozen parameters left out; a pool counted as a part;
# * one factor for all that is below the head.
# </details>
#
# Now wire it. `thaw` says which part is to be unfrozen before which epoch, `{2: "stage3"}`.
#
# ### Exercise: `finetune`

# %% role="exercise" exercise="transfer.torch.finetune"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * gradients that pile up, or are gone before they are used;
# * a part that thaws an epoch early or late: the first epoch is 0;
# * training in eval mode; a network that is left in train mode;
# * the loss of the last batch, or the sum, for the mean of the epoch.
# </details>
#
# ### The table
#
# Slide 102 has four empty cells: little or much data, similar or different. The small network has
# learnt from 12 photographs, in grey pieces of 16 × 16 pixels. *Similar* is: six other
# photographs. What is *different*? Handwritten digits look different, and yet nobody is in trouble
# there: strokes are edges. So take the digits with **one fixed permutation of their pixels**, the
# same for all. For a linear classifier nothing has changed. For a convolution everything has:
# neighbours are no neighbours any more.
#
# The methods, all on the same examples: random features (the same network untrained, a probe on its
# top stage), a probe on the top stage and one on the first, fine-tuning the upper part, fine-tuning
# all, and the same network from scratch. Features of a stage keep their pixels here
# (`pooled=False`).
#
# **Predict, then run.** Little data, very different: by how many percentage points is a probe on
# the *trained* top stage better than one on the *random* one? (A negative number: worse.)

# %% role="predict"
my_gain_on_permuted_digits = None  # your prediction: percentage points

# %% role="setup" hide=true
SIZES = [5, 10, 25]  # training examples a class
STEPS, AT_ONCE = 40, 50  # of training, and images in a step


def grey_photographs():
    """Return grey pieces (N, 1, 16, 16) of the six photographs, and labels."""
    images = [grey(patches(name)) for name in TARGET]
    return np.concatenate(images), np.repeat(np.arange(6), list(map(len, images)))


def digits_in(order):
    """Return digits (N, 1, 16, 16), their 8 × 8 pixels in this order, and labels."""
    digits = load("digits")
    x = digits.x_train[:, order].reshape(-1, 1, 8, 8)
    return x.repeat(2, axis=2).repeat(2, axis=3), digits.y_train


def cell_of(images_and_labels, each):
    """Return a cell: a function seed -> (x, y) to train on, to validate and to test."""
    x, y = images_and_labels
    x = torch.from_numpy(x)

    def cell(seed):
        parts = chosen_examples(y, each, seed, n_test=40)
        return [(x[part], y[part]) for part in parts]

    return cell


def untrained_cnn(seed):
    """Return the small network as it is before any training."""
    return small_cnn(12, rng=torch.Generator().manual_seed(1000 + seed))


def stage_probe(network_of, stage):
    """Return a way: a linear probe on a stage of the network for a seed."""

    def way(data, seed):
        net = network_of(seed)
        h = [extract_features(net, x, stage, False).numpy() for x, _ in data]
        (_, y), (_, y_val), (_, y_test) = data
        fitted = h[0], y, h[1], y_val, h[2]
        predictions, _ = linear_probe(softmax_regression, *fitted, [0.01, 0.1])
        return np.mean(predictions == y_test)

    return way


def tuning(network_of, learning, factor, steps=STEPS):
    """Return a way: train the parts that are `learning` with a new head, for so many steps."""

    def way(data, seed):
        (x, y), _, (x_test, y_test) = data
        net = freeze(replace_head(network_of(seed), int(y.max()) + 1))
        for part in learning:
            unfreeze(net.get_submodule(part))
        batches = list(zip(x.split(AT_ONCE), torch.from_numpy(y).split(AT_ONCE), strict=True))
        adamw = torch.optim.AdamW(parameter_groups(net, 0.005, factor), weight_decay=0.01)
        finetune(net, batches, adamw, -(-steps // len(batches)), {})  # rounded up
        with torch.no_grad():
            return np.mean(net(x_test).argmax(dim=1).numpy() == y_test)

    return way


def trained_cnn(seed):
    return pretrained_small_cnn()


EVERYTHING = ("stage1", "stage2", "stage3", "head")
strategies = {
    "random features": stage_probe(untrained_cnn, "stage3"),
    "probe, top stage": stage_probe(trained_cnn, "stage3"),
    "probe, first stage": stage_probe(trained_cnn, "stage1"),
    "fine-tune the top": tuning(trained_cnn, ("stage3", "head"), 0.3),
    "fine-tune all": tuning(trained_cnn, EVERYTHING, 0.3),
    "from scratch": tuning(untrained_cnn, EVERYTHING, 1.0),
}


def accuracies_of(kind, ways, seeds):
    """Return {way: (seeds, sizes) accuracies} on one kind of data."""
    cells = [cell_of(data_sets[kind], each) for each in SIZES]
    runs = transfer_matrix(cells, list(ways.values()), list(range(seeds)))
    return dict(zip(ways, runs.transpose(1, 2, 0), strict=True))


def at_each_size(way):
    """Compare a way with training from scratch on similar data, a comparison for each size."""
    return [
        paired(a, b, (f"{way} with {each} similar pieces", "training from scratch"))
        for each, a, b in zip(SIZES, similar[way].T, similar["from scratch"].T, strict=True)
    ]


longer = [
    tuning(trained_cnn, EVERYTHING, 0.3, 2 * STEPS),
    tuning(untrained_cnn, EVERYTHING, 1.0, 2 * STEPS),
]


def after_more_steps(kind, seeds):
    """Return accuracies (seeds,) of fine-tuning all and of training from scratch."""
    cell = cell_of(data_sets[kind], SIZES[-1])
    return transfer_matrix([cell], longer, list(range(seeds)))[0]


# %% role="experiment"
data_sets = {
    "similar: photographs": grey_photographs(),
    "different: permuted digits": digits_in(np.random.default_rng(7).permutation(64)),
}
for kind, (images, _) in data_sets.items():
    print(f"{kind}: {len(images)} images")


# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features replace_head freeze unfreeze parameter_groups finetune" claim="similar-more-data-fine-tuning" of="tuned[-1]" says="above" slide="104" alt="Test accuracy against the number of training examples, two panels. Similar photographs: the trained top stage and fine-tuning lie above random features and above scratch. Permuted digits: the trained top stage lies below random features, its first stage is best, and fine-tuning lies below scratch."
left_out = "fine-tune the top", "probe, first stage"  # they are about different data
on_photographs = {way: run for way, run in strategies.items() if way not in left_out}
table = {
    "similar: photographs": accuracies_of("similar: photographs", on_photographs, 12),
    "different: permuted digits": accuracies_of("different: permuted digits", strategies, 4),
}
similar, different = table.values()
gain = different["probe, top stage"][:, 0] - different["random features"][:, 0]
predicted(my_gain_on_permuted_digits, 100 * gain.mean(), "percentage points")
plotting.plot_transfer_matrix(SIZES, table, "random features")
plotting.show("Similar data: transfer gains; different data: it can lose")
for kind, ways in table.items():
    print(f"{kind}, {', '.join(map(str, SIZES))} examples a class")
    for way, accuracies in ways.items():
        print(f"{way:>20}: {' '.join(f'{mean:.2f}' for mean in accuracies.mean(axis=0))}")


tuned = at_each_size("fine-tune all")
print(*tuned, sep="\n")

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features replace_head freeze unfreeze parameter_groups finetune" claim="similar-data-gain-at-every-size" of="min(pair.low for pair in [*tuned, *probed])" says="0 to 0.3" slide="104" hide=true
probed = at_each_size("probe, top stage")
print(*probed, sep="\n")

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features replace_head freeze unfreeze parameter_groups finetune" claim="different-more-data-all-layers" of="deeper" says="above" slide="104" hide=true
deeper = paired(different["fine-tune all"][:, -1], different["fine-tune the top"][:, -1],
                ("Fine-tuning all with 25 permuted digits", "fine-tuning the top"))  # fmt: skip
print(deeper)

# %% [markdown]
# All had the same 40 steps. Who begins with random numbers may need more of them than who was trained
# before. The same comparison with 25 examples after twice as many steps, first on similar data, then on
# different ones:

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features replace_head freeze unfreeze parameter_groups finetune" claim="much-of-the-gain-is-a-head-start" of="head_start" says="above" slide="104"
tuned_longer, alone_longer = after_more_steps("similar: photographs", 8)
gains = (similar["fine-tune all"] - similar["from scratch"])[:8, -1], tuned_longer - alone_longer
for steps, gain in zip((STEPS, 2 * STEPS), gains, strict=True):
    print(f"after {steps} steps fine-tuning gains {gain.mean():+.1%}")
head_start = paired(*gains, ("The gain after 40 steps", "that after 80"))
print(head_start)

# %% role="experiment" uses="transfer_matrix replace_head freeze unfreeze parameter_groups finetune" claim="different-more-data-scratch" of="alone" says="above" slide="104"
tuned_longer, alone_longer = after_more_steps("different: permuted digits", 4)
alone = paired(alone_longer, tuned_longer,
               ("Training from scratch with 25 permuted digits", "fine-tuning all"))  # fmt: skip
print(alone)

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features replace_head freeze unfreeze parameter_groups finetune" claim="similar-little-data-top-stage" of="similar_top" says="above" slide="104"
similar_top = paired(similar["probe, top stage"][:, 0], similar["random features"][:, 0],
                     ("The trained top stage with 5 similar pieces", "a random one"))  # fmt: skip
print(similar_top)

# %% [markdown]
# The cell with little and different data, which everybody warns of, again with more seeds:

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features" claim="different-little-data-negative-transfer" of="against_random" says="below" slide="104"
top_and_random = [strategies["probe, top stage"], strategies["random features"]]


def top_against_random(images_and_labels, names):
    """Compare the trained top stage with a random one: 5 examples a class, 16 seeds."""
    cell = cell_of(images_and_labels, SIZES[0])
    return paired(*transfer_matrix([cell], top_and_random, list(range(16)))[0], names)


against_random = top_against_random(
    data_sets["different: permuted digits"],
    ("The trained top stage with 5 permuted digits", "a random one"),
)
print(against_random)

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features" claim="different-little-data-stages" of="stages" says="above" slide="104"
permuted = cell_of(data_sets["different: permuted digits"], SIZES[0])
first_and_top = [strategies["probe, first stage"], strategies["probe, top stage"]]
pairs = transfer_matrix([permuted], first_and_top, list(range(8)))[0]
stages = paired(*pairs, ("The trained first stage with 5 permuted digits", "the top stage"))
print(stages)

# %% [markdown]
# Read the table row by row, as slide 104 does. (In brackets: percentage points, over 12 seeds on
# photographs and 4 to 16 on digits.)
#
# | | very similar | very different |
# |---|---|---|
# | very little data: 5 | a probe on the top is above random features (+9) and scratch (+6), fine-tuning about as good (+9 above scratch) | **trouble**: the top stage is *below* random features (−5), and the first stage far above the top (+10) |
# | more data: 25 | fine-tuning and the probe are far above scratch (+11, +10); after twice as many steps less than half of the gain is left (+5) | fine-tuning all is above fine-tuning the top (+3), and scratch, when it has its 80 steps, above fine-tuning (+4) |
#
# With 10 similar pieces both are 10 points above scratch. So transfer gives two things: features that few
# examples could not teach, and a head start. Whoever compares after a fixed number of steps measures both;
# ask how long the network from scratch was trained.
#
# The advice of the slide holds, and gets a reason. What a stage has learnt is a bet on the data:
# the higher the stage, the more of the bet is about *those* classes and *those* arrangements of
# pixels. On permuted pixels the bet is lost, and each stage loses more. That is what "try a linear
# classifier from different stages" is good for. And what slide 104 does not say: with very
# different data, pre-training can be *worse* than none (negative transfer). Only the grey area and
# the run from scratch show it; a comparison with guessing would have looked fine.
#
# And plain digits, in their order?

# %% role="experiment" uses="standardize linear_probe transfer_matrix extract_features" claim="plain-digits-are-no-trouble" of="float(plain.mean)" says="-0.03 to 0.03" slide="104"
plain = top_against_random(
    digits_in(np.arange(64)), ("The trained top stage with 5 plain digits", "a random one")
)
print(plain)

# %% [markdown]
# No trouble: what was learnt from photographs neither helps nor hurts. Strokes are edges, and a random
# filter sees them as well.

# %% [markdown] role="question" id="four-cells" points=8
# **Question 3 (8 points), slides 102 to 104.** (a) Give for each of the four cells what you would
# do, and the numbers of your table that support or contradict it. (b) Why does the permutation hurt
# the top stage more than the first? Think about what a 3 × 3 filter sees. (c) A hospital has 200
# labelled ultrasound images. In which cell are you, which two baselines do you run before you
# believe in transfer, and on which data do you choose the stage?

# %% [markdown] role="answer"
# *Model answer.* (a) Little and similar: a probe on the top (above random features by 9
# points, above scratch by 6). More and similar: fine-tune some or all (11 points above scratch after
# the same 40 steps, 5 after 80), or keep the probe, which is as good here. Little and different: a probe
# on an early stage, or no transfer: the top stage is 5 points below random features. More and different:
# fine-tune all rather than a few layers, or train from scratch, which is ahead here after 80 steps. (b) A filter of the first stage sees 3 × 3
# neighbouring pixels. Permuted, they are nine unrelated pixels, and their weighted sum is still
# one of many projections of the image, from which a linear classifier can learn. The second and
# third stage look for arrangements of first-stage responses in neighbouring places, and pool over
# them: these arrangements do not exist any more, and pooling throws away which place it was. (c)
# Little and rather different (grey, speckle, no objects). Baselines: *random features of the same
# network*, and the network from scratch. Stage and penalty are chosen on validation images (here
# by cross-validation over patients, since images of one patient are near-duplicates), never on
# the test set.
#
# *Rubric.* (a) 4 points: little and similar, with a number (1), more and similar, with a number
# (1), little and different, with a number (1), more and different, with a number (1). (b) 2
# points: 1 for neighbourhoods, 1 for why higher stages depend on them more. (c) 2 points: 1 for
# random features and one more baseline, 1 for validation data without the test set.

# %% [markdown]
# *You can stop here: this is the end of the core.*
#
# ## 5 Features from a file
#
# A frozen network gives the same features for the same images, every time. For ImageNet that is
# minutes to hours of computing, so people keep features in files, and then get them from the wrong
# file. The name of the file must say *everything* that the features depend on: every weight *and
# running statistic* of the network, every number of the images, the stage, and what was done with
# its pixels. A hash of the content does (`hashlib.sha256`, `update`, `hexdigest`).
#
# ### Bonus exercise: `cached_features`

# %% role="exercise" exercise="transfer.torch.cached_features"

# %% role="experiment" uses="cached_features extract_features"
import tempfile
import time

net, images = pretrained_small_cnn(), torch.rand(4000, 1, 16, 16)
with tempfile.TemporaryDirectory() as folder:
    for attempt in ("first", "second"):
        start = time.perf_counter()
        cached_features(net, images, "stage3", True, folder)
        print(f"{attempt} call: {time.perf_counter() - start:.2f} s")

# %% [markdown]
# *You can stop here.*
#
# ## 6 It is the norm
#
# Detection and captioning (slides 105 and 106) start from a network that was trained on ImageNet;
# so do most of today's systems, with larger networks and more data. Model zoos (slide 107) hold the
# weights. What to check before you use some: which input size and normalization, which order of the
# colours, how odd sizes are padded, train or eval mode, which data they were trained on, and under
# which licence they are.
#
# A zoo has the same animal in several sizes. On ImageNet EfficientNet-Lite2 is right two to three
# points more often than Lite0, and better networks tend to transfer better (Kornblith et al. 2019,
# arXiv:1805.08974). With five examples of each photograph and small pieces, too?

# %% role="experiment" uses="extract_features standardize linear_probe transfer_matrix" claim="a-larger-network-hardly-matters" of="float(larger.mean)" says="-0.08 to 0.08" slide="107"
from cs231n_lib import zoo

kinds, sizes = dict(features_by(extract_features)), {}
for name in ("lite0", "lite1", "lite2"):
    try:
        net = getattr(zoo, f"efficientnet_{name}")(pretrained=True).to(device)
    except ModuleNotFoundError as missing:
        print(missing)
        continue
    sizes[name] = sum(w.numel() for w in net.parameters()) / 1e6
    x = preprocess(photos, SIZE).to(device)
    kinds[name] = extract_features(net, x, "top", True).cpu().numpy()

cells, ways = [drawn_examples(5)], [photo_probe(name) for name in sizes]
by_size = transfer_matrix(cells, ways, list(range(8)))[0]
for (name, millions), accuracies in zip(sizes.items(), by_size, strict=True):
    print(f"{name}: {millions:.1f} million parameters, accuracy {accuracies.mean():.2f}")
smallest, *_, largest = list(sizes) * 2  # twice: there may be only one
larger = paired(by_size[-1], by_size[0], (f"a probe on {largest}", f"one on {smallest}"))
print(larger)

# %% [markdown]
# A third more parameters, and nothing that eight seeds could see. Which stage you take made far more
# of a difference above. (The larger ones were trained on larger images, too: 240 and 260 pixels.)
#
# The cell below is the switch to full size: EfficientNet-Lite0 at 224 pixels on CIFAR-10, where you
# have it and a GPU. On one core it takes about 50 ms an image, so it is off.

# %% role="experiment" uses="extract_features standardize linear_probe"
FULL_SIZE = False  # True: 224 pixels, CIFAR-10; minutes on a GPU

if FULL_SIZE:
    full, parts = load("cifar10").images(), {}
    net = efficientnet_lite0(pretrained=True).to(device)
    for name in ("train", "val", "test"):
        images = getattr(full, f"x_{name}")[:2000].transpose(0, 2, 3, 1)
        batch = preprocess((255 * images).round().astype(np.uint8)).to(device)
        parts[name] = extract_features(net, batch, "top", True).cpu().numpy()
    predictions, _ = linear_probe(
        softmax_regression, parts["train"], full.y_train[:2000], parts["val"],
        full.y_val[:2000], parts["test"], [0.01, 0.1],
    )  # fmt: skip
    print(f"accuracy of the probe: {np.mean(predictions == full.y_test[:2000]):.3f}")
else:
    print("full size is switched off")

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * Little data is enough when somebody else has paid for a lot of it and your data are like theirs.
# * Compare with random features of the same network, not with pixels and not with guessing.
# * Frozen means: no gradient, no old gradient, and statistics that stay, whatever mode is set.
# * The head at zero, the largest rate at the head, smaller ones below; all parameters in the
#   optimizer from the start.
# * Which stage, which penalty, how much to thaw: settings, chosen on validation data.
# * Very different data: early stages, or none. Pre-training can hurt, without any error message.
#
# **Next:** lesson 13 puts all of it together.
#
# **Sources.** Lecture 7, slides 97–107. Donahue et al. 2014, *DeCAF*, arXiv:1310.1531 · Razavian et al.
# 2014, *CNN Features off-the-shelf*, arXiv:1403.6382 · Yosinski et al. 2014, *How transferable are
# features in deep neural networks?*, arXiv:1411.1792 · van der Maaten & Hinton 2008, *Visualizing Data
# using t-SNE*, JMLR 9 · Howard & Ruder 2018, *Universal Language Model Fine-tuning*, arXiv:1801.06146 ·
# Tan & Le 2019, *EfficientNet*, arXiv:1905.11946 · Kornblith, Shlens & Le 2019, *Do Better ImageNet
# Models Transfer Better?*, arXiv:1805.08974.
