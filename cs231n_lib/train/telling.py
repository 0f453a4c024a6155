"""How long something takes, and how far a prediction was off."""

import statistics
import sys
import time

from cs231n_lib.errors import whole


def timed(function, repeats=5):
    """Return the median time of a call of `function`, in seconds, over `repeats` calls.

    One more comes before, to warm up. It waits for the GPU where PyTorch uses one.

    >>> timed(lambda: sum(range(1000))) < 1
    True
    """
    whole(1)("repeats", repeats)
    seconds = []
    for _ in range(repeats + 1):
        _wait_for_gpu()
        start = time.perf_counter()
        function()
        _wait_for_gpu()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def predicted(guess, measured, unit=""):
    """Print how far a prediction was from what was measured.

    Args:
        guess: the prediction, or None for none; measured: the number; unit: of both, a word.

    >>> predicted(3, 2.0, "s")
    You predicted 3 s; measured: 2 s. Your prediction was 50 % too high.
    >>> predicted(None, 0.25)
    No prediction made; measured: 0.25.
    """
    unit = f" {unit}" if unit else ""
    if guess is None:
        print(f"No prediction made; measured: {measured:.3g}{unit}.")
        return
    said = f"You predicted {guess:.3g}{unit}; measured: {measured:.3g}{unit}."
    if measured == 0:
        print(f"{said} The difference is {guess - measured:.3g}{unit}.")
        return
    off = 100 * (guess - measured) / abs(measured)
    if abs(off) < 0.5:
        print(f"{said} Exactly right.")
    else:
        print(f"{said} Your prediction was {abs(off):.0f} % too {'high' if off > 0 else 'low'}.")


def _wait_for_gpu():
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
