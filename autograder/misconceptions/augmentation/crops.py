"""Wrong answers about flips, crops and scales."""

import numpy as np

from autograder.misconceptions.augmentation.shared import (
    IN_PLACE,
    SINGLE,
    drawn_elsewhere,
    drawn_elsewhere_in_torch,
    in_both,
)
from autograder.misconceptions.records import SLIP, fundamental, wrong

# ------------------------------------------------------------------ horizontal flip

FLIPS, MIRRORED = "rng.random(len(x)) < p", "x[:, :, ::-1]"
FLIPS_TORCH = "torch.rand(len(x), generator=rng, device=x.device) < p"


def flip_in_place(x, p, rng):
    """Mirror some images where they are."""
    flips = rng.random(len(x)) < p
    x[flips] = x[flips][:, :, ::-1]
    return x


FLIP = (
    *in_both(
        "horizontal_flip",
        (
            "one draw for the whole batch",
            "Your batches are mirrored as a whole or not at all. How many random numbers does a "
            "batch of N images need?",
            [(FLIPS, "np.full(len(x), rng.random() < p)")],
            [(FLIPS_TORCH, "(torch.rand(1, generator=rng) < p).expand(len(x))")],
        ),
        (
            "the batch is turned round",
            "You reverse the order of the images, and each stays as it was. Which axis goes from "
            "left to right?",
            [(MIRRORED, "x[::-1]")],
            [("x.flip(3)", "x.flip(0)")],
        ),
        (
            "upside down",
            "Your mirror lies on the floor. Rows are counted from top to bottom: which axis is to "
            "be reversed?",
            [(MIRRORED, "x[:, ::-1]")],
            [("x.flip(3)", "x.flip(2)")],
        ),
        (
            "the colours are reversed",
            "Red became blue. Which of the axes holds the channels, and which the columns?",
            [(MIRRORED, "x[..., ::-1]")],
            [("x.flip(3)", "x.flip(1)")],
        ),
        (
            "p is the chance of staying",
            "With p = 1 your images stay as they are. What should happen where the random number "
            "is below p?",
            [("< p", ">= p")],
            [("device=x.device) < p", "device=x.device) >= p")],
        ),
        (
            "always one half",
            "Whatever p is, half of your images are mirrored. Where does p come in?",
            [("< p", "< 0.5")],
            [("device=x.device) < p", "device=x.device) < 0.5")],
        ),
        (
            "normal numbers for uniform ones",
            "A number between 0 and 1, every one as likely, is below p with probability p. A "
            "normal one is not, and can be negative.",
            [("rng.random(len(x))", "rng.standard_normal(len(x))")],
            [("torch.rand(len(x)", "torch.randn(len(x)")],
        ),
        (
            "the first images of the batch",
            "The right number of images is mirrored, but always the same ones. What should decide "
            "about an image?",
            [(FLIPS, "np.arange(len(x)) < p * len(x)")],
            [(FLIPS_TORCH, "torch.arange(len(x)) < p * len(x)")],
        ),
    ),
    *wrong("horizontal_flip", (*IN_PLACE, flip_in_place), framework="numpy"),
    *wrong(
        "horizontal_flip",
        (*IN_PLACE, ("return torch.where(flips[:, None, None, None], x.flip(3), x)",
                     "x[flips] = x[flips].flip(3)\n    return x")),
        framework="torch",
    ),
    *drawn_elsewhere("horizontal_flip", {"rng.random(len(x))": "np.random.rand(len(x))"}),
    *drawn_elsewhere_in_torch("horizontal_flip", "(len(x), generator=rng, device=x.device)"),
)  # fmt: skip

# ------------------------------------------------------------------ pad and crop

PLACES = "rng.integers(0, 2 * pad + 1, (2, N))"
PLACES_TORCH = "torch.randint(2 * pad + 1, (2, N), generator=rng, device=rng.device)"


