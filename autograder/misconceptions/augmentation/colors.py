"""Wrong answers about contrast, brightness and colour offsets."""

import numpy as np

from autograder.misconceptions.augmentation.shared import (
    IN_PLACE,
    NOT_CUT,
    drawn_elsewhere,
    drawn_elsewhere_in_torch,
    in_both,
)
from autograder.misconceptions.records import (
    grouped,
    with_convention,
    wrong,
)

# ------------------------------------------------------------------ jitter

C = "rng.uniform(1 - contrast, 1 + contrast, (N, 1, 1, 1))"
B = "rng.uniform(-brightness, brightness, (N, 1, 1, 1))"
DRAW_TORCH = "torch.rand((len(x), 1, 1, 1), generator=rng, dtype=x.dtype, device=x.device)"
MEAN = "x.mean(axis=(1, 2, 3), keepdims=True)"
MEAN_TORCH = "x.mean(dim=(1, 2, 3), keepdim=True)"
CB_TORCH = "c, b = 1 + draw(contrast), draw(brightness)"
LERP = "torch.lerp(mean, x, c).add_(b).clip_(0, 1)"

JITTER = (
    *in_both(
        "color_jitter",
        (
            "contrast around black",
            "Give your function an image that is the same grey everywhere: its contrast is 0, and "
            "a factor on 0 changes nothing. From where are values to be stretched?",
            [("(1 - c) * mean + b", "b")],
            [("torch.lerp(mean, x, c)", "(c * x)")],
        ),
        (
            "contrast around medium grey",
            "A dark image gets darker when you raise its contrast. Which brightness should stay "
            "where it is?",
            [("(1 - c) * mean", "(1 - c) * 0.5")],
            [("torch.lerp(mean, x, c)", "torch.lerp(0 * mean + 0.5, x, c)")],
        ),
        (
            "the mean of the batch",
            "What happens to an image should not depend on the others in the batch. Over which "
            "axes do you take the mean?",
            [(MEAN, "x.mean()")],
            [(MEAN_TORCH, "x.mean().reshape(1, 1, 1, 1)")],
        ),
        (
            "one draw for the whole batch",
            "All of your images get the same factor and the same shift. How many numbers does a "
            "batch of N images need?",
            [(C, C.replace("(N,", "(1,")), (B, B.replace("(N,", "(1,"))],
            [(DRAW_TORCH, DRAW_TORCH.replace("(len(x),", "(1,"))],
        ),
        (
            "a draw for each channel",
            "Your images change their tint, since each colour gets numbers of its own. Slide 90 "
            "asks for contrast and brightness of the image.",
            [(C, C.replace("1, 1, 1)", "1, 1, x.shape[3])")),
             (B, B.replace("1, 1, 1)", "1, 1, x.shape[3])"))],
            [(DRAW_TORCH, DRAW_TORCH.replace("(len(x), 1,", "(len(x), x.shape[1],"))],
        ),
        (
            "a draw for each pixel",
            "That is noise. A brighter image is brighter everywhere: how many numbers are drawn "
            "for an image?",
            [(C, C.replace("(N, 1, 1, 1)", "x.shape")), (B, B.replace("(N, 1, 1, 1)", "x.shape"))],
            [(DRAW_TORCH, DRAW_TORCH.replace("(len(x), 1, 1, 1)", "x.shape"))],
        ),
        (
            "a shift for each pixel",
            "That is noise. A brighter image is brighter everywhere: how many shifts are drawn for "
            "an image?",
            grouped("a draw for each pixel"),
            [(B, B.replace("(N, 1, 1, 1)", "x.shape"))],
            [("draw(brightness)",
              "brightness * (2 * torch.rand(x.shape, generator=rng, dtype=x.dtype) - 1)")],
        ),
        (
            "the factor around 0",
            "With contrast = 0 your images become grey areas. Around which number should a factor "
            "lie that changes little?",
            [("1 - contrast, 1 + contrast", "-contrast, contrast")],
            [("1 + draw(contrast)", "draw(contrast)")],
        ),
        (
            "contrast only rises",
            "All of your factors are above 1. Half of them should weaken the contrast.",
            [("1 - contrast, 1 + contrast", "1, 1 + contrast")],
            [("1 + draw(contrast)", "1 + draw(contrast).abs()")],
        ),
        (
            "only ever brighter",
            "All of your shifts are positive. Where does the range of the shift begin?",
            [("-brightness, brightness", "0, brightness")],
            [(", draw(brightness)", ", draw(brightness).abs()")],
        ),
        (
            "brightness as a factor",
            "A factor leaves black pixels black and changes the contrast. What is asked for is "
            "the same shift for all values.",
            [("(1 - c) * mean + b", "(1 - c) * mean\n    out *= 1 + b")],
            [(".add_(b)", ".mul_(1 + b)")],
        ),
        (
            "normal numbers for uniform ones",
            "Your factors and shifts sometimes lie far outside of the range that was asked for.",
            [("rng.uniform(1 - contrast, 1 + contrast,", "rng.normal(1, contrast,"),
             ("rng.uniform(-brightness, brightness,", "rng.normal(0, brightness,")],
            [("return most * (2 * u - 1)", "return most * torch.erfinv(2 * u - 1) * 2**0.5")],
        ),
        (
            "half the range",
            "Your factors and shifts reach half as far as they should. A number from 0 to 1, minus "
            "one half, goes from where to where?",
            [("1 - contrast, 1 + contrast", "1 - contrast / 2, 1 + contrast / 2"),
             ("-brightness, brightness", "-brightness / 2, brightness / 2")],
            [("most * (2 * u - 1)", "most * (u - 0.5)")],
        ),
        (
            *NOT_CUT,
            [("np.clip(out, 0, 1, out=out)", "out")],
            [(".clip_(0, 1)", "")],
        ),
        (
            "what leaves the range comes in at the other end",
            "Your brightest pixels have become dark. A remainder is not what cuts off.",
            [("np.clip(out, 0, 1, out=out)", "out % 1")],
            [(".clip_(0, 1)", ".remainder_(1)")],
        ),
        (
            "squeezed into the range",
            "You move the values of every image until they fit, so the brightness that was drawn "
            "is lost again.",
            [("np.clip(out, 0, 1, out=out)", "(out - out.min() + 0.01) / (np.ptp(out) + 0.02)")],
            [(LERP, "torch.lerp(mean, x, c).add_(b).sigmoid_()")],
        ),
        (
            *IN_PLACE,
            [("out = c * x", "out = x\n    out *= c")],
            [("torch.lerp(mean, x, c)", "x.mul_(c).add_((1 - c) * mean)")],
        ),
    ),
    *drawn_elsewhere("color_jitter", {C: f"np.random{C[3:]}", B: f"np.random{B[3:]}"}),
    *drawn_elsewhere_in_torch("color_jitter", DRAW_TORCH),
)  # fmt: skip

