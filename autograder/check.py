"""What a notebook calls: `check("normalization.batchnorm_forward", batchnorm_forward)`.

The answer is a table, one row a check: passed or not, what was expected against what came, and a
hint when a known misconception shows. The value is the score, so that plain nbgrader can use it.
`hint()` goes one rung further, and so does the next failing attempt with other code.
"""

import ast
import contextlib
import difflib
import inspect
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autograder import exercises, expectations
from autograder.checking.attempts import Attempts, digest_of
from autograder.checking.diagnose import judge_exercise
from autograder.checking.ladder import READING, SMALLEST, Hint, Part, reading, smallest_difference
from autograder.checking.observe import STUB_MESSAGE, observe
from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.learning.shelf import lessons, log_in
from cs231n_lib import webpage

if TYPE_CHECKING:
    from autograder.learning.history import History

ROOT = Path(__file__).resolve().parents[1]
OURS = ("autograder", "cs231n_lib")
PATIENCE = 5.0  # seconds: as long as a cell may take in grading
ELSEWHERE = (
    "PyTorch is not here, and this half of the lesson needs it: open the notebook on Colab, on "
    "Binder, or on a machine where the course is installed. What you wrote in NumPy is unaffected."
)
KEEP = "All of it is right. Keep a copy: the button below the notebook saves one."
# Set where submissions are graded: called instead.
recorder: Callable[[Exercise, Mapping[str, Callable]], None] | None = None
_provider = cache(expectations.default)
_kinds: list[str] = []  # of the questions that were asked
DISPUTE = 'You think it is right? from autograder.check import dispute; dispute("because …")'


class _Checked(NamedTuple):
    exercise: Exercise
    functions: Mapping[str, Callable]
    report: Report


_last: _Checked | None = None  # the last check of this kernel


@cache
def _attempts() -> Attempts:
    """Return the log: a file beside a kit or one's lessons, or of a page, else of the kernel."""
    path = log_in(Path())
    kept = webpage.IN_A_PAGE or path.is_file() or (ROOT / "kit.json").is_file()
    return Attempts(path if kept else None)


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
    global _last
    exercise = exercises.find(exercise_id)
    named = _named(exercise, functions)
    if recorder is not None:
        recorder(exercise, named)
        return 0.0
    if exercise.framework == "torch" and not find_spec("torch"):
        print(ELSEWHERE)
        return 0.0
    report = run(exercise, named)
    show(report)
    _last = _Checked(exercise, named, report)
    rung = _attempts().note(report, digest_of(named))
    if all(row.message == STUB_MESSAGE for row in report.rows):
        _say(_never_ran(exercise))
    elif rung >= SMALLEST:
        show(_rungs(exercise, named, rung))
        _say(DISPUTE)
    for name in files_beside(named.values()):
        _say(f"{name} must be handed in with this notebook: your answer uses it.")
    _say(_score_so_far(exercise))
    _say(KEEP if webpage.IN_A_PAGE and all(row.status == "passed" for row in report.rows) else "")
    return 0.0 if exercise.bonus else report.score  # nbgrader allows no value on 0 points


def files_beside(functions) -> list[str]:
    """The files in the notebook's folder that functions come from, or use by their names."""
    folder, found = os.path.realpath(os.getcwd()), set()
    for function in functions:
        code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
        used = [names[name] for name in (code.co_names if code else ()) if name in names]
        for value in (function, *used):
            module = value.__name__ if inspect.ismodule(value) else _module_of(value)
            file = getattr(sys.modules.get(module), "__file__", None) or ""
            path = os.path.realpath(file)
            own = file.endswith(".py") and path.startswith(folder + os.sep)
            if own and not _is_installed(module.split(".")[0], path):
                found.add(os.path.relpath(path, folder))
    return sorted(found)


def _is_installed(package, path) -> bool:
    """Whether a package came with Python or was installed, as in an environment in the folder."""
    parents = Path(path).parents
    if package in sys.stdlib_module_names or package in OURS:
        return True
    if any(parent.name in ("site-packages", "dist-packages") for parent in parents):
        return True
    return any(any(parent.glob(f"{package}-*.dist-info")) for parent in parents)