def repeated_border(x, pad, rng):
    """Repeat the border."""
    N, H, W, _ = x.shape
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    r, s = rng.integers(0, 2 * pad + 1, (2, N))
    return np.stack([padded[n, r[n] : r[n] + H, s[n] : s[n] + W] for n in range(N)])


def mirrored_border(x, pad, rng):
    """Mirror what lies inside."""
    N, H, W, _ = x.shape
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
    r, s = rng.integers(0, 2 * pad + 1, (2, N))
    return np.stack([padded[n, r[n] : r[n] + H, s[n] : s[n] + W] for n in range(N)])


def rolled(x, pad, rng):
    """Let what leaves on one side come in on the other."""
    shifts = rng.integers(-pad, pad + 1, (len(x), 2))
    pairs = zip(x, shifts, strict=True)
    return np.stack([np.roll(image, shift, axis=(0, 1)) for image, shift in pairs])


def padded_after(x, pad, rng):
    """Cut a smaller window out, then put zeros around it."""
    N, H, W, _ = x.shape
    out = np.zeros_like(x)
    r, s = rng.integers(0, 2 * pad + 1, (2, N))
    for n in range(N):
        window = x[n, r[n] : r[n] + H - 2 * pad, s[n] : s[n] + W - 2 * pad]
        out[n, pad : pad + window.shape[0], pad : pad + window.shape[1]] = window
    return out


PAD_CROP = (
    *in_both(
        "pad_crop",
        (
            "the last row and column are never reached",
            "Your random numbers stop one too early: the upper bound is not drawn itself. How "
            "many places are there for a window of H rows in H + 2·pad?",
            SLIP,
            [(PLACES, "rng.integers(0, 2 * pad, (2, N))")],
            [(PLACES_TORCH, PLACES_TORCH.replace("2 * pad + 1", "2 * pad"))],
        ),
        (
            "the first row and column are never reached",
            "Your random numbers begin one too late. Where does the first window begin?",
            SLIP,
            [(PLACES, "rng.integers(1, 2 * pad + 1, (2, N))")],
            [(PLACES_TORCH, PLACES_TORCH.replace("2 * pad + 1", "1, 2 * pad + 1"))],
        ),
        (
            "one place for the whole batch",
            "All images of a batch move together. How many places have to be drawn?",
            [(PLACES, "rng.integers(0, 2 * pad + 1, (2, 1)).repeat(N, 1)")],
            [(PLACES_TORCH, PLACES_TORCH.replace("(2, N)", "(2, 1)") + ".repeat(1, N)")],
        ),
        (
            "half of the places",
            "Your windows begin in the upper left part only. With zeros on both sides, how many "
            "places are there along one axis?",
            SLIP,
            [(PLACES, "rng.integers(0, pad + 1, (2, N))")],
            [(PLACES_TORCH, PLACES_TORCH.replace("2 * pad + 1", "pad + 1"))],
        ),
        (
            "one number for rows and columns",
            "Your windows move along the diagonal only: as far to the right as they go down. How "
            "many numbers does a place need?",
            [(PLACES, "np.tile(rng.integers(0, 2 * pad + 1, N), (2, 1))")],
            [(PLACES_TORCH, PLACES_TORCH.replace("(2, N)", "(N,)") + ".repeat(2, 1)")],
        ),
        (
            "rows move, columns do not",
            "Your windows move up and down, never to the side. What does the column of a window "
            "begin with?",
            [(PLACES, "rng.integers(0, 2 * pad + 1, N), np.full(N, pad)")],
            [(PLACES_TORCH, f"torch.stack([{PLACES_TORCH}[0], torch.full((N,), pad)])")],
        ),
        (
            "height and width exchanged",
            "A window of W rows and H columns is another image. Which size comes first?",
            fundamental("its windows leave the padded image, and have different sizes"),
            [("r[n] : r[n] + H, s[n] : s[n] + W", "r[n] : r[n] + W, s[n] : s[n] + H")],
            [("r[n] : r[n] + H, s[n] : s[n] + W", "r[n] : r[n] + W, s[n] : s[n] + H")],
        ),
        (
            "zeros on two sides only",
            "Your image stands in the upper left corner of the larger one. Where should it stand, "
            "if there are as many zeros on every side?",
            [("padded[pad : pad + H, pad : pad + W]", "padded[:H, :W]")],
            [("padded[:, :, pad : pad + H, pad : pad + W]", "padded[:, :, :H, :W]")],
        ),
        (
            "ones around the image",
            "What you put around the image is white. The exercise asks for black: which number is "
            "that?",
            [("np.zeros(", "np.ones(")],
            [("x.new_zeros(", "x.new_ones(")],
        ),
    ),
    *wrong(
        "pad_crop",
        (
            "the border repeated",
            "Outside of the image you repeat its outermost pixels. The exercise asks for zeros.",
            repeated_border,
        ),
        (
            "the border mirrored",
            "Outside of the image you mirror what is inside. The exercise asks for zeros.",
            mirrored_border,
        ),
        (
            "what leaves on one side comes in on the other",
            "Your images are rolled round: a piece of the left side stands at the right. What "
            "should stand there?",
            rolled,
        ),
        (
            "padded after the crop",
            "First the zeros, then the window: you cut a part of the image away every time and "
            "frame the rest, so that an image is never shown whole.",
            padded_after,
        ),
        framework="numpy",
    ),
    *in_both(
        "pad_crop",
        (
            *IN_PLACE,
            [("out = np.zeros_like(x)", "out = x")],
            [("return torch.stack(windows)", "x[...] = torch.stack(windows)\n    return x")],
        ),
    ),
    *drawn_elsewhere("pad_crop", {PLACES: "np.random.randint(0, 2 * pad + 1, (2, N))"}),
    *drawn_elsewhere_in_torch("pad_crop", PLACES_TORCH),
)

