"""What a notebook calls: `check("normalization.batchnorm_forward", batchnorm_forward)`.

The answer is a table, one row a check: passed or not, what was expected against what came, and a
hint when a known misconception shows. The value is the score, so that plain nbgrader can use it.
"""

from functools import cache

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.checking.report import Report

recorder = None  # set where submissions are graded: called with (exercise, functions) instead
_provider = cache(expectations.default)


def check(exercise_id: str, *functions) -> float:
    """Check your functions, show a table, and return the points earned (0.0 where they are bonus).

    Args:
        exercise_id: such as "normalization.batchnorm_forward".
        functions: your functions, in the order of the exercise.

    Raises:
        KeyError: when there is no such exercise (the message names the nearest).
        TypeError: when the number of functions is wrong, or one of them is not a function (the
            last of some exercises: a class).
    """
    exercise = exercises.find(exercise_id)
    named = _named(exercise, functions)
    if recorder is not None:
        recorder(exercise, named)
        return 0.0
    report = run(exercise, named)
    show(report)
    return 0.0 if exercise.bonus else report.score  # nbgrader allows no value on 0 points


def run(exercise, functions) -> Report:
    """Observe and judge `functions` ({name: function}) with the public seeds; show nothing."""
    return judge_exercise(
        exercise, observe(exercise, functions, expectations.public_seed), _provider()
    )


def _named(exercise, functions):
    call = f'check("{exercise.id}", {", ".join(exercise.functions)})'
    if len(functions) != len(exercise.functions):
        raise TypeError(f"this exercise takes {len(exercise.functions)} functions: {call}")
    for name, function in zip(exercise.functions, functions, strict=True):
        kind = exercise.kind if name == exercise.function else "function"
        if not callable(function) or (kind == "class" and not isinstance(function, type)):
            raise TypeError(
                f"{name} must be a {kind}, got {type(function).__name__}; pass the {kind} "
                f"itself, without calling it: {call}"
            )
    return dict(zip(exercise.functions, functions, strict=True))


def show(report: Report) -> None:
    """Show a report: a table in Jupyter, text in a terminal, always on standard output."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(report)
    else:
        display(report) if get_ipython() else print(report)


class needs:
    """Guard of an experiment: `with needs(batchnorm_forward): ...` says what is not written yet.

    The block runs until it meets a function that has not been written; then one line names what
    the experiment waits for, and the notebook goes on.
    """

    def __init__(self, *functions):
        self._names = ", ".join(function.__name__ for function in functions)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None or not issubclass(kind, NotImplementedError):
            return False
        print(f"Not written yet: this experiment waits for {self._names}.")
        return True
