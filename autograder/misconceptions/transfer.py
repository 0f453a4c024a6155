"""Wrong and other right answers of the family `transfer`."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autograder.misconceptions.records import (
    SLIP,
    fundamental,
    grouped,
    right,
    with_convention,
    wrong,
)

if TYPE_CHECKING:  # an answer finds these beside it
    import torch
    from torch import nn

    from cs231n_lib.transfer.in_numpy import standardize
    from cs231n_lib.transfer.in_torch import extract_features, unfreeze

# ------------------------------------------------------------------ features as arrays

OWN_STATISTICS = (
    "x_train.mean(axis=0)  # (D,)\n    std = x_train.std(axis=0)",
    "x.mean(axis=0)\n    std = x.std(axis=0)",
)

LINES_OF_STANDARDIZE = (
    (
        "standardized by its own statistics",
        "The training features come out right and others do not: their mean is 0 as well, whatever "
        "it was before. The classifier has learnt where the average of the *training* set lies. "
        "Whose mean do you subtract?",
        OWN_STATISTICS,
    ),
    (
        "scaled by its own deviation",
        "The mean is that of the training set. Whose deviation do you divide by?",
        grouped("standardized by its own statistics"),
        ("x_train.std(axis=0)", "x.std(axis=0)"),
    ),
    (
        "scaled before it is centred",
        "After the division the mean has another size, too. Which of the two steps comes first?",
        ("(x - mean) / np.where(std > 0, std, 1)", "x / np.where(std > 0, std, 1) - mean"),
    ),
    (
        "one mean for all features",
        "Every feature has a mean and a deviation of its own. Along which axis are the examples?",
        ("x_train.mean(axis=0)", "x_train.mean()"),
        ("x_train.std(axis=0)", "x_train.std()"),
    ),
    (
        "a mean for every example",
        "You average over the features of one example. What has to be 0 is the mean of one feature "
        "over all training examples.",
        ("(x - mean) / np.where(std > 0, std, 1)", "(x - x.mean(axis=1, keepdims=True)) / std"),
    ),
    (
        "divided by the variance",
        "After your division the features do not all have the deviation 1. In which unit is a "
        "variance measured?",
        ("np.where(std > 0, std, 1)", "np.where(std > 0, std**2, 1)"),
    ),
    (
        "not centred",
        "The deviations are right and the means are not 0. What comes off before you divide?",
        ("(x - mean)", "x"),
    ),
    (
        "not scaled",
        "The means are right, but a feature that varies a lot still outweighs all others. What is "
        "left to do?",
        ("(x - mean) / np.where(std > 0, std, 1)", "x - mean"),
    ),
    (
        "zero by zero",
        "A unit that never fires has the deviation 0. What is 0 divided by 0, and what should "
        "become of such a feature?",
        SLIP,
        ("np.where(std > 0, std, 1)", "std"),
    ),
    (
        "a constant feature left as it is",
        "A feature that never changes needs no scale, and you leave it alone altogether. What "
        "about its mean?",
        SLIP,
        (
            "(x - mean) / np.where(std > 0, std, 1)",
            "np.where(std > 0, (x - mean) / np.where(std > 0, std, 1), x)",
        ),
    ),
    (
        "divided by almost nothing",
        "A feature that never varied in training may do so later. Divided by 0 and a little it is "
        "enormous. What is to become of it?",
        SLIP,
        ("np.where(std > 0, std, 1)", "(std + np.float32(1e-7))"),
    ),
    (
        "an eps under the root",
        "A feature that never varied in training may do so later. Divided by the root of a little "
        "it is enormous. What is to become of it?",
        grouped("divided by almost nothing"),
        SLIP,
        ("std = x_train.std(axis=0)", "std = np.sqrt(x_train.var(axis=0) + np.float32(1e-5))"),
    ),
    (
        "the input is overwritten",
        "After the call the features that came in have changed: -= and /= work in place. Make a "
        "new array.",
        SLIP,
        ("return (x - mean) /", "x -= mean\n    return x /"),
    ),
)
STANDARDIZE = wrong(
    "standardize",
    *with_convention(
        "over one example less",
        ("x_train.std(axis=0)", "x_train.std(axis=0, ddof=1)"),
        *LINES_OF_STANDARDIZE,
    ),
)

TRAIN_Z = "z_train, z_val, z_test = (standardize(x_train, x) for x in (x_train, x_val, x_test))"

PROBE = wrong(
    "linear_probe",
    (
        "features as they come",
        "You fit on features that were not standardized: those with large numbers are hardly "
        "penalized, those with small ones hardly used.",
        (TRAIN_Z, "z_train, z_val, z_test = x_train, x_val, x_test"),
    ),
    (
        "every set standardized by itself",
        "The classifier knows features in units of the training set. You show it test features in "
        "other units: whose mean and deviation were used for them?",
        (TRAIN_Z, "z_train, z_val, z_test = (standardize(x, x) for x in (x_train, x_val, x_test))"),
    ),
    (
        "standardized by all data together",
        "Mean and deviation come from the test examples too. That is a look at data that should "
        "stay unseen until the end.",
        (
            TRAIN_Z,
            "everything = np.concatenate([x_train, x_val, x_test])\n"
            "    z_train, z_val, z_test = (standardize(everything, x)"
            " for x in (x_train, x_val, x_test))",
        ),
    ),
    (
        "test features as they come",
        "What you fitted knows standardized features. What do you show it in the end?",
        ("(z_test @ w + b)", "(x_test @ w + b)"),
    ),
    (
        "validation features as they come",
        "The probe knows standardized features. The penalty is chosen by how it does on others.",
        SLIP,
        ("(z_val @ w + b)", "(x_val @ w + b)"),
    ),
    (
        "validation scores without the bias",
        "Each penalty is judged by scores that forget something that fit returns. What is it?",
        ("(z_val @ w + b)", "(z_val @ w)"),
    ),
    (
        "the penalty by training accuracy",
        "You took the penalty that is best on the examples it was fitted to. That favours the "
        "weakest penalty. Which data can tell better?",
        ("(z_val @ w + b).argmax(axis=1) == y_val", "(z_train @ w + b).argmax(axis=1) == y_train"),
    ),
    (
        "the last penalty",
        "Your answer is always the last penalty of the list. What is compared with the best so "
        "far, and is the best updated?",
        ("if accuracy > best:", "if accuracy >= 0:"),
    ),
    (
        "the last of equally good penalties",
        "Of penalties that are equally good you take the last. Which comparison keeps the first?",
        SLIP,
        ("if accuracy > best:", "if accuracy >= best:"),
    ),
    (
        "the worst penalty",
        "You keep the penalty with the lowest validation accuracy. Look at the comparison and at "
        "what it starts from.",
        ("best = -1.0", "best = 2.0"),
        ("accuracy > best", "accuracy < best"),
    ),
    (
        "predictions with the last weights",
        "The penalty that you return is right and the predictions belong to another one: the last "
        "of the list. Which weights are still in w and b after the loop?",
        (
            "            predictions = (z_test @ w + b).argmax(axis=1)\n",
            "        predictions = (z_test @ w + b).argmax(axis=1)\n",
        ),
    ),
    (
        "scores without the bias",
        "Your predictions forget something that fit returns: some classes are more frequent than "
        "others, and only one of the two numbers knows that.",
        ("(z_test @ w + b)", "(z_test @ w)"),
    ),
    (
        "argmax over the examples",
        "You return one number for each class. The largest score of each example is wanted: which "
        "axis has the classes?",
        ("(z_test @ w + b).argmax(axis=1)", "(z_test @ w + b).argmax(axis=0)"),
    ),
)

SEPARATING = wrong(
    "separating_features",
    (
        "the training features",
        "On the features that it was made from, every standardize is right. What would a test set "
        "look like whose average is elsewhere?",
        ("x_train + 3 * x_train.std(axis=0)", "x_train"),
    ),
    (
        "only the spread differs",
        "Twice as far from the same average is still on the same side of it. Move the average.",
        (
            "x_train + 3 * x_train.std(axis=0)",
            "2 * (x_train - x_train.mean(axis=0)) + x_train.mean(axis=0)",
        ),
    ),
    (
        "a single example",
        "Alone, an example is its own average: the other function calls it 0, on neither side. "
        "Give it company.",
        ("x_train + 3 * x_train.std(axis=0)", "x_train[:1] + 3 * x_train.std(axis=0)"),
    ),
    (
        "another number of features",
        "The features should fit the training set: two columns, finite numbers.",
        ("x_train + 3 * x_train.std(axis=0)", "x_train[:, :1]"),
    ),
)


def way_after_way(cells, ways, seeds):
    """Ask the cell again for each way."""
    rows = [[[way(cell(seed), seed) for seed in seeds] for way in ways] for cell in cells]
    return np.array(rows)


MATRIX = wrong(
    "transfer_matrix",
    (
        "data for every way anew",
        "Each way got examples of its own, so what you compare is luck as well as ways. How often "
        "should a cell be asked for one seed?",
        ("            data = examples(seed)\n", ""),
        ("way(data, seed)", "way(examples(seed), seed)"),
    ),
    (
        "data for every way anew, one way after the other",
        "Each way got examples of its own, so what you compare is luck as well as ways. How often "
        "should a cell be asked for one seed?",
        grouped("data for every way anew"),
        way_after_way,
    ),
    (
        "one seed for all",
        "All columns of a row are the same number. Which seed do you pass on?",
        ("examples(seed)", "examples(seeds[0])"),
        ("way(data, seed)", "way(data, seeds[0])"),
    ),
    (
        "the data of the first seed",
        "The ways see the same examples whatever the seed is. Where in the loops are they made?",
        ("data = examples(seed)", "data = examples(seeds[0])"),
    ),
    (
        "the number of the seed for the seed",
        "What you pass is the position of the seed in the list, not the seed that stands there.",
        ("examples(seed)", "examples(k)"),
        ("way(data, seed)", "way(data, k)"),
    ),
    (
        "ways and seeds exchanged",
        "Your table has ways and seeds in the places of one another. In which order are its axes "
        "to be?",
        ("return accuracies", "return accuracies.transpose(0, 2, 1)"),
    ),
    (
        "the mean over the seeds",
        "You return one number for each way. Without the single runs nobody can say how sure it "
        "is.",
        fundamental("a table of means has no place for the single runs"),
        ("return accuracies", "return accuracies.mean(axis=2)"),
    ),
)

# ------------------------------------------------------------------ features of a network

POOLED = "a.mean(dim=2) if pooled else a.flatten(1)"

FEATURES = wrong(
    "extract_features",
    (
        "features in train mode",
        "What comes out for one image depends on the others of its batch, and the running "
        "statistics have moved: the network was training. In which mode is it to compute?",
        ("model.eval()", "model.train()"),
    ),
    (
        "the mode is left as it came",
        "In a test all is well, but a network that comes in train mode computes with the "
        "statistics of your batches and changes its own. Who says in which mode it is?",
        SLIP,
        ("    model.eval()\n", ""),
    ),
    (
        "the scores for the features",
        "You return one number for each class: the head has turned the features into scores of the "
        "*old* classes. Stop at the stage that is asked for.",
        ("get_submodule(stage)", "get_submodule('head')"),
    ),
    (
        "what goes into the stage",
        "Your features have the width of the part *before* the one that was asked for: a hook gets "
        "both what goes in and what comes out.",
        ("parts.append(call[-1])", "parts.append(call[1][0])"),
    ),
    (
        "before the nonlinearity",
        "Some of your features are negative, and the stage ends with a ReLU: you took what comes "
        "before it.",
        (
            "get_submodule(stage).register",
            "get_submodule(stage)[len(model.get_submodule(stage)) - 2].register",
        ),
    ),
    (
        "the maximum over the pixels",
        "Of each channel you keep its largest pixel. Asked for is the average.",
        (POOLED, "a.amax(dim=2) if pooled else a.flatten(1)"),
    ),
    (
        "the sum over the pixels",
        "Your features are too large by one factor, the number of pixels.",
        (POOLED, "a.sum(dim=2) if pooled else a.flatten(1)"),
    ),
    (
        "averaged over the channels",
        "You have one number for each pixel where one for each channel is wanted. Which axis has "
        "the pixels?",
        (POOLED, "a.mean(dim=1) if pooled else a.flatten(1)"),
    ),
    (
        "always averaged",
        "With pooled=False every pixel is to be kept. You average all the same.",
        (POOLED, "a.mean(dim=2)"),
    ),
    (
        "never averaged",
        "With pooled=True there is to be one number for each channel. You keep every pixel.",
        (POOLED, "a.flatten(1)"),
    ),
    (
        "only stages with pixels",
        "A linear part gives (N, D) and has no pixels to average over. What does your code do with "
        "two axes?",
        ("a = a.reshape(*a.shape[:2], -1)", "a = a.flatten(2)"),
    ),
    (
        "only the last batch",
        "There are fewer rows than examples. What becomes of the features of the first hundred "
        "when the next ones arrive?",
        ("a = torch.cat(parts)", "a = parts[-1]"),
    ),
    (
        "gradients recorded",
        "The numbers are right, but PyTorch remembers everything that it needs for a backward "
        "pass: for a large network that is most of the memory.",
        SLIP,
        ("torch.no_grad()", "torch.enable_grad()"),
    ),
    (
        "the hook stays",
        "After your call the network goes on to collect features, forever. What does register "
        "return, and what is it good for?",
        SLIP,
        (", hook:  # which removes itself", ":"),
    ),
)


def keyed_by_shape(model, x, stage, pooled, folder):
    """A file's name from what things are called, not from what they hold."""
    path = Path(folder) / f"{type(model).__name__} {stage} {pooled} {tuple(x.shape)}.pt"
    if not path.exists():
        torch.save(extract_features(model, x, stage, pooled), path)
    return torch.load(path)