# ------------------------------------------------------------------ resize

ROWS = "(np.arange(H_new) + 0.5) * H / H_new - 0.5"
COLUMNS = "(np.arange(W_new) + 0.5) * W / W_new - 0.5"


SIZES = "(round(L * side / min(H, W)) for side in (H, W))"

RESIZE = wrong(
    "resize_short_side",
    (
        "corners for centres",
        "Enlarge a picture of two pixels, one black, one white. Is yours a mirror image of itself "
        "with the colours exchanged? A pixel's centre lies half a pixel from its edge, in the "
        "small image and in the large one.",
        (ROWS, "np.arange(H_new) * H / H_new"),
        (COLUMNS, "np.arange(W_new) * W / W_new"),
    ),
    (
        "the outermost centres are kept",
        "You spread the new pixels from the first centre to the last, so half a pixel is lost at "
        "every edge. It is the edges that should stay.",
        (ROWS, "np.linspace(0, H - 1, H_new)"),
        (COLUMNS, "np.linspace(0, W - 1, W_new)"),
    ),
    (
        "half a pixel added and not taken away",
        "Your image moves by half a pixel to the upper left. The half is added in new pixels: in "
        "which unit is it taken away again?",
        (ROWS, "(np.arange(H_new) + 0.5) * H / H_new"),
        (COLUMNS, "(np.arange(W_new) + 0.5) * W / W_new"),
    ),
    (
        "the scale upside down",
        "When the image gets larger, do neighbouring new pixels lie closer together in the old "
        "one, or further apart?",
        (ROWS, "(np.arange(H_new) + 0.5) * H_new / H - 0.5"),
        (COLUMNS, "(np.arange(W_new) + 0.5) * W_new / W - 0.5"),
    ),
    (
        "the height taken for the short side",
        "Try an image that is higher than wide. Which of its sides is the short one?",
        ("min(H, W)) for side", "H) for side"),
    ),
    (
        "the long side gets L",
        "Your *long* side has L pixels, and a crop of that size would not fit.",
        ("min(H, W)) for side", "max(H, W)) for side"),
    ),
    (
        "a square, whatever the proportions",
        "Both of your sides have L pixels, so a wide image is squeezed. What should stay the same?",
        (SIZES, "(L, L)"),
    ),
    (
        "the other side stays",
        "You changed the short side alone, and the image is stretched. By which factor does the "
        "long one grow?",
        (SIZES, "(L if side == min(H, W) else side for side in (H, W))"),
    ),
    (
        "nearest pixel",
        "Every one of your new pixels is a copy of an old one. Places between two pixels are "
        "there to be interpolated: what do you round, and why?",
        ("bilinear(x, rows[:, None], columns[None, :])",
         "bilinear(x, rows[:, None].round(), columns[None, :].round())"),
    ),
    (
        "rows and columns exchanged",
        "Your high images come out wide. Along which axis of the result do the rows change?",
        ("bilinear(x, rows[:, None], columns[None, :])",
         "bilinear(x, rows[None, :], columns[:, None])"),
    ),
    (
        *SINGLE,
        ("columns[None, :])", "columns[None, :]).astype(np.float32)"),
    ),
)  # fmt: skip

