"""Run a check's scenario on an implementation and bring back plain arrays, or say what went wrong.

The scenarios speak NumPy. For a PyTorch exercise arrays become tensors on the way in and arrays on
the way out, and a random generator becomes one of PyTorch's, seeded by its next number; a cache is
opaque and passes through untouched. A function that a scenario passes in, such as one that returns
the gradient at a point, is called with arrays and answers in tensors.

Of a class a scenario gets the very objects, which belong into networks and loops: there it speaks
the framework itself, and `impl.tensor` and `impl.array` are the way in and out.
"""

import builtins
import contextlib
import dis
import functools
import importlib
import inspect
import io
import linecache
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from autograder.checking.settings import Settings, as_observations
from autograder.checking.shortcuts import Forbidden, blocked
from autograder.checking.slopes import Probe
from autograder.checking.spec import Arrays, Check, Exercise

# Returned by name, never looked into.
OPAQUE = ("cache", "config", "groups", "model", "page", "snapshots", "stopper")
MAX_VALUES = 1_000_000  # in one observation
KINDS = STUB_MESSAGE, BAD_RETURN, SHORTCUT = "not written yet", "wrong return value", "shortcut"
NUMBERS = (np.generic, float, int)  # that stand for arrays without axes
SHOWN_TYPES = (type(None), str, int, float)  # of arguments that a message about a crash shows
RAISE = dis.opmap["RAISE_VARARGS"]


@dataclass(frozen=True)
class Fault:
    """Why nothing could be observed; `kind` is safe to show, `text` may hold the student's data."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Seen:
    """What one scenario showed: arrays by name, or the fault that stopped it."""

    arrays: Arrays | None = None
    fault: Fault | None = None


class BadReturn(Exception):
    """A function returned something that its description does not allow."""


class Implementation:
    """Functions under test as a scenario calls them: `impl.batchnorm_forward(x, gamma, ...)`.

    Args:
        functions: by name.
        exercise: says what each function returns and which framework it speaks.
        cast: applied to every array on its way in (the judge's tolerance needs float32 and
            slightly moved inputs); None passes the scenario's own arrays, so that changes made to
            them in place can be seen.
        is_ours: the course wrote the functions: they take no shortcut, and to look for one at
            every call of PyTorch would take a third of the time.
    """

    def __init__(
        self, functions: Mapping[str, Callable], exercise: Exercise, cast=None, is_ours=False
    ):
        self._functions = functions
        self.is_ours = is_ours
        self._exercise = exercise
        self._cast = cast
        # Settings that the scenario gives, and whether they were looked up.
        self.asked: dict[str, bool] = {}
        self._torch = importlib.import_module("torch") if exercise.framework == "torch" else None

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        function, returns = self._functions[name], self._exercise.returns[name]
        if self._exercise.kind == "class" and name == self._exercise.function:
            return function

        def call(*args):
            inner = [self._inward(arg) for arg in args]
            try:
                result = function(*inner)
            except Exception as error:
                with contextlib.suppress(Exception):  # what is passed in may fail to show itself
                    vars(error)["called"] = _call_of(function, args)
                raise
            for outer_arg, inner_arg in zip(args, inner, strict=True):
                if isinstance(outer_arg, dict) and inner_arg is not outer_arg:
                    entries = dict.items(inner_arg)
                    outer_arg.update({k: self._plain(v) for k, v in entries})
            return self._outward(name, returns, result)

        return call

    def namespace(self, name: str) -> dict[str, object]:
        """Return the global names that a function under test sees."""
        function = inspect.unwrap(self._functions[name])
        while isinstance(function, functools.partial):
            function = inspect.unwrap(function.func)
        called = function if hasattr(function, "__globals__") else type(function).__call__
        return getattr(called, "__globals__", {})

    def tensor(self, value: np.ndarray):
        """Return an array of a scenario's as code under test is given it."""
        return self._inward(value)

    def array(self, label: str, value) -> np.ndarray:
        """Return what an object answered as an array; `label` says what it is.

        Raises:
            BadReturn: when it is nothing of the kind.
        """
        return self._array(label, value)

    def _inward(self, value):
        if isinstance(value, dict):
            entries = dict.items(value)
            inner = {key: self._inward(entry) for key, entry in entries}
            same = isinstance(value, Settings) and all(inner[k] is v for k, v in entries)
            return value if same else Settings(inner, self.asked)
        if isinstance(value, np.ndarray):
            if self._cast is not None and value.dtype.kind == "f":
                value = self._cast(value)
            return value if self._torch is None else self._torch.from_numpy(value)
        if isinstance(value, np.random.Generator) and self._torch is not None:
            return self._torch.Generator().manual_seed(int(value.integers(2**63)))
        return self._callback(value) if inspect.isfunction(value) else value

    def _callback(self, function):
        """Return a scenario's `function` as code under test calls it: arrays inside, as outside."""

        def call(*args):
            arrays = (self._array(f"what {function.__name__} is called with", a) for a in args)
            return self._inward(function(*arrays))

        return call

    def _outward(self, name, returns, result):
        values = (result,) if len(returns) == 1 else result
        if not isinstance(values, tuple | list) or len(values) != len(returns):
            came = "None" if result is None else f"{type(result).__name__}"
            if isinstance(values, tuple | list):
                came = f"{len(values)} values"
            raise BadReturn(f"{name} must return {', '.join(returns)}; it returned {came}")
        out = tuple(
            value if label in OPAQUE else self._array(f"{label} of {name}", value)
            for label, value in zip(returns, values, strict=True)
        )
        return out[0] if len(returns) == 1 else out

    def _array(self, label, value):
        is_torch = self._torch is not None
        kind = np.ndarray if self._torch is None else self._torch.Tensor
        if isinstance(value, list if is_torch else list | tuple):
            value = self._of_list(label, value)
        elif not isinstance(value, (kind, *NUMBERS)):
            plain = "a number or an array" if self._exercise.shared else "a NumPy array"
            wanted = "a tensor" if is_torch else plain
            raise BadReturn(f"{label} must be {wanted}, got {type(value).__name__}")
        return plain_array(label, self._plain(value))

    def _of_list(self, label, value):
        """Return a list of numbers, or of such lists, as the array that it stands for."""
        try:
            return np.array([self._plain(entry) for entry in value])
        except ValueError:
            raise BadReturn(f"{label} must be an array; its rows are not equally long") from None

    def _plain(self, value):
        if self._torch is not None and isinstance(value, self._torch.Tensor):
            return value.detach().cpu().numpy()
        return value