def keyed_by_examples(model, x, stage, pooled, folder):
    """A file's name from the examples and the stage alone."""
    content = hashlib.sha256(x.numpy().tobytes() + f"{stage} {pooled}".encode())
    path = Path(folder) / f"{content.hexdigest()}.pt"
    if not path.exists():
        torch.save(extract_features(model, x, stage, pooled), path)
    return torch.load(path)


def keyed_by_pythons_hash(model, x, stage, pooled, folder):
    """A file's name from `hash()`, which is another one in each process."""
    content = b"".join(t.numpy().tobytes() for t in (*model.state_dict().values(), x))
    path = Path(folder) / f"{hash(content)} {tuple(x.shape)} {stage} {pooled}.pt"
    if not path.exists():
        torch.save(extract_features(model, x, stage, pooled), path)
    return torch.load(path)


CACHED = wrong(
    "cached_features",
    (
        "a name without any content",
        "Another network, other images: you return what you have from the first ones, because they "
        "are called the same and have the same shape. What do the features depend on?",
        grouped("the key leaves something out"),
        keyed_by_shape,
    ),
    (
        "the network is not in the key",
        "Two networks of one architecture have different features of the same images. Which of the "
        "two made your file?",
        grouped("the key leaves something out"),
        keyed_by_examples,
    ),
    (
        "parameters without statistics",
        "Running statistics are no parameters, and the features depend on them too. What does a "
        "network save of itself?",
        ("model.state_dict()", "{n: p.detach() for n, p in model.named_parameters()}"),
    ),
    (
        "the examples are not in the key",
        "Validation images got the features of the training images: same network, same stage. What "
        "is missing in the name of the file?",
        grouped("the key leaves something out"),
        ('{**model.state_dict(), "x": x}', "model.state_dict()"),
    ),
    (
        "the stage is not in the key",
        "Asked for another stage, you return the first one's features.",
        ('f"{stage} {pooled}".encode()', 'b"features"'),
    ),
    (
        "what is done with the pixels is not in the key",
        "Asked for all pixels, you return their mean. What is missing in the name of the file?",
        ('f"{stage} {pooled}".encode()', "stage.encode()"),
    ),
    (
        "a sum in place of the numbers",
        "The same images in another order have the same sum, and other features. What of them must "
        "go into the hash?",
        grouped("the key leaves something out"),
        (
            "tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes()",
            "str(tensor.sum().item()).encode()",
        ),
    ),
    (
        "the shape is not in the key",
        "The same numbers in another shape are other images. What of the examples besides their "
        "numbers must go into the hash?",
        SLIP,
        ('f"{name} {tuple(tensor.shape)} {tensor.dtype}"', "name"),
    ),
    (
        "Python's own hash()",
        "Restart the kernel and ask again: the file is there, and you do not find it. What does "
        "Python's documentation say about hash() of text from one start to the next?",
        keyed_by_pythons_hash,
    ),
    (
        "computed every time",
        "The features are right, and the network computes them anew at each call. When is a file "
        "of use?",
        ("if not path.exists():", "if True:"),
    ),
)

