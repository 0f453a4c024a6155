"""Mistakes that every random augmentation can have; records for both frameworks at once."""

from autograder.misconceptions.records import SLIP, wrong


def in_both(function, *lines):
    """Return misconceptions of lines (name, hint, options, edits for NumPy, for PyTorch)."""
    return tuple(
        record
        for name, hint, *options, in_numpy, in_torch in lines
        for framework, edits in (("numpy", in_numpy), ("torch", in_torch))
        for record in wrong(function, (name, hint, *options, *edits), framework=framework)
    )


GLOBAL = (
    "the global generator",
    "A run with the same seed should see the same images. Which generator do your numbers come "
    "from: the one that was passed in?",
)
OWN = (
    "a generator of its own",
    "You draw the same numbers at every call, whatever the seed, so each epoch repeats the one "
    "before. Who should make the generator?",
)


def drawn_elsewhere(function, drawn):
    """Return the mistakes of taking random numbers from another generator, in NumPy.

    Args:
        function: to be written.
        drawn: {what stands in the reference: the same from NumPy's global generator}.
    """
    own = [(old, f"np.random.default_rng(0){old.removeprefix('rng')}") for old in drawn]
    return wrong(function, (*GLOBAL, *drawn.items()), (*OWN, *own), framework="numpy")


def drawn_elsewhere_in_torch(function, *drawn):
    """Return the same mistakes in PyTorch; `drawn` are texts with `generator=rng` in them."""
    anywhere = [(old, old.replace("generator=rng, ", "")) for old in drawn]
    own = [(old, old.replace("=rng, ", "=torch.Generator().manual_seed(0), ", 1)) for old in drawn]
    return wrong(function, (*GLOBAL, *anywhere), (*OWN, *own), framework="torch")


IN_PLACE = (
    "the images are changed in place",
    "After the call your x is another one. The next epoch would augment what this one left behind. "
    "Which statement writes into x?",
    SLIP,
)
NOT_CUT = (
    "nothing is cut off",
    "Some of your values lie below 0 or above 1, which no image has. What is done with them?",
)
SINGLE = (
    "float32, whatever came",
    "Double precision came in and single precision goes out. Which line chooses the dtype?",
    SLIP,
)