def plain_array(label: str, value) -> np.ndarray:
    """Return a copy of `value` as a plain array of real numbers.

    Raises:
        BadReturn: when it is too large or holds anything else.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise BadReturn(f"{label} must hold real numbers, got dtype {array.dtype}")
    if array.size > MAX_VALUES:
        raise BadReturn(f"{label} must be small, got shape {array.shape}")
    return array.copy()


def observe(
    exercise: Exercise, functions: Mapping[str, Callable], seed_of, cast=None, is_ours=False
):
    """Run every check of `exercise` on `functions` and return {check name: Seen}.

    Args:
        seed_of: a function (exercise, check) -> seed of the check's random inputs.
        cast, is_ours: see `Implementation`.
    """
    impl = Implementation(functions, exercise, cast, is_ours)
    return {c.name: observe_wholly(impl, exercise, c, seed_of) for c in exercise.checks}


def observe_wholly(impl: Implementation, exercise: Exercise, check: Check, seed_of) -> Seen:
    """Run one scenario, and measure the slopes of the forward pass that it differentiates."""
    seen = observe_check(impl, exercise, check, seed_of(exercise, check))
    if check.forward is None or seen.arrays is None:
        return seen
    probe = Probe(seen.arrays, seed_of(exercise, for_points(check)))
    outs = outs_of(impl, exercise, check, probe.points)
    return replace(seen, arrays=seen.arrays | probe.measured(outs)) if outs else seen


def for_points(check: Check) -> Check:
    """Return what the seed of the points of a check is derived from."""
    return replace(check, name=f"{check.name}: points")


def outs_of(impl: Implementation, exercise: Exercise, check: Check, points) -> list[np.ndarray]:
    """Return what a forward pass makes of each of `points`; nothing where it cannot."""
    if check.forward is None:
        return []
    with undisturbed(exercise, impl.is_ours), contextlib.suppress(Exception):
        return [check.forward(impl, *(array.copy() for array in point)) for point in points]
    return []


def observe_check(impl: Implementation, exercise: Exercise, check: Check, seed: int) -> Seen:
    """Run one scenario: quietly, without the exercise's shortcuts, catching whatever it raises.

    Whatever the code under test raises is a fault, SystemExit included; only a KeyboardInterrupt
    that comes from the keyboard goes on.
    """
    try:
        with undisturbed(exercise, impl.is_ours):
            impl.asked = {}
            observed = check.scenario(impl, np.random.default_rng(seed))
            observed = {**observed, **as_observations(impl.asked)}
            return Seen(arrays={key: plain_array(key, value) for key, value in observed.items()})
    except BadReturn as error:
        return Seen(fault=Fault(BAD_RETURN, str(error)))
    except Forbidden as error:
        return Seen(fault=Fault(SHORTCUT, str(error)))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not _is_raised_by_statement(error):
            raise
        if isinstance(error, NotImplementedError) and _text(error) in ("", STUB_MESSAGE):
            return Seen(fault=Fault(STUB_MESSAGE))
        return Seen(fault=Fault(f"raised {_builtin_name(error)}", _where(error)))


def _is_raised_by_statement(error):
    """Say whether a `raise` of the code threw `error`, rather than a key that was pressed."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == RAISE


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing: what is printed may be endless."""

    def writable(self):
        return True

    def write(self, text):
        return len(text)


@contextlib.contextmanager
def quiet():
    """Swallow what student code prints and warns: nbgrader takes any stderr for a failure."""
    sink = _Nowhere()
    with (
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def undisturbed(exercise: Exercise, is_ours: bool = False):
    """Run code under test quietly, without the exercise's shortcuts, with autograd as it needs."""
    autograd = is_ours or exercise.needs_autograd or exercise.shared
    with quiet(), blocked(() if is_ours else exercise.forbidden, autograd), _autograd_for(exercise):
        yield