# ------------------------------------------------------------------ a new head


def reuse_equal_head(model, n_classes):
    """Keep the old head where it fits."""
    if model.head.out_features != n_classes:
        model.head = nn.Linear(model.head.in_features, n_classes).to(model.head.weight.dtype)
        nn.init.zeros_(model.head.weight)
        nn.init.zeros_(model.head.bias)
    return model


def emptied_head(model, n_classes):
    """Set the old parameters to zero, and give them another shape."""
    for parameter in model.head.parameters():
        shape = (n_classes, *parameter.shape[1:])
        parameter.data = torch.zeros(shape, dtype=parameter.dtype)
    return model


NOT_BACK = (
    "All is as it should be, and what comes back is something else: the next function in a row, or "
    "a line such as `model = …`, is given that. What does the docstring promise?"
)

HEAD = wrong(
    "replace_head",
    (
        "the head comes back",
        NOT_BACK,
        SLIP,
        ("    return model", "    return model.head"),
    ),
    (
        "the old head kept where it fits",
        "With as many classes as before you kept the old head, which knows the *old* classes: the "
        "first loss is not that of guessing.",
        reuse_equal_head,
    ),
    (
        "frozen with the rest",
        "Your head has the right shape and never learns: its parameters are the old, frozen ones "
        "with other numbers. A new layer has parameters of its own.",
        emptied_head,
    ),
    (
        "random weights",
        "The first loss should be log C, as when nothing is known yet. Yours depends on random "
        "scores. Where is the new head to begin?",
        ("nn.init.zeros_(parameter)", "pass"),
    ),
    (
        "weights at zero, a random bias",
        "All scores of one class are alike, and they are not zero. What is left in the new layer "
        "that was drawn at random?",
        grouped("random weights"),
        ("nn.init.zeros_(parameter)", "parameter.data *= parameter.ndim == 1"),
    ),
    (
        "a head on top of the head",
        "Your new layer takes the old scores as its features. It should take what the old head "
        "took.",
        ("model.head = nn.Linear(old.in_features, n_classes, **like_old)",
         "model.head = nn.Sequential(old, nn.Linear(old.out_features, n_classes, **like_old))\n"
         "    model.head.weight = old.weight"),
        ("model.head.parameters()", "model.head[1].parameters()"),
    ),
    (
        "one class too many",
        "There is one more score than there are classes. Labels run from 0 to C − 1.",
        SLIP,
        ("old.in_features, n_classes,", "old.in_features, n_classes + 1,"),
    ),
    (
        "always float32",
        "A network in float64 needs a head in float64; yours stops with an error about dtypes, or "
        "would on another device.",
        SLIP,
        (", **like_old)", ")"),
    ),
    (
        "everything starts at zero",
        "You set the parameters of the whole network to zero: what it had learnt is gone.",
        ("model.head.parameters()", "model.parameters()"),
    ),
)  # fmt: skip