FRAME = "frame[:, [0, -1]] = frame[:, :, [0, -1]] = 1.0"

SEPARATING = wrong(
    "separating_image",
    (
        "the same everywhere",
        "An image without any change looks the same wherever one looks. Where does it matter that "
        "one looks half a pixel too far to the left?",
        (FRAME, "frame[...] = 0.5"),
    ),
    (
        "hardly any contrast",
        "You are on the right way; the two results should differ by a fifth of the range at least.",
        (FRAME, "frame[:, [0, -1]] = 0.1"),
    ),
    (
        "no mirror image of itself",
        "Of such an image nobody knows what its resized form should look like. The symmetry is "
        "what a right resize keeps.",
        (FRAME, "frame[:, 0] = 1.0"),
    ),
    (
        "values up to 255",
        "Images of floats go from 0 to 1 in this lesson. Which range has yours?",
        (FRAME, "frame[:, [0, -1]] = 255.0"),
    ),
    (
        "too small",
        "The image should have at least 8 rows and columns.",
        ("(1, 8, 8, 1)", "(1, 4, 4, 1)"),
    ),
)

# ------------------------------------------------------------------ ten crops

CORNERS = "(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)"
BOTH = "np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)"

TEN = wrong(
    "ten_crop",
    (
        "corners in another order",
        "Upper right comes before lower left. Label the corners of a small image and look at your "
        "crops one by one.",
        ("(0, right), (bottom, 0)", "(bottom, 0), (0, right)"),
    ),
    (
        "no mirror images",
        "Your last five crops are the first five again. What makes ten of five?",
        ("crops[:, :, :, ::-1]", "crops"),
    ),
    (
        "the crops before the images",
        "Your first axis counts the crops, and the second one the images. Which axis should say "
        "which image it is?",
        ("return np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)",
         "return np.concatenate([crops, crops[:, :, :, ::-1]], axis=1).swapaxes(0, 1)"),
    ),
    (
        "mirrored top to bottom",
        "Your last five crops stand on their heads. In (N, 5, size, size, C), which axis goes from "
        "left to right?",
        ("crops[:, :, :, ::-1]", "crops[:, :, ::-1]"),
    ),
    (
        "each crop beside its mirror image",
        "The order is five crops, then their mirror images. You go to and fro between the two.",
        (BOTH, "np.stack([crops, crops[:, :, :, ::-1]], 2).reshape(len(x), 10, *crops.shape[2:])"),
    ),
    (
        "the mirror images in reversed order",
        "The mirror image of the first crop is the sixth. Which axes do you reverse?",
        ("crops[:, :, :, ::-1]", "crops[:, ::-1, :, ::-1]"),
    ),
    (
        "the last row and column are left out",
        "Your lower and right crops end one pixel before the edge. With H rows, at which row does "
        "a crop begin that ends with the last one?",
            SLIP,
        ("H - size, W - size", "H - size - 1, W - size - 1"),
    ),
    (
        "an odd margin rounded up",
        "Of an odd margin, the smaller half should lie above and to the left of the centre crop.",
            SLIP,
        ("(bottom // 2, right // 2)", "((bottom + 1) // 2, (right + 1) // 2)"),
    ),
    (
        "height and width exchanged",
        "The lowest row at which a crop can begin comes from the height, and the last column from "
        "the width.",
        ("bottom, right = ", "right, bottom = "),
    ),
    (
        "the centre is a quarter of the way",
        "Half of what is left over belongs above the centre crop, and half below it.",
        ("(bottom // 2, right // 2)", "(bottom // 4, right // 4)"),
    ),
    (
        *SINGLE,
        ("for r, s in corners], axis=1)", "for r, s in corners], axis=1).astype(np.float32)"),
    ),
)  # fmt: skip

