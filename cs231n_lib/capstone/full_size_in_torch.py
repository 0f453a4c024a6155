"""The capstone's recipe around convolutions, at full size: CIFAR-10 on a GPU (slide 108).

    python -m cs231n_lib.capstone.full_size_in_torch --help

The ingredients are those of lesson 13, made for photographs: batch norm in a residual network, a
rate that warms up and then falls along a cosine, images that are shifted, mirrored and partly
covered at random, weight decay, and instead of several networks the average of one network's
weights, which sees every test image and its mirror image. Layers and optimizer are the library's.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn

from cs231n_lib.augmentation.in_torch import cutout, horizontal_flip, pad_crop
from cs231n_lib.data import SOURCES, load
from cs231n_lib.errors import one_of, whole
from cs231n_lib.generalization.callbacks import Average
from cs231n_lib.generalization.in_torch import ensemble_predict
from cs231n_lib.normalization.modules import BatchNorm2d
from cs231n_lib.optim.optimizers import SGD
from cs231n_lib.schedules.shared import cosine_restarts, linear_warmup
from cs231n_lib.train import fit_torch
from cs231n_lib.zoo import residual_cnn

INGREDIENTS = ("batch norm", "decay", "shifts", "weight decay", "average")
RATE, MOMENTUM, DECAY, BATCH = 0.1, 0.9, 5e-4, 128
COLLECTED = 20  # batches from which the averaged weights get their statistics
AT_ONCE = 500  # images that are answered together


class Prepared(nn.Module):
    """Standardize colours by the training images; in training, disturb each image at random.

    Args:
        x_train: (N, C, H, W) images, for mean and deviation of each channel.
        rng: torch.Generator of the disturbances on the images' device; None for none.

    >>> prepare = Prepared(torch.rand(100, 3, 8, 8), rng=None)
    >>> prepare(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, x_train, rng):
        super().__init__()
        axes = {"dim": (0, 2, 3), "keepdim": True}
        self.register_buffer("mean", x_train.mean(**axes))  # (1, C, 1, 1)
        self.register_buffer("deviation", x_train.std(**axes))
        self.rng = rng

    def forward(self, x):
        """Return images of the same shape."""
        x = (x - self.mean) / self.deviation
        if not self.training or self.rng is None:
            return x
        side = x.shape[3]
        shifted = horizontal_flip(pad_crop(x, side // 8, self.rng), 0.5, self.rng)
        return cutout(shifted, side // 4, self.rng)


def train_full_size(data, recipe, seed, epochs, width=64, device="cpu", progress=None):
    """Train the residual network with the ingredients that are on.

    Args:
        data: a `Dataset` of images (C, H, W).
        recipe: dict, ingredient of `INGREDIENTS` -> on or off; what is left out is off.
        seed: of weights, batches and disturbances.
        epochs: passes over the training images; width: channels of the network's first layer.
        device: where to train; progress: a bar, or the default for None.

    Returns:
        (model, history): the model in eval mode, from images to scores.

    Raises:
        ValueError: for an unknown ingredient, or fewer training images than a batch has.

    Slide 108.

    >>> data = load("digits").images()
    >>> model, history = train_full_size(data, {"decay": True}, seed=0, epochs=1, width=4)
    >>> history.loss[-1] < history.loss[0]
    True
    """
    for name in recipe:
        one_of(*INGREDIENTS)("an ingredient", name)
    whole(1)("epochs", epochs)
    torch.manual_seed(seed)
    rng = torch.Generator(device).manual_seed(seed) if recipe.get("shifts") else None
    norm = BatchNorm2d if recipe.get("batch norm") else nn.Identity
    x_train = torch.as_tensor(data.x_train)
    network = residual_cnn(len(data.classes), x_train.shape[1], width, norm)
    model = nn.Sequential(Prepared(x_train, rng), network).to(device)

    steps = epochs * (len(x_train) // BATCH)
    decay = DECAY if recipe.get("weight decay") else 0.0
    settings = {"momentum": MOMENTUM, "nesterov": True, "weight_decay": decay}
    average = Average(beta=0.995)

    def rate(t):
        falling = cosine_restarts(t, RATE, 0.0, steps, 1) if recipe.get("decay") else RATE
        return linear_warmup(t, falling, max(1, steps // 5), 0.01)

    history = fit_torch(
        model, data, epochs=epochs, batch_size=BATCH, schedule=rate, progress=progress,
        rng=np.random.default_rng(seed), optimizer=SGD(model.parameters(), lr=RATE, **settings),
        callbacks=[average] if recipe.get("average") else [],
    )  # fmt: skip
    if recipe.get("average"):
        parts = x_train[: COLLECTED * BATCH].split(BATCH)
        average.apply(model, [part.to(device) for part in parts])
    return model, history


@torch.inference_mode()
def accuracy(model, x, y):
    """Return the fraction of images (N, C, H, W) that get their label (N,).

    Each image is seen with its mirror image, and the two answers are averaged (slide 93).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> 0 <= accuracy(model, np.zeros((4, 3, 2, 2), np.float32), np.zeros(4, int)) <= 1
    True
    """
    right, device = 0, next(model.parameters()).device
    for start in range(0, len(x), AT_ONCE):
        part = torch.as_tensor(x[start : start + AT_ONCE], device=device)
        _, answers = ensemble_predict(torch.stack([model(part), model(part.flip(3))]))
        right += int((answers.cpu().numpy() == y[start : start + AT_ONCE]).sum())
    return right / len(x)


def main(arguments=None):
    """Train once, and print accuracies and seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m cs231n_lib.capstone.full_size_in_torch", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", default="cifar10", choices=SOURCES, help="default: cifar10")
    parser.add_argument("--images", type=int, help="of the training images; default: all")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--width", type=int, default=64, help="channels of the first layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--without", action="append", default=[], choices=INGREDIENTS, help="may be repeated"
    )
    options = parser.parse_args(arguments)
    data = load(options.data).images()
    if options.images is not None:
        data = data.few(options.images)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = {name: name not in options.without for name in INGREDIENTS}
    print(f"{data}\non {device}, {options.epochs} epochs, width {options.width}")
    start = time.perf_counter()
    model, _ = train_full_size(data, recipe, options.seed, options.epochs, options.width, device)
    seconds = time.perf_counter() - start
    found = [accuracy(model, x, y)
             for x, y in ((data.x_val, data.y_val), (data.x_test, data.y_test))]  # fmt: skip
    print(f"validation {found[0]:.4f}, test {found[1]:.4f}, {seconds:.0f} s")


if __name__ == "__main__":
    main()