# ------------------------------------------------------------------ freezing

NORM_HOOK = "part.frozen = part.register_forward_pre_hook(use_running_statistics)"

FREEZE = wrong(
    "freeze",
    (
        "nothing comes back",
        NOT_BACK,
        SLIP,
        ("    return model", ""),
    ),
    (
        "the hook returns the module",
        "What a forward pre-hook returns takes the place of the inputs, unless it is None. What "
        "does `module.eval()` return?",
        fundamental("no forward pass goes through"),
        ("use_running_statistics)", "lambda module, inputs: module.eval())"),
    ),
    (
        "the statistics are not frozen",
        "Parameters stay, and the running statistics of the batch norms move with every batch that "
        "passes in train mode: they are no parameters. What makes a batch norm use them and leave "
        "them alone?",
        (NORM_HOOK, "pass"),
    ),
    (
        "eval() undone by train()",
        "You put the batch norms into eval mode, once. The training loop calls model.train() "
        "before each epoch, and that reaches them as well. What could be called before each "
        "forward pass?",
        (NORM_HOOK, "part.eval()"),
    ),
    (
        "a momentum of zero",
        "The running statistics stay, but the frozen batch norm still normalizes by those of the "
        "batch at hand: its output for one image depends on the others.",
        (NORM_HOOK, "part.momentum = 0.0"),
    ),
    (
        "scale and shift are not frozen",
        "The convolutions stay. A batch norm has two parameters as well, γ and β, and yours go on "
        "learning.",
        grouped("not every parameter is frozen"),
        (
            "for parameter in model.parameters():",
            "for parameter in (p for m in model.modules() if not hasattr(m, 'running_mean')"
            " for p in m.parameters(recurse=False)):",
        ),
    ),
    (
        "eval mode alone",
        "In eval mode the statistics stay until somebody calls train(), and the parameters learn "
        "as before: the mode says nothing about gradients. What does?",
        ("parameter.requires_grad_(False)", "pass"),
        ("parameter.grad = None", "pass"),
        (NORM_HOOK, "part.eval()"),
    ),
    (
        "only batch norms are frozen",
        "Batch norms stay as they are and the convolutions do not. Which parameters ask for a "
        "gradient?",
        (
            "for parameter in model.parameters():",
            "for parameter in [p for p in model.parameters() if p.ndim == 1]:",
        ),
    ),
    (
        "only the children are frozen",
        "Given a stage you freeze its batch norm; given the whole network you see stages, and look "
        "no deeper. Which method goes through parts of parts?",
        SLIP,
        ("for part in model.modules():", "for part in model.children():"),
    ),
    (
        "old gradients stay",
        "A gradient from before the freezing is still there, or is set to zeros, and the optimizer "
        "takes a step for every parameter that *has* one: momentum and weight decay need no more. "
        "Which parameters does it leave out?",
        ("parameter.grad = None", "pass"),
    ),
    (
        "gradients set to zero",
        "A gradient of zeros is a gradient: with it momentum and weight decay still move the "
        "weight. An optimizer leaves out parameters that have none at all.",
        (
            "parameter.grad = None",
            "parameter.grad = torch.zeros_like(parameter) if parameter.grad is not None else None",
        ),
    ),
    (
        "only weights are frozen",
        "Weights stay, and the biases beside them move: you chose parameters by their shape or "
        "name. Which method lists all of them?",
        grouped("not every parameter is frozen"),
        (
            "for parameter in model.parameters():",
            "for parameter in [p for p in model.parameters() if p.ndim > 1]:",
        ),
    ),
    (
        "all gradients switched off",
        "After your call nothing in any network learns: gradients are off altogether. Only the "
        "part that was given is to be frozen.",
        ("return model", "torch.set_grad_enabled(False)\n    return model"),
    ),
    (
        "detached copies",
        "Nothing is frozen: you changed a copy. `detach()` returns a new tensor, and the parameter "
        "itself still asks for a gradient.",
        ("parameter.requires_grad_(False)", "parameter.detach().requires_grad_(False)"),
    ),
)

FROZEN_TWICE = wrong(
    "unfreeze",
    (
        "frozen twice, thawed once",
        "Freeze a network and then one of its stages: two hooks, and you remember the last. The "
        "other one is there after thawing.",
        SLIP,
        (' and not hasattr(part, "frozen")', ""),
    ),
    edited="freeze",
)