# ------------------------------------------------------------------ components

COV = "centred.T @ centred / len(colors)"


def rows_of_singular_vectors(x):
    """Return the vectors as `svd` gives them."""
    colors = x.reshape(-1, x.shape[-1])
    _, singular, V = np.linalg.svd(colors - colors.mean(axis=0), full_matrices=False)
    return singular**2 / len(colors), V


def by_image(x):
    """Take one colour from each image."""
    colors = x.mean(axis=(1, 2))
    centred = colors - colors.mean(axis=0)
    return np.linalg.eigh(centred.T @ centred / len(colors))


LINES_OF_COMPONENTS = (
    (
        "not centred",
        "Your first component points from black to the mean colour. A covariance is about how "
        "colours differ from their mean.",
        ("colors - colors.mean(axis=0)", "colors"),
    ),
    (
        "one mean for all colours",
        "Red, green and blue have means of their own. Over which axis do you take it?",
        ("colors.mean(axis=0)", "colors.mean()"),
    ),
    (
        "one colour for each image",
        "You average over the pixels before anything else. What is left of how the colours inside "
        "of one image differ?",
        by_image,
    ),
    (
        "divided by the images, not by the pixels",
        "How many colours did you add up: one for each image, or one for each pixel?",
        (COV, "centred.T @ centred / len(x)"),
    ),
    (
        "a sum for a mean",
        "Your eigenvalues grow with the number of pixels. What is a variance divided by?",
        (COV, "centred.T @ centred"),
    ),
    (
        "standard deviations for variances",
        "Your numbers are the roots of the eigenvalues. Which of the two does slide 91 scale by?",
        ("    return eigenvalues, U", "    return np.sqrt(eigenvalues.clip(0)), U"),
    ),
    (
        "components in rows",
        "Your U turns colours the other way round. Does `eigh` put the vectors into its columns "
        "or its rows, and what is asked for?",
        ("    return eigenvalues, U", "    return eigenvalues, U.T"),
    ),
    (
        "components in rows, from the singular values",
        "Your U turns colours the other way round. Does `svd` put the vectors of its last result "
        "into columns or rows, and what is asked for?",
        grouped("components in rows"),
        rows_of_singular_vectors,
    ),
    (
        "eigenvalues sorted without their vectors",
        "Your largest eigenvalue stands beside the component of the smallest. What has to be "
        "sorted with them?",
        ("    return eigenvalues, U", "    return eigenvalues[::-1].copy(), U"),
    ),
    (
        "components as long as their eigenvalue",
        "The components are directions: vectors of length 1. What did you multiply them by?",
        ("    return eigenvalues, U", "    return eigenvalues, U * np.sqrt(eigenvalues.clip(0))"),
    ),
    (
        "correlation for covariance",
        "You divided every colour by its standard deviation, so a colour that hardly varies counts "
        "as much as the others.",
        (COV, "np.corrcoef(centred.T)"),
    ),
    (
        *IN_PLACE,
        ("centred = colors - colors.mean(axis=0)",
         "colors -= colors.mean(axis=0)\n    centred = colors"),
    ),
    (
        "pixels in place of colours",
        "Your components are images. Slide 91 asks for those of the colours: which axis of x has "
        "the length 3?",
        ("x.reshape(-1, x.shape[-1])", "x.reshape(len(x), -1)"),
    ),
)  # fmt: skip
COMPONENTS = wrong(
    "color_components",
    *with_convention(
        "over one pixel less",
        (COV, "centred.T @ centred / (len(colors) - 1)"),
        *LINES_OF_COMPONENTS,
    ),
)

