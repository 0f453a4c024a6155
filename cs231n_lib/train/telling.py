"""How long something takes, and how far a prediction was off."""

import linecache
import math
import sys
import time

from cs231n_lib.errors import whole

CLOSE, FAR = 0.25, 10  # errors of a prediction, in units of what was measured
# Of this notebook: the line that called, and what was guessed and measured.
_predictions: dict[object, tuple[float | None, float]] = {}


def timed(function, repeats=5):
    """Return the shortest time of a call of `function`, in seconds, over `repeats` calls.

    What else the machine does can only make a call longer. One more call comes before, to warm up.
    It waits for the GPU where PyTorch uses one.

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
    return min(seconds[1:])


def predicted(guess, measured, unit=""):
    """Print how far a prediction was from what was measured, and keep it for `score_predictions`.

    Args:
        guess: the prediction, or None for none; measured: the number; unit: of both, a word.

    >>> predicted(3, 2.0, "s")
    You predicted 3 s; measured: 2 s. Your prediction was 50 % too high.
    >>> predicted(None, 0.25)
    No prediction made; measured: 0.25.
    """
    _predictions[_calling_line()] = guess, measured
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


def score_predictions(predictions=_predictions):
    """Print in one line how far off predictions were, the best first.

    Args:
        predictions: {anything: (guess or None, measured)}; without it, all that `predicted` was
            told in this notebook.

    >>> score_predictions({"a": (3, 2.0), "b": (1.1, 1.0), "c": (None, 5.0)})
    Your predictions: 1 of 2 within a quarter of what was measured (off by 10 %, 50 %); 1 not made.
    """
    made = [(guess, measured) for guess, measured in predictions.values() if guess is not None]
    if not made:
        print("You made no predictions in this lesson.")
        return
    off = sorted(_error(guess, measured) for guess, measured in made)
    close = sum(error <= CLOSE for error in off)
    said = ", ".join(f"{100 * error:.0f} %" if error < FAR else "far" for error in off)
    missing = len(predictions) - len(made)
    print(
        f"Your predictions: {close} of {len(made)} within a quarter of what was measured "
        f"(off by {said}){f'; {missing} not made' if missing else ''}."
    )


def _error(guess, measured):
    """Return the distance of a guess from what was measured, in units of the latter."""
    if guess == measured:
        return 0.0
    comparable = measured != 0 and math.isfinite(measured)
    return abs(guess - measured) / abs(measured) if comparable else math.inf


def _calling_line():
    """Return the line that calls `predicted`: a cell that is run again counts once."""
    frame = sys._getframe(2)
    place = frame.f_code.co_filename, frame.f_lineno
    return linecache.getline(*place).strip() or place


def _wait_for_gpu():
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