UNFREEZE = wrong(
    "unfreeze",
    (
        "nothing comes back",
        NOT_BACK,
        SLIP,
        ("    return model", "    model"),
    ),
    (
        "only the parameters thaw",
        "The weights learn again, and the batch norms go on using their old statistics: what you "
        "put on them when you froze them is still there.",
        ("part.frozen.remove()", "pass"),
    ),
    (
        "train mode, whatever was set",
        "Somebody may thaw a network that is in eval mode. In which mode does it go on with you?",
        SLIP,
        ("return model.train(model.training)", "return model.train()"),
    ),
    (
        "only the children thaw",
        "A stage is a part that has parts, and the batch norm is among those. You look at the "
        "parts of what you are given and no deeper.",
        SLIP,
        ("for part in model.modules():", "for part in model.children():"),
    ),
    (
        "only the statistics thaw",
        "The running statistics move again and the weights do not. Which of the two steps of "
        "freezing is not undone?",
        ("parameter.requires_grad_(True)", "pass"),
    ),
    (
        "weights without scale and shift",
        "The convolutions learn again. A batch norm has parameters, too.",
        ("requires_grad_(True)", "requires_grad_(parameter.ndim > 1)"),
    ),
    (
        "left in eval mode",
        "The network is training, and the part that thawed still computes as in a test until "
        "somebody calls model.train() again: freezing had set its batch norms to eval mode.",
        ("return model.train(model.training)", "return model"),
    ),
)

# ------------------------------------------------------------------ fine-tuning

GROUPS = wrong(
    "parameter_groups",
    (
        "rates reversed",
        "The part next to the image has the largest rate and the head the smallest. Which of them "
        "knows least about the new classes?",
        grouped("larger below"),
        ("enumerate(reversed([part for part in parts if part]))",
         "enumerate([part for part in parts if part])"),
    ),
    (
        "frozen parameters left out",
        "What is frozen now may thaw later, and an optimizer that does not know a parameter never "
        "moves it: without an error, and with a gradient.",
        ("list(part.parameters())", "[p for p in part.parameters() if p.requires_grad]"),
    ),
    (
        "the pool counts as a part",
        "A part without parameters has nothing to learn, and yet the rates below it are smaller by "
        "one more factor.",
        ("if part]", "]"),
    ),
    (
        "one rate for all",
        "Every part has the rate of the head. How far below the head is each of them?",
        ("rate * factor**d", "rate"),
    ),
    (
        "one factor for all that is below",
        "All parts below the head have one rate. Each is to have the factor once more than the "
        "part above it.",
        ("factor**d", "factor ** min(d, 1)"),
    ),
    (
        "the head is one step down",
        "All rates are too small by one factor: the head is the part where nothing is taken off.",
        SLIP,
        ("factor**d", "factor ** (d + 1)"),
    ),
    (
        "divided by the factor",
        "Your rates grow towards the image. The factor is below 1: is it to multiply or to divide?",
        grouped("larger below"),
        ("factor**d", "factor**-d"),
    ),
    (
        "factor times depth",
        "The rate of the head is 0, and two steps down it is larger than one step down. What does "
        "the same factor once more for each step make of it?",
        ("factor**d", "factor * d"),
    ),
)  # fmt: skip

STEP = """            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # Tune.2
"""

FINETUNE = wrong(
    "finetune",
    (
        "gradients pile up",
        "From the second step on the network follows the sum of all gradients so far. What has to "
        "be set back, and when?",
        ("            optimizer.zero_grad()\n", ""),
    ),
    (
        "gradients gone before they are used",
        "No weight ever moves: between the backward pass and the step the gradients are set back.",
        (STEP, STEP.replace("            optimizer.zero_grad()\n", "").replace(
            "loss.backward()\n", "loss.backward()\n            optimizer.zero_grad()\n")),
    ),
    (
        "one step an epoch",
        "There are fewer steps than batches. Is the optimizer inside of the loop over batches?",
        (STEP, STEP.replace("            optimizer.step()  # Tune.2\n", "")),
        ("    model.eval()\n", "        optimizer.step()\n    model.eval()\n"),
    ),
    (
        "nothing thaws",
        "What was frozen in the beginning is frozen in the end. What is `thaw` for?",
        ("if epoch in thaw:", "if False:"),
    ),
    (
        "everything thaws at once",
        "Every part learns from the first epoch on, whatever its turn is.",
        (
            "    losses = torch.zeros(epochs)\n",
            "    losses = torch.zeros(epochs)\n    for name in thaw.values():\n"
            "        unfreeze(model.get_submodule(name))\n",
        ),
    ),
    (
        "everything thaws with the first part",
        "A part has its turn, and all others thaw with it. What do you hand to `unfreeze`?",
        ("unfreeze(model.get_submodule(thaw[epoch]))", "unfreeze(model)"),
    ),
    (
        "thawed one epoch late",
        "A part that is to thaw before epoch 1, the second, still stands still in it. When in the "
        "epoch do you look?",
        SLIP,
        ("thaw[epoch]", "thaw[epoch - 1]"),
        ("epoch in thaw", "epoch - 1 in thaw"),
    ),
    (
        "epochs counted from one",
        "A part thaws one epoch early: the first epoch is 0.",
        SLIP,
        ("thaw[epoch]", "thaw[epoch + 1]"),
        ("epoch in thaw", "epoch + 1 in thaw"),
    ),
    (
        "frozen again at the next epoch",
        "A part learns in the epoch before which it thaws and stands still after it: nobody asked "
        "for it to freeze again.",
        (
            "            unfreeze(model.get_submodule(thaw[epoch]))\n",
            "            unfreeze(model.get_submodule(thaw[epoch]))\n"
            "        elif epoch - 1 in thaw:\n"
            "            freeze(model.get_submodule(thaw[epoch - 1]))\n",
        ),
    ),
    (
        "trained in eval mode",
        "The running statistics of parts that learn do not move: the network computes as in a test "
        "while it trains.",
        ("        model.train()\n", ""),
    ),
    (
        "left in train mode",
        "After training, looking at one test image changes the network: in which mode do you leave "
        "it?",
        ("    model.eval()\n", ""),
    ),
    (
        "the loss of the last batch",
        "Your loss of an epoch is that of one batch. All of its batches are to be averaged.",
        ("losses[epoch] += loss.item() / len(batches)", "losses[epoch] = loss.item()"),
    ),
    (
        "the sum of the losses",
        "Your losses are too large by one factor: how many batches has an epoch?",
        ("loss.item() / len(batches)", "loss.item()"),
    ),
    (
        "one loss for all epochs",
        "There should be one number for each epoch, to see whether it falls.",
        ("return losses", "return losses.mean()"),
    ),
)  # fmt: skip

