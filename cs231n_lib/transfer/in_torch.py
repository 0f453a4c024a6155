"""What is done to a network of modules: take its features, give it a head, freeze and fine-tune it.

The equations of the package are cited by their tags. A network is a module whose children are its
parts from the image upwards, the last of them a linear layer called `head`, as in `cs231n_lib.zoo`.
"""

import hashlib
import os
from pathlib import Path

import torch
from torch import nn

from cs231n_lib.errors import validated, whole
from cs231n_lib.zoo import use_running_statistics


@validated(x="N ...")
def extract_features(model, x, stage, pooled):
    """Return what a stage of a network makes of every example.

    The network computes as in a test, without gradients, 100 examples at a time; it is left in eval
    mode. Yours may take other batches, as large as memory allows, and give the mode back.

    Args:
        model: the network; x: (N, C, H, W) examples, on its device.
        stage: name of a part, such as "stage3".
        pooled: True averages over the pixels of each channel; False keeps all of them.

    Returns:
        (N, D), D the channels, or channels × pixels; of a part without pixels, (N, D), what it
        makes.

    Raises:
        AttributeError: for a part that the network does not have.

    Slides 99–104.

    >>> from cs231n_lib.zoo import small_cnn
    >>> model, x = small_cnn(10), torch.zeros(5, 1, 16, 16)
    >>> [extract_features(model, x, "stage3", pooled).shape[1] for pooled in (True, False)]
    [64, 256]
    """
    parts = []
    hook = model.get_submodule(stage).register_forward_hook(lambda *call: parts.append(call[-1]))
    model.eval()
    with torch.no_grad(), hook:  # which removes itself
        for batch in x.split(100):
            model(batch)
    a = torch.cat(parts)
    a = a.reshape(*a.shape[:2], -1)  # (N, C, H·W)
    return a.mean(dim=2) if pooled else a.flatten(1)  # Feature.1


@validated(x="N ...")
def cached_features(model, x, stage, pooled, folder):
    """Return `extract_features`, from a file where the same was asked before.

    The file's name is a hash of all that the features depend on: every weight and running statistic
    of the network, every number of the examples and their shape, the stage, and what is done with
    its pixels. A kernel that is started tomorrow finds the file too.

    Args:
        model, x, stage, pooled: as for `extract_features`.
        folder: where the files are; it must exist.

    Returns:
        (N, D) on the CPU.

    Raises:
        AttributeError: for a part that the network does not have.

    Slides 99–101.

    >>> import tempfile
    >>> from cs231n_lib.zoo import small_cnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, again = (
    ...         cached_features(small_cnn(10), torch.ones(2, 1, 16, 16), "stage1", True, folder)
    ...         for _ in range(2)
    ...     )
    ...     bool((first == again).all()), len(os.listdir(folder))
    (True, 1)
    """
    content = hashlib.sha256(f"{stage} {pooled}".encode())
    for name, tensor in {**model.state_dict(), "x": x}.items():
        content.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        content.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    path = Path(folder) / f"{content.hexdigest()}.pt"
    if not path.exists():
        new = path.with_suffix(f".{os.getpid()}.pt")
        torch.save(extract_features(model, x, stage, pooled).cpu(), new)
        os.replace(new, path)  # an interrupted write leaves no half of a file
    return torch.load(path, weights_only=True)


@validated(n_classes=whole(1))
def replace_head(model, n_classes):
    """Put a new linear layer in the place of a network's head; it begins at zero.

    Args:
        model: has a linear layer `head`; changed in place.
        n_classes: scores that the new head gives.

    Returns:
        model. The new head is on the device and of the dtype of the old one.

    Raises:
        AttributeError: when the network has no linear layer `head`.

    Slides 99–101.

    >>> from cs231n_lib.zoo import small_cnn
    >>> replace_head(small_cnn(10), 6)(torch.rand(1, 1, 16, 16))
    tensor([[0., 0., 0., 0., 0., 0.]], grad_fn=<AddmmBackward0>)
    """
    old = model.head
    like_old = {"device": old.weight.device, "dtype": old.weight.dtype}
    model.head = nn.Linear(old.in_features, n_classes, **like_old)
    for parameter in model.head.parameters():
        nn.init.zeros_(parameter)  # Head.1
    return model