def _module_of(value) -> str:
    module = getattr(value, "__module__", None)
    return module if isinstance(module, str) and module != "__main__" else ""


def hint(exercise_id: str = "") -> None:
    """Show one more hint for the last check, or for another exercise that was checked.

    To ask costs nothing. First come the smallest input on which right and yours part, and both
    values; then where to read.
    """
    exercise = exercises.find(exercise_id) if exercise_id else _last and _last.exercise
    if _last is None or exercise is not _last.exercise:
        print("Run the check of the exercise first; then hint() goes on from there.")
        return
    rung = _attempts().climb(_last.exercise.id)
    if rung:
        show(_rungs(_last.exercise, _last.functions, rung))
    else:
        print("All checks of this exercise passed: there is nothing to hint at.")


def dispute(note: str = "", *checks: str) -> None:
    """Write down that you think your answer to the last check is right, for the course's author.

    The file, beside your notebook, holds your code, the checks it fails and their public seeds;
    hand it in with the notebook. It changes no mark by itself.

    Args:
        note: why you think so, in your own words.
        checks: names of the checks that you mean; all that lost points when there is none.
    """
    if _last is None or _last.report.score == _last.report.points:
        print("Run a check that fails first; then dispute() writes down what you think is right.")
        return
    exercise, functions, report = _last
    names = [row.check for row in report.rows]
    if unknown := [name for name in checks if name not in names]:
        print(f"There is no check {unknown[0]!r}; there are {', '.join(map(repr, names))}.")
        return
    from autograder.checking import disputes

    seeds = {check.name: expectations.public_seed(exercise, check) for check in exercise.checks}
    data = disputes.content(report, functions, seeds, note, checks)
    path = disputes.write(data, Path.cwd())
    print(f"wrote {path.name}: hand it in with this notebook, beside it.")


def _rungs(exercise, functions, rung) -> Hint:
    """Return the rungs above the table, up to `rung`; without a small input the last one."""
    parts: list[Part] = []
    if rung >= SMALLEST:
        right, others = _provider().small(exercise), _provider().conventions(exercise)
        parts += filter(None, [smallest_difference(exercise, functions, right, others)])
    if rung >= READING or not parts:
        parts.append(Part(reading(exercise, _provider().tags(exercise))))
    return Hint(tuple(parts))


def progress() -> None:
    """Show all lessons: what is done, what is misunderstood, what comes next, minutes left."""
    if recorder is None:
        from autograder.learning.progress import progress_of

        show(progress_of(_history()))


def review() -> None:
    """Ask today's questions about your own past mistakes, at most five; Enter skips one."""
    if recorder is not None:
        return
    from autograder.learning.review import review_beside

    try:
        review_beside(_attempts().path, _history(), _provider(), input, print)
    except NotImplementedError:  # a notebook that is executed without anybody in front of it
        print("Nobody is there to answer: run review() in an open notebook.")


def questions() -> None:
    """Ask about the function that passed its check last: at most two questions, never graded."""
    if recorder is not None:
        return
    import random

    from autograder.learning.questions import ask_about

    latest = _attempts().latest(_last.exercise.id) if _last else None
    if _last is None or latest is None or latest["score"] < latest["points"]:
        print("Pass the check of an exercise first; then questions() asks about your code.")
        return
    exercise, functions, _ = _last
    try:
        source = inspect.getsource(inspect.unwrap(functions[exercise.function]))
        ask_about(exercise, functions, source, random.Random(), _kinds, input, print)
    except OSError:
        print("The text of your function is not at hand: run its cell once more.")
    except NotImplementedError:  # a notebook that is executed without anybody in front of it
        print("Nobody is there to answer: run questions() in an open notebook.")


def _history() -> "History":
    from autograder.learning.history import History, read_history

    kept = _attempts()
    return read_history(kept.path) if kept.path else History(tuple(kept.entries))


def run(exercise, functions) -> Report:
    """Observe and judge `functions` ({name: function}) with the public seeds; show nothing."""
    with _patience():
        seen = observe(exercise, functions, expectations.public_seed)
    return judge_exercise(exercise, seen, _provider())


def _say(line):
    if line:
        print(line)


# ---------------------------------------------------------------------------------- around a check