MISCONCEPTIONS = (
    *STANDARDIZE,
    *PROBE,
    *SEPARATING,
    *MATRIX,
    *FEATURES,
    *CACHED,
    *HEAD,
    *FREEZE,
    *FROZEN_TWICE,
    *UNFREEZE,
    *GROUPS,
    *FINETUNE,
)

# ------------------------------------------------------------------ other right answers


def standardize_by_feature(x_train, x):
    """Column by column."""
    z = np.empty_like(x)
    for d in range(x.shape[1]):
        column = x_train[:, d]
        deviation = np.sqrt(np.mean((column - column.mean()) ** 2))
        z[:, d] = x[:, d] - column.mean()
        if deviation != 0:
            z[:, d] /= deviation
    return z


def standardize_with_numpys_functions(x_train, x):
    """By np.mean, np.std and a mask."""
    mean, deviation = (
        np.mean(x_train, axis=0, keepdims=True),
        np.std(x_train, axis=0, keepdims=True),
    )
    deviation[deviation == 0] = 1
    return np.divide(np.subtract(x, mean), deviation)


def probe_by_sorting(fit, x_train, y_train, x_val, y_val, x_test, penalties):
    """All fits first, then the best of them."""
    fits = [fit(standardize(x_train, x_train), y_train, p) for p in penalties]

    def classes(x, k):
        w, b = fits[k]
        return np.argmax(standardize(x_train, x) @ w + b, axis=1)

    right_ones = [int((classes(x_val, k) == y_val).sum()) for k in range(len(penalties))]
    k = right_ones.index(max(right_ones))
    return classes(x_test, k), penalties[k]


def probe_with_a_second_fit(fit, x_train, y_train, x_val, y_val, x_test, penalties):
    """Remember only the penalty, and fit it again in the end."""
    z = standardize(x_train, x_train)
    errors = {}
    for penalty in penalties:
        w, b = fit(z, y_train, penalty)
        scores = standardize(x_train, x_val) @ w + b
        errors[penalty] = np.mean(scores.argmax(1) != y_val)
    penalty = min(penalties, key=lambda penalty: errors[penalty])
    w, b = fit(z, y_train, penalty)
    return (standardize(x_train, x_test) @ w + b).argmax(1), penalty


def one_far_example(x_train):
    """The training features, and one that is far away."""
    return np.vstack([x_train, x_train.max(axis=0) + 100.0])


def separating_by_search(x_train):
    """Move the features until the sides differ."""
    for shift in range(1, 50):
        x = x_train + float(shift)
        own = standardize(x_train, x)
        alone = (x - x.mean(axis=0)) / x.std(axis=0)
        if ((own > 0.5) & (alone < -0.5)).any():
            return x
    return x_train


def matrix_by_comprehension(cells, ways, seeds):
    """A list of lists of lists."""
    table = []
    for cell in cells:
        data = [cell(seed) for seed in seeds]
        table.append([[way(d, s) for d, s in zip(data, seeds, strict=True)] for way in ways])
    return np.array(table)


def matrix_by_appending(cells, ways, seeds):
    """One long list, given its shape in the end."""
    numbers = []
    for cell in cells:
        made = dict(zip(seeds, map(cell, seeds), strict=True))
        for way in ways:
            numbers += [way(made[seed], seed) for seed in seeds]
    return np.reshape(numbers, (len(cells), len(ways), len(seeds)))


def matrix_by_seeds_first(cells, ways, seeds):
    """The axes moved into their places."""
    runs = []
    for seed in seeds:
        data = [cell(seed) for cell in cells]
        runs.append([[way(d, seed) for way in ways] for d in data])
    return np.moveaxis(np.array(runs), 0, -1)


def features_part_by_part(model, x, stage, pooled):
    """Without a hook: through the parts until the stage is reached."""
    model.eval()
    rows = []
    with torch.no_grad():
        for start in range(0, len(x), 64):
            a = x[start : start + 64]
            for name, part in model.named_children():
                a = part(a)
                if name == stage:
                    break
            rows.append(a)
    a = torch.cat(rows, dim=0)
    if a.dim() == 4 and pooled:
        return a.mean(dim=(2, 3))
    return a.reshape(len(a), -1)


def features_of_all_at_once(model, x, stage, pooled):
    """One forward pass, in inference mode; the network gets its mode back."""
    kept: dict[str, torch.Tensor] = {}
    was = model.training
    handle = dict(model.named_modules())[stage].register_forward_hook(
        lambda module, inputs, output: kept.update(out=output)
    )
    model.train(False)
    try:
        with torch.inference_mode():
            model(x)
    finally:
        handle.remove()
        model.train(was)
    a = kept["out"].clone()
    if a.ndim > 2 and pooled:
        a = nn.functional.adaptive_avg_pool2d(a, 1)
    return torch.flatten(a, 1)


def features_by_slice(model, x, stage, pooled):
    """Through the first children as a network of their own."""
    names = [name for name, _ in model.named_children()]
    body = model.eval()[: names.index(stage) + 1]
    with torch.no_grad():
        a = torch.vstack([body(one[None]) for one in x])
    return a.flatten(2).mean(-1) if pooled and a.ndim == 4 else a.flatten(1)