# ------------------------------------------------------------------ offsets

NORMAL = "rng.standard_normal((len(x), len(eigenvalues)))"


def offset_per_pixel(x, eigenvalues, U, std, rng):
    """Draw for every pixel."""
    alpha = std * rng.standard_normal((*x.shape[:3], len(eigenvalues)))
    offsets = ((alpha * eigenvalues) @ U.T).astype(x.dtype)
    return np.clip(x + offsets, 0, 1)


OFFSETS = wrong(
    "pca_color_offsets",
    (
        "an offset for each pixel",
        "That is noise of many colours. The light of a scene has one tint: how many offsets does "
        "an image get?",
        offset_per_pixel,
    ),
    (
        "one offset for the whole batch",
        "All of your images get the same tint. How many offsets does a batch of N images need?",
        (NORMAL, "rng.standard_normal((1, len(eigenvalues))).repeat(len(x), 0)"),
    ),
    (
        "one number for all components",
        "All of your offsets lie on one line. Each component gets a factor of its own.",
        (NORMAL, "rng.standard_normal((len(x), 1)).repeat(len(eigenvalues), 1)"),
    ),
    (
        "the root of the eigenvalue",
        "Your offsets vary as the colours do. That would be a natural choice, but the paper takes "
        "something else times the random factor.",
        ("alpha * eigenvalues", "alpha * np.sqrt(eigenvalues)"),
    ),
    (
        "all components alike",
        "Your offsets do not know which colours are frequent. What tells how much the data varies "
        "along a component?",
        ("(alpha * eigenvalues)", "alpha"),
    ),
    (
        "along the rows of U",
        "Set one factor to 1 and the others to 0: the offset should be a multiple of a *column* "
        "of U. Is yours?",
        ("@ U.T", "@ U"),
    ),
    (
        "along red, green and blue",
        "Your offsets do not use the components. U says in which directions the colours of the "
        "data vary.",
        (" @ U.T", ""),
    ),
    (
        "the standard deviation is left out",
        "Your factors have a standard deviation of 1. Which one was asked for?",
        ("std * rng", "rng"),
    ),
    (
        "the square of the standard deviation",
        "Your factors are too small: a random number times s has the standard deviation s.",
        ("std * rng", "std**2 * rng"),
    ),
    (
        "factors of one sign",
        "Your factors are never negative. Offsets should go both ways along each component.",
        ("std * rng.standard_normal((len(x), len(eigenvalues)))",
         "std * np.abs(rng.standard_normal((len(x), len(eigenvalues))))"),
    ),
    (*NOT_CUT, ("np.clip(out, 0, 1, out=out)", "out")),
    (
        "what leaves the range comes in at the other end",
        "Your brightest pixels have become dark. A remainder is not what cuts off.",
        ("np.clip(out, 0, 1, out=out)", "out % 1"),
    ),
    (
        *IN_PLACE,
        ("out = x + offsets[:, None, None, :].astype(x.dtype)",
         "x += offsets[:, None, None, :].astype(x.dtype)\n    out = x"),
    ),
)  # fmt: skip
OFFSETS += drawn_elsewhere("pca_color_offsets", {NORMAL: f"np.random{NORMAL[3:]}".replace(
    "standard_normal((len(x), len(eigenvalues)))", "randn(len(x), len(eigenvalues))")})  # fmt: skip

MISCONCEPTIONS = (*JITTER, *COMPONENTS, *OFFSETS)