def _autograd_for(exercise):
    """Return the context in which autograd is off, or on where an exercise needs it."""
    if exercise.framework == "numpy":
        return contextlib.nullcontext()
    torch = importlib.import_module("torch")
    return torch.enable_grad() if exercise.needs_autograd else torch.inference_mode()


def known_kind(kind: str) -> str:
    """Return `kind` when `observe_check` may have given it, else "stopped".

    A fault that comes from a student's process may say anything, the secret inputs included.

    >>> known_kind("raised ValueError"), known_kind("x is 0.125")
    ('raised ValueError', 'stopped')
    """
    error = getattr(builtins, kind.removeprefix("raised "), None)
    is_error = isinstance(error, type) and issubclass(error, BaseException)
    raised = kind.startswith("raised ") and is_error
    return kind if kind in KINDS or raised else "stopped"


def _builtin_name(error):
    """Name the exception, or its nearest built-in base: a name of one's own could tell numbers."""
    bases = type(error).__mro__
    return next(base.__name__ for base in bases if vars(builtins).get(base.__name__) is base)


def _call_of(function, args):
    """Say what a function was called with that is no array: "config=None"."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ""
    pairs = zip(names, args, strict=False)
    return ", ".join(f"{name}={arg!r}"[:60] for name, arg in pairs if isinstance(arg, SHOWN_TYPES))


def stem_of(fault: Fault) -> str:
    """Return what was raised, without the place.

    >>> stem_of(Fault("raised ValueError", "ValueError: no (in f, line 2: return)"))
    'ValueError: no'
    """
    return fault.text.split(" (in ")[0].split(" (called with ")[0]


def _where(error):
    """Say what was raised, and the innermost line of the student's own code that led there."""
    text = f"{type(error).__name__}: {_text(error)}"
    own = [f for f in traceback.extract_tb(error.__traceback__) if is_students(f.filename)]
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        text += f" (in {own[-1].name}, line {own[-1].lineno}: {line})"
    called = getattr(error, "called", "")
    return f"{text} (called with {called})" if called else text


def _text(error):
    try:
        return str(error)
    except Exception:
        return "its text cannot be shown"


def is_students(filename: str) -> bool:
    """Whether code of this file name stands in a cell of a notebook."""
    return "ipykernel_" in filename or filename.startswith(("<ipython-input", "<cell"))