def cached_with_torch_save(model, x, stage, pooled, folder):
    """A folder of tensors, named by two hashes."""

    def digest(tensors):
        return hashlib.md5(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()

    digests = digest(model.state_dict().values()), digest([x])
    name = "-".join([*digests, *map(str, x.shape), stage, str(pooled)])
    path = Path(folder) / (name + ".pt")
    if path.is_file():
        return torch.load(path, weights_only=True)
    features = extract_features(model, x, stage, pooled)
    torch.save(features, path)
    return features


def cached_as_array(model, x, stage, pooled, folder):
    """A folder of arrays, named by one hash over everything."""
    from numpy import load, save

    content = hashlib.sha256(f"{stage}/{pooled}/{tuple(x.shape)}".encode())
    for tensor in [*model.state_dict().values(), x]:
        content.update(tensor.cpu().numpy().tobytes())
    path = Path(folder, content.hexdigest() + ".npy")
    if path.exists():
        return torch.from_numpy(load(path))
    features = extract_features(model, x, stage, pooled)
    save(path, features.numpy())
    return features


def cached_by_comparing(model, x, stage, pooled, folder):
    """Keep what was asked beside what was answered, and compare it all."""
    asked = {**model.state_dict(), "images": x}
    for path in Path(folder).glob(f"{stage}_{pooled}_*.pt"):
        kept = torch.load(path, weights_only=True)
        if all(torch.equal(kept["asked"][name], asked[name]) for name in asked):
            return kept["features"]
    features = extract_features(model, x, stage, pooled)
    number = len(list(Path(folder).iterdir()))
    torch.save(
        {"asked": asked, "features": features}, Path(folder) / f"{stage}_{pooled}_{number}.pt"
    )
    return features


def head_by_setattr(model, n_classes):
    """Zeroed under no_grad, then moved like a weight."""
    head = nn.Linear(model.head.weight.shape[1], n_classes)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    setattr(model, "head", head.to(model.head.weight))  # noqa: B010
    return model


def head_of_zeros(model, n_classes):
    """New parameters in a new layer."""
    weight = model.head.weight
    head = nn.Linear(weight.shape[1], n_classes)
    head.weight = nn.Parameter(weight.new_zeros(n_classes, weight.shape[1]))
    head.bias = nn.Parameter(weight.new_zeros(n_classes))
    model._modules["head"] = head
    return model


def freeze_by_shadowing_train(model):
    """A batch norm in eval mode whose own train() does nothing."""
    model.requires_grad_(False)
    model.zero_grad(set_to_none=True)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
            vars(part)["train"] = lambda mode=True, part=part: part
    return model


def unfreeze_by_unshadowing(model):
    """Give the batch norms their own train() back."""
    model.requires_grad_(True)
    for part in model.modules():
        part.__dict__.pop("train", None)
    model.train(model.training)
    return model


def freeze_by_class(model):
    """A batch norm becomes one that ignores train()."""

    class Frozen(nn.BatchNorm2d):
        def train(self, mode=True):
            return super().train(False)

    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.__class__ = Frozen
            part.train()
    for p in model.parameters():
        p.requires_grad = False
        p.grad = None
    return model


def unfreeze_by_class(model):
    """The class as it was."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.__class__ = nn.BatchNorm2d
    for p in model.parameters():
        p.requires_grad = True
    return model.train(model.training)


def freeze_by_lambda(model):
    """A hook of one's own, on every module."""
    for p in model.parameters():
        p.requires_grad, p.grad = False, None
    for module in model.modules():
        if "BatchNorm" in type(module).__name__:
            module.register_forward_pre_hook(lambda m, args: setattr(m, "training", False))
    return model


def unfreeze_by_clearing(model):
    """All hooks off, the mode handed down."""
    for module in model.modules():
        module._forward_pre_hooks.clear()
        module.training = model.training
        for p in module.parameters(recurse=False):
            p.requires_grad_()
    return model


def groups_by_loop(model, rate, factor):
    """From the top down, the rate getting smaller."""
    groups = []
    for part in list(model.children())[::-1]:
        parameters = list(part.parameters())
        if len(parameters) > 0:
            groups.append({"params": parameters, "lr": rate})
            rate *= factor
    return groups


def groups_by_depth(model, rate, factor):
    """By the distance from the last part, in the order of the network, with names."""
    parts = [(n, m) for n, m in model.named_children() if sum(1 for _ in m.parameters())]
    return [
        {
            "name": name,
            "params": list(part.parameters()),
            "lr": rate * factor ** (len(parts) - 1 - i),
        }
        for i, (name, part) in enumerate(parts)
    ]


def finetune_with_a_list(model, batches, optimizer, epochs, thaw):
    """Losses in a list, zero_grad last, every part asked in every epoch."""
    history = []
    optimizer.zero_grad()
    for epoch in range(epochs):
        for when, name in thaw.items():
            if when == epoch:
                unfreeze(getattr(model, name))
        model.train()
        losses = []
        for images, labels in batches:
            loss = nn.CrossEntropyLoss()(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        history.append(torch.stack(losses).mean())
    model.eval()
    return torch.stack(history)


def finetune_with_log_softmax(model, batches, optimizer, epochs, thaw):
    """The mode set once, the cross-entropy written out."""
    model.train()
    losses = torch.empty(epochs, len(batches))
    for epoch in range(epochs):
        name = thaw.get(epoch)
        if name is not None:
            unfreeze(model.get_submodule(name)).train()
        for k, (x, y) in enumerate(batches):
            model.zero_grad()
            log_p = torch.log_softmax(model(x), dim=1)
            loss = -log_p[torch.arange(len(y)), y].mean()
            loss.backward()
            optimizer.step()
            losses[epoch, k] = loss.item()
    model.train(False)
    return losses.mean(dim=1)


UNBIASED = (
    "Right, with the deviation over N − 1 in place of N (scikit-learn and NumPy divide by N, "
    "PyTorch's std by N − 1). For a probe it makes no difference that could be seen."
)

VARIANTS = (
    *right("standardize", "feature by feature", standardize=standardize_by_feature),
    *right("standardize", "NumPy's functions", standardize=standardize_with_numpys_functions),
    *right(
        "standardize",
        "the variance's root",
        ("x_train.std(axis=0)", "np.sqrt(x_train.var(axis=0))"),
    ),
    *right(
        "standardize",
        "deviation over N − 1",
        ("x_train.std(axis=0)", "x_train.std(axis=0, ddof=1)"),
        remark=UNBIASED,
    ),
    *right("linear_probe", "all fits first", linear_probe=probe_by_sorting),
    *right("linear_probe", "the chosen one fitted again", linear_probe=probe_with_a_second_fit),
    *right(
        "linear_probe",
        "np.argmax, errors counted",
        (
            "accuracy = np.mean((z_val @ w + b).argmax(axis=1) == y_val)",
            "accuracy = -np.sum(np.argmax(np.dot(z_val, w) + b, axis=-1) != y_val)",
        ),
        ("best = -1.0", "best = -np.inf"),
    ),
    *right("separating_features", "one far example", separating_features=one_far_example),
    *right("separating_features", "a search", separating_features=separating_by_search),
    *right(
        "separating_features",
        "all below",
        ("x_train + 3 * x_train.std(axis=0)", "x_train - 20.0"),
    ),
    *right("transfer_matrix", "lists", transfer_matrix=matrix_by_comprehension),
    *right("transfer_matrix", "one long list", transfer_matrix=matrix_by_appending),
    *right("transfer_matrix", "seeds first", transfer_matrix=matrix_by_seeds_first),
    *right("extract_features", "part by part", extract_features=features_part_by_part),
    *right("extract_features", "all at once", extract_features=features_of_all_at_once),
    *right("extract_features", "a slice of the network", extract_features=features_by_slice),
    *right("cached_features", "torch.save", cached_features=cached_with_torch_save),
    *right("cached_features", "np.save", cached_features=cached_as_array),
    *right("cached_features", "everything compared", cached_features=cached_by_comparing),
    *right(
        "cached_features",
        "another hash",
        ("hashlib.sha256", "hashlib.blake2b"),
    ),
    *right("replace_head", "zeroed in place", replace_head=head_by_setattr),
    *right("replace_head", "new parameters", replace_head=head_of_zeros),
    *right(
        "replace_head",
        "by data",
        ("nn.init.zeros_(parameter)", "parameter.data *= 0"),
    ),
    *right("freeze", "train() shadowed", freeze=freeze_by_shadowing_train),
    *right("freeze", "another class", freeze=freeze_by_class),
    *right("freeze", "a hook of its own", freeze=freeze_by_lambda),
    *right(
        "unfreeze",
        "train() shadowed",
        freeze=freeze_by_shadowing_train,
        unfreeze=unfreeze_by_unshadowing,
    ),
    *right("unfreeze", "another class", freeze=freeze_by_class, unfreeze=unfreeze_by_class),
    *right("unfreeze", "hooks cleared", freeze=freeze_by_lambda, unfreeze=unfreeze_by_clearing),
    *right("parameter_groups", "a loop", parameter_groups=groups_by_loop),
    *right("parameter_groups", "by depth, with names", parameter_groups=groups_by_depth),
    *right(
        "parameter_groups",
        "generators",
        (
            "parts = [list(part.parameters()) for part in model.children()]",
            "parts = [[p for _, p in part.named_parameters()] for part in model.children()]",
        ),
    ),
    *right("finetune", "a list of losses", finetune=finetune_with_a_list),
    *right("finetune", "a list, returned", ("torch.zeros(epochs)", "[0.0] * epochs")),
    *right("finetune", "written out", finetune=finetune_with_log_softmax),
    *right(
        "finetune",
        "zero_grad first",
        ("            loss = nn", "            optimizer.zero_grad()\n            loss = nn"),
    ),
)

ANY_START = "any start below 0, the least accuracy, gives way to the first penalty"
ANY_KEY = "other words around what has to be in the key, and bytes in a fixed order need no names"
OWN_FILE = "where, how and from which device the file is written is not asked for"
NO_GPU = "differs on a GPU only, and checks run without one"
ANY_NUMBER = "how many go through the network at once is not asked for"
CHILDREN = "a Sequential goes through its children"
EQUIVALENT = {
    "transfer.separating_features": {"...": "any features that separate are a right answer"},
    "transfer.linear_probe": {
        "best = -2.0": ANY_START,
        "best = -0.5": ANY_START,
        "accuracy = np.sum((z_val @ w + b).argmax(axis=1) == y_val)": "the largest sum has the "
        "largest mean",
    },
    "transfer.torch.extract_features": {
        "for batch in x.split(101):": ANY_NUMBER,
        "for batch in x.split(99):": ANY_NUMBER,
    },
    "transfer.torch.cached_features": {
        "content = hashlib.sha256(f'{stage} _{pooled}'.encode())": ANY_KEY,
        "for name, tensor in {**model.state_dict(), 'x_': x}.items():": ANY_KEY,
        "content.update(f'...encode())": ANY_KEY,
        "f'{name} {tuple(tensor.shape)} {tensor.dtype}'.encode()": ANY_KEY,
        "content": ANY_KEY,
        "left out: content.update(f'{name} {tuple(tensor.shape)} {tensor.dtype}'.encode())": (
            "every number is in the key, as in the variant 'torch.save'"
        ),
        "content.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy())": (
            "the bytes of an array, without a copy"
        ),
        "content.update(tensor.cpu().reshape(-1).numpy().tobytes())": (
            "the same bytes; only bfloat16, which NumPy has not, needs the view"
        ),
        "content.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())": NO_GPU,
        "path = Path(folder) / f'{content.hexdigest()}.pt_'": OWN_FILE,
        "return torch.load(path)": "since PyTorch 2.6 nothing but weights is the default",
        "return torch.load(path, weights_only=False)": "what is in the file was written here",
        "torch.save(extract_features(model, x, stage, pooled), new)": NO_GPU,
        "torch.save(extract_features(model, tensor, stage, pooled).cpu(), new)": (
            "the last of what is hashed are the examples"
        ),
        "new = ...": OWN_FILE,
        "...save(new, extract_features(...": OWN_FILE,
    },
    "transfer.torch.freeze": {
        "if getattr(part, 'running_mean', None) is not None and (not hasattr(part, 'frozen_')):": (
            "that a part may be frozen twice is asked for with `unfreeze`"
        ),
    },
    "transfer.torch.unfreeze": {
        "for parameter in model:": "a part passes it on to its parameters",
    },
    "transfer.torch.parameter_groups": {
        "parts = [list(part.parameters()) for part in model]": CHILDREN,
    },
    "transfer.torch.finetune": {
        "losses[epoch] += loss / len(batches)": "the same numbers, with more kept in memory",
    },
}