def freeze(model):
    """Let nothing in a network or a part of it change any more, whatever mode it is set to.

    Args:
        model: a module; changed in place.

    Returns:
        model: its parameters ask for no gradient and have none, so that neither weight decay nor
        momentum moves them; its batch norms use their running statistics, and keep them.

    Slides 100–101.

    >>> from cs231n_lib.zoo import small_cnn
    >>> model = small_cnn(10)
    >>> _ = freeze(model.stage1)
    >>> [p.requires_grad for p in (model.stage1[0].weight, model.head.weight)]
    [False, True]
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None  # Freeze.1
    for part in model.modules():
        if getattr(part, "running_mean", None) is not None and not hasattr(part, "frozen"):
            part.frozen = part.register_forward_pre_hook(use_running_statistics)  # Freeze.2
    return model


def unfreeze(model):
    """Undo `freeze`, however often it was called: let a network or a part of it learn again.

    Args:
        model: a module; changed in place. What was not frozen stays as it is.

    Returns:
        model: in the mode, train or eval, that it was set to last.

    Slides 100–101.

    >>> from cs231n_lib.zoo import small_cnn
    >>> model = unfreeze(freeze(small_cnn(10)))
    >>> all(p.requires_grad for p in model.parameters())
    True
    """
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    for part in model.modules():
        if hasattr(part, "frozen"):
            part.frozen.remove()
            del part.frozen
    return model.train(model.training)


@validated(rate="positive", factor="fraction")
def parameter_groups(model, rate, factor):
    """Return an optimizer's parameter groups: the deeper below the head, the smaller the rate.

    Args:
        model: a network; its children with parameters, from the last one down, are one step apart.
        rate: of the head; factor: from a part to the one below it, 0 to 1.

    Returns:
        list of {"params": parameters, "lr": rate}, one for each of these parts. Frozen parameters
        are in it too: they may be unfrozen later.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Slide 101; Howard & Ruder 2018.

    >>> from cs231n_lib.zoo import small_cnn
    >>> [group["lr"] for group in parameter_groups(small_cnn(10), 1.0, 0.5)]
    [1.0, 0.5, 0.25, 0.125]
    """
    parts = [list(part.parameters()) for part in model.children()]
    below_head = enumerate(reversed([part for part in parts if part]))
    return [{"params": part, "lr": rate * factor**d} for d, part in below_head]  # Tune.1


@validated(epochs=whole(1))
def finetune(model, batches, optimizer, epochs, thaw):
    """Train a network of which parts are frozen, and unfreeze them as the epochs go by.

    Args:
        model: a network from examples to scores; left in eval mode.
        batches: list of (x, y), used in this order in every epoch.
        optimizer: over all parameters that will ever learn.
        epochs: how many, at least one.
        thaw: {epoch: name of the part to unfreeze before it}; the first epoch is 0.

    Returns:
        losses (epochs,): the mean cross-entropy of each epoch's batches, a tensor or a list.

    Raises:
        ValueError: for less than one epoch; yours may do otherwise.

    Slides 100–104; Howard & Ruder 2018.

    >>> from cs231n_lib.zoo import small_cnn
    >>> model = small_cnn(2)
    >>> _ = freeze(model.stage1)
    >>> sgd = torch.optim.SGD(parameter_groups(model, 0.1, 0.5))
    >>> batches = [(torch.rand(8, 1, 16, 16), torch.arange(8) % 2)]
    >>> finetune(model, batches, sgd, 2, {1: "stage1"}).shape
    torch.Size([2])
    """
    losses = torch.zeros(epochs)
    for epoch in range(epochs):
        if epoch in thaw:
            unfreeze(model.get_submodule(thaw[epoch]))
        model.train()
        for x, y in batches:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # Tune.2
            losses[epoch] += loss.item() / len(batches)
    model.eval()
    return losses