@contextlib.contextmanager
def _patience():
    """Say after some seconds that the check still runs: a loop may have no end."""
    out = sys.stdout
    text = (
        f"Still running after {PATIENCE:g} s: in grading a cell is stopped here. Is there a loop "
        "that does not end? To stop it, interrupt the kernel (the square beside Run)."
    )
    timer = threading.Timer(PATIENCE, lambda: print(text, file=out, flush=True))
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # in a page there are no threads
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _score_so_far(exercise):
    """Return the line about the lesson of `exercise`, where its notebook is at hand."""
    lesson = next((one.exercises for one in lessons() if exercise in one.exercises), ())
    latest = {e: _attempts().latest(e.id) for e in lesson}
    if sum(entry is not None for entry in latest.values()) < 2:
        return ""
    scores = {e: entry["score"] if entry else 0 for e, entry in latest.items()}
    earned, points = (
        sum(value for e, value in values.items() if not e.bonus)
        for values in (scores, {e: e.points for e in scores})
    )
    bonus = sum(value for e, value in scores.items() if e.bonus)
    extra = f", and {bonus:g} bonus points" if bonus else ""
    return f"So far in this lesson: {earned:g} of {points:g} points{extra}."


def _shell():
    """Return IPython's shell, or None outside of it."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _never_ran(exercise):
    """Say why a function that was written is not the one that was checked, where that shows."""
    shell, name = _shell(), exercise.function
    if shell is None:
        return ""
    for source in reversed(shell.user_ns.get("In", ())):
        if re.search(rf"^\s*(def|class)\s+{name}\b", source, re.MULTILINE):
            try:
                ast.parse(shell.transform_cell(source))
            except SyntaxError as error:
                return (
                    f"The cell that defines {name} was run last with a syntax error in line "
                    f"{error.lineno}, so that the old {name} was checked: {error.msg}."
                )
            break
    own = [key for key, value in shell.user_ns.items() if _is_own(value, key)]
    for near in difflib.get_close_matches(name, own, n=1, cutoff=0.75):
        return f"You have written {near}; this check looks for {name}. Is it a slip in the name?"
    return ""


def _is_own(value, key):
    """Say whether a name of the notebook is a function or class made there, no exercise's."""
    here = callable(value) and getattr(value, "__module__", "") == "__main__"
    return here and not any(key in exercise.functions for exercise in exercises.all_exercises())


def _missing(shell, kind, error, trace, tb_offset=None):
    """After a missing name, say which cell to run first; without PyTorch, where it is."""
    if getattr(error, "name", None) == "torch" and not find_spec("torch"):
        print(ELSEWHERE)
        return
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    written = {name for exercise in exercises.all_exercises() for name in exercise.functions}
    if getattr(error, "name", None) in written:
        print(
            f"{error.name} is not defined: run the cell above that defines it, and after a "
            "restart of the kernel the first cell of the notebook before that."
        )


if _shell() is not None:
    _shell().set_custom_exc((NameError, ModuleNotFoundError), _missing)


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


def show(shown) -> None:
    """Show a report or the like: HTML in Jupyter, text in a terminal, on standard output."""
    if _shell() is None:
        print(shown)
        return
    from IPython.display import display

    display(shown)


def _is_stub(function):
    """Say whether a function, or a method of a class, does nothing but say "not written yet"."""
    parts = vars(function).values() if isinstance(function, type) else [function]
    codes = (getattr(part, "__code__", None) for part in parts)
    return any(code and code.co_names == (NotImplementedError.__name__,) for code in codes)


class needs:
    """Guard of an experiment: `with needs(batchnorm_forward): ...` says what is not written yet.

    The block runs until it meets a function that has not been written; then one line names what
    the experiment waits for, and the notebook goes on. So it does where a block builds on another
    that waits, and does not find its names or results.
    """

    def __init__(self, *functions):
        self._functions = functions
        self._names = ", ".join(function.__name__ for function in functions)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        unwritten = kind is not None and (
            issubclass(kind, NotImplementedError)
            or (issubclass(kind, NameError | LookupError) and any(map(_is_stub, self._functions)))
        )
        if not unwritten:
            return False
        print(f"Not written yet: this experiment waits for {self._names}.")
        return True