# ------------------------------------------------------------------ the average

MEAN = ".reshape(N, K, -1).mean(axis=1)"


def averaged_scores(crops, predict):
    """Average logarithms, then make probabilities of them."""
    N, K = crops.shape[:2]
    p = predict(crops.reshape(N * K, *crops.shape[2:])).reshape(N, K, -1)
    mean = np.exp(np.log(p).mean(axis=1))
    return mean / mean.sum(axis=1, keepdims=True)


def voted(crops, predict):
    """Let every crop vote for one class."""
    N, K = crops.shape[:2]
    p = predict(crops.reshape(N * K, *crops.shape[2:]))
    votes = np.eye(p.shape[1])[p.argmax(axis=1)]
    return votes.reshape(N, K, -1).mean(axis=1)


AVERAGE = wrong(
    "average_over_crops",
    (
        "probabilities multiplied",
        "One crop that says 0 decides alone, and what comes out does not add up to 1. What kind "
        "of average is a product?",
        (MEAN, ".reshape(N, K, -1).prod(axis=1)"),
    ),
    (
        "added, and not divided",
        "Your probabilities add up to the number of crops.",
        (MEAN, ".reshape(N, K, -1).sum(axis=1)"),
    ),
    (
        "the largest of each class",
        "Your probabilities add up to more than 1. A largest value is no average.",
        (MEAN, ".reshape(N, K, -1).max(axis=1)"),
    ),
    (
        "votes in place of probabilities",
        "Each of your crops has one vote. A crop that is nearly undecided then counts as much as "
        "one that is sure: keep what the network says of all classes.",
        voted,
    ),
    (
        "scores averaged in place of probabilities",
        "You average logarithms and make probabilities of the result. That is a geometric mean; "
        "the slide averages what the network says.",
        averaged_scores,
    ),
    (
        "images and crops exchanged",
        "You average crops of different images. In the long list of N·K crops, which come first: "
        "all crops of the first image, or the first crop of all images?",
        (MEAN, ".reshape(K, N, -1).mean(axis=0)"),
    ),
    (
        "the crops averaged before the network",
        "A mean of ten crops is a blurred picture that the network has never seen. What is to be "
        "averaged: what goes in, or what comes out?",
        ("predict(crops.reshape(N * K, *crops.shape[2:]))  # (N·K, classes)\n"
         "    return probabilities.reshape(N, K, -1).mean(axis=1)",
         "predict(crops.mean(axis=1))\n    return probabilities"),
    ),
    (
        "the first crop alone",
        "Of K crops you use the first. What are the others for?",
        (MEAN, ".reshape(N, K, -1)[:, 0]"),
    ),
    (
        "one average for all images",
        "Every image gets the same answer. Over which axis do you take the mean?",
        (MEAN, ".mean(axis=0, keepdims=True).repeat(N, axis=0)"),
    ),
)  # fmt: skip

MISCONCEPTIONS = (*FLIP, *PAD_CROP, *RESIZE, *SEPARATING, *TEN, *AVERAGE)
