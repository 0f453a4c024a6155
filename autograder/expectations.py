"""Where expectations come from: computed with the full package, or recorded for the student kit.

Both answer the same two questions: what does a check expect, and what do the known wrong answers
show? `live` runs the reference, the variants and the misconceptions; `recorded` reads arrays that
`record` wrote, so that a kit without any answer in it gives the same verdicts and hints. A clone
computes what is right, and reads what is wrong: to run all wrong answers takes up to two seconds.
"""

import hashlib
import hmac
import importlib
import json
from collections import defaultdict
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from autograder.checking.diagnose import Known
from autograder.checking.judge import EPS32, Expected, agree, verdict_on
from autograder.checking.ladder import tags_in, values_of
from autograder.checking.observe import (
    Fault,
    Implementation,
    Seen,
    observe,
    observe_check,
    observe_wholly,
)
from autograder.checking.spec import Arrays, Check, Exercise, Misconception, Variant
from autograder.checking.traces import CLEAR, trace_from

RECORDINGS = Path(__file__).parent / "recordings"
NUDGES = 3
BITS = 30  # of a recorded wrong number: `traces.SAME` tells no more than 24


def public_seed(exercise: Exercise, check: Check) -> int:
    """Return the seed of the instant check in the notebook."""
    return _number(hashlib.sha256(f"{exercise.id}/{check.name}".encode()))


def secret_seed(secret: bytes, assignment: str, turn: int = 0):
    """Return a function (exercise, check) -> seed of the graded check; only the grader knows it.

    Args:
        turn: rises with feedback, so that what a page tells about inputs is of no use later.
    """

    def seed_of(exercise, check):
        message = json.dumps([assignment, turn, exercise.id, check.name]).encode()
        return _number(hmac.new(secret, message, hashlib.sha256))

    return seed_of


def _number(digest):
    return int.from_bytes(digest.digest()[:8], "big")


def default():
    """Return the provider of the instant check: prompt with the full package, recorded in a kit."""
    full = (Path(__file__).parent / "misconceptions").is_dir()
    return prompt() if full else recorded(RECORDINGS)


# ---------------------------------------------------------------------------------- live


class live:
    """Compute expectations for the seeds at hand, each once.

    Args:
        derives: name what wrong answers made by machine show; no mark waits for so many of them.
    """

    def __init__(self, seed_of, derives: bool = False):
        self.expected = cache(lambda exercise, check: _expect(exercise, check, seed_of))
        self.misconceptions = cache(lambda exercise: _run_misconceptions(exercise, seed_of, self))
        self.traces = cache(lambda one: _run_derived(one, seed_of, self) if derives else ())
        self.small = cache(_run_small)
        self.wrong_small = cache(_run_wrong_small)
        self.conventions = cache(_run_conventions)
        self.hints = cache(_hints)
        self.tags = cache(_tags)


def reference(exercise: Exercise):
    """Return {name: function} of the library for everything the exercise names."""
    module = importlib.import_module(exercise.module)
    return {name: getattr(module, name) for name in exercise.functions}


def _expect(exercise, check, seed_of):
    functions = reference(exercise)
    natural = _arrays(exercise, check, seed_of, functions)
    exact = _arrays(exercise, check, seed_of, functions, lambda a: a.astype(np.float64))
    rounded = [
        _arrays(exercise, check, seed_of, functions, _nudge(np.random.default_rng(i)))
        for i in range(NUDGES)
    ]
    noise = {key: max(_distance(r[key], exact[key]) for r in rounded) for key in exact}
    dtypes = {key: str(array.dtype) for key, array in natural.items()}
    variants = tuple(_run_variants(exercise, check, seed_of(exercise, check)))
    return Expected(exact, dtypes, noise, variants, _coarsest(exercise))


def _coarsest(exercise):
    return EPS32 if exercise.framework == "torch" else 0.0


def _distance(a, b):
    return float(np.abs(np.subtract(a, b, dtype=float)).max(initial=0.0))


def _nudge(rng):
    """Return a cast to float32 that also moves every number up or down by one rounding."""

    def cast(array):
        return (array * (1 + EPS32 * rng.choice((-1, 1), array.shape))).astype(np.float32)

    return cast


def _arrays(exercise, check, seed_of, functions, cast=None):
    impl = Implementation(functions, exercise, cast, is_ours=True)
    seen = observe_wholly(impl, exercise, check, seed_of)
    if seen.fault:
        raise RuntimeError(
            f"the reference of {exercise.id} fails its own check {check.name!r}: "
            f"{seen.fault.kind} {seen.fault.text}"
        )
    return seen.arrays


def _run_small(exercise):
    """Return what the reference makes of each small input, as tuples of arrays."""
    functions = reference(exercise)
    return tuple(values_of(exercise, functions, program) for program in exercise.small)


def _hints(exercise):
    """Return {name: hint} of the known wrong answers; nothing is run."""
    from autograder import misconceptions

    return {record.name: record.hint for record in misconceptions.of(exercise.id)}


def _run_wrong_small(exercise):
    """Return {name: what a known wrong answer makes of each small input}; None for an error."""
    from autograder import misconceptions

    records = misconceptions.of(exercise.id) if exercise.small else ()
    return {record.name: _all_small(exercise, record) for record in records}


def _run_conventions(exercise):
    """Return what each right answer of another convention makes of each small input."""
    from autograder import misconceptions

    records = misconceptions.variants_of(exercise.id) if exercise.small else ()
    return tuple(_all_small(exercise, record) for record in records if record.remark)


def _all_small(exercise, record):
    return tuple(_tried(exercise, record, program) for program in exercise.small)


def _tried(exercise, record, program):
    from autograder import misconceptions

    functions = misconceptions.functions_of(record)  # one may remember an earlier program
    try:
        return values_of(exercise, functions, program)
    except Exception:
        return None


def _tags(exercise):
    """Return the equations that the reference of an exercise cites."""
    from autograder import misconceptions

    return tags_in(misconceptions.reference_source(exercise, exercise.function))


def _run_variants(exercise, check, seed):
    """Yield (remark, arrays) of what is right here and does not match the reference."""
    from autograder import misconceptions

    accepted: list[tuple[Misconception | Variant, str]] = []
    accepted += [(v, v.remark) for v in misconceptions.variants_of(exercise.id) if v.remark]
    known = misconceptions.of(exercise.id)
    accepted += [(m, "") for m in known if m.judged_by not in ("", check.name)]
    for record, remark in accepted:
        impl = Implementation(misconceptions.functions_of(record), exercise, is_ours=True)
        seen = observe_check(impl, exercise, check, seed)
        if seen.arrays is not None:
            yield remark, seen.arrays


def _run_misconceptions(exercise, seed_of, provider):
    from autograder import misconceptions

    known = []
    for m in misconceptions.of(exercise.id):
        seen = observe(exercise, misconceptions.functions_of(m), seed_of, is_ours=True)
        wrong = {
            check.name: verdict_on(check, seen[check.name], exercise, provider).wrong
            for check in exercise.checks
        }
        known.append(Known(m.name, m.hint, seen, wrong, m.group))
    return tuple(known)


def _run_derived(exercise, seed_of, provider):
    """Return what the derived wrong answers leave behind."""
    from autograder.misconceptions import derived

    return derived.traces_of(exercise, seed_of, provider)


class prompt:
    """Compute what is right; read what is wrong where it was recorded and is not stale."""

    def __init__(self):
        from autograder.misconceptions import kept

        self._live = live(public_seed, derives=True)
        read = recorded(kept.FOLDER, self._live.expected)
        source = cache(lambda one: read if kept.is_fresh(one.family) else self._live)
        self.misconceptions = lambda exercise: source(exercise).misconceptions(exercise)
        self.traces = lambda exercise: source(exercise).traces(exercise)

    def __getattr__(self, name):
        return getattr(self._live, name)


# ---------------------------------------------------------------------------------- recorded


def record(exercises, folder: Path, provider=None) -> None:
    """Write what a provider answers for `exercises` into `folder`: arrays as .npz, texts as .json.

    Args:
        provider: by default that of the instant check.
    """
    provider = provider or default()
    for exercise in exercises:
        _write(folder, exercise, _right(exercise, provider), _wrong(exercise, provider))


def record_wrong(exercises, folder: Path, provider) -> None:
    """Write only what the wrong answers show, as `record` does."""
    for exercise in exercises:
        _write(folder, exercise, _wrong(exercise, provider))


def _write(folder, exercise, *parts):
    """Write parts of (arrays, texts) as the files of an exercise."""
    arrays, texts = ({k: v for part in parts for k, v in part[i].items()} for i in range(2))
    stacks, names = _stacked(arrays)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{exercise.grade_id}.npz"
    np.savez_compressed(path, *stacks)
    text = json.dumps(texts | {"names": names}, sort_keys=True, ensure_ascii=False)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _right(exercise, provider):
    """Return the arrays and texts of what is expected, and of the small inputs."""
    arrays: Arrays = {}
    checks = []
    for c, check in enumerate(exercise.checks):
        expected = provider.expected(exercise, check)
        shown = _handed_out(expected.arrays)
        _put(arrays, f"{c}/expected", shown)
        for v, (_, variant) in enumerate(expected.variants):
            _put(arrays, f"{c}/variant{v}", _compared(variant))
        remarks = [remark for remark, _ in expected.variants]
        texts = {"dtypes": expected.dtypes, "noise": expected.noise, "remarks": remarks}
        checks.append(texts | {"order": list(shown)})
    for s, values in enumerate(provider.small(exercise)):
        _put(arrays, f"small{s}", {str(i): value for i, value in enumerate(values)})
    for m, tried in enumerate(provider.wrong_small(exercise).values()):
        for s, values in enumerate(tried):
            _put(arrays, f"small{s}/wrong{m}", dict(enumerate(values or ())))
    conventions = provider.conventions(exercise)
    for v, tried in enumerate(conventions):
        for s, values in enumerate(tried):
            _put(arrays, f"small{s}/convention{v}", dict(enumerate(values or ())))
    tags = provider.tags(exercise)
    return arrays, {"checks": checks, "conventions": len(conventions), "tags": tags}


def _wrong(exercise, provider):
    """Return the arrays and texts of what the wrong answers show where it is not what is right."""
    arrays: Arrays = {}
    wrong = []
    for m, known in enumerate(provider.misconceptions(exercise)):
        faults = {}
        for c, check in enumerate(exercise.checks):
            seen, expected = known.seen[check.name], provider.expected(exercise, check)
            off = _off(seen.arrays or {}, known.wrong[check.name], expected)
            _put(arrays, f"{c}/misconception{m}", off)
            if seen.fault:
                faults[check.name] = [seen.fault.kind, seen.fault.text]
        words = {"name": known.name, "hint": known.hint, "group": known.group}
        wrong.append({**words, "faults": faults, "wrong": known.wrong})
    traces = [asdict(later.trace) for later in provider.traces(exercise) if later.trace]
    return arrays, {"misconceptions": wrong, "traces": traces}


def _off(shown, wrong, expected):
    """Return the observations that are not what `_as_expected` returns.

    What cannot be told clearly from the right one stays so: it is not rounded.
    """
    off = {}
    for key, array in _compared(shown).items():
        if key in wrong or not _is_near(key, array, expected, 1):
            off[key] = array if _is_near(key, array, expected, CLEAR) else _rounded(array)
    return off


def _is_near(key, array, expected, tolerances):
    if key not in expected.arrays or array.dtype != expected.dtypes[key]:
        return False
    return agree(array, expected.arrays[key], tolerances * expected.tolerance(key, array.dtype))


def _rounded(array):
    """Return numbers in float64 with no more bits than are compared, so that they pack well."""
    if array.dtype != np.float64:
        return array
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent)


def _as_expected(expected):
    """Return what is compared as the reference returns it, in its own types."""
    arrays = _compared(expected.arrays)
    return {key: array.astype(expected.dtypes[key]) for key, array in arrays.items()}


def _stacked(arrays):
    """Return stacks of the arrays of one type and shape, each of them once, and all their names.

    A file of few members is small.
    """
    names: dict = defaultdict(lambda: defaultdict(list))
    for name, array in arrays.items():
        content = np.asarray(array)
        names[content.dtype.str, content.shape][content.tobytes()].append(name)
    groups = [list(group.values()) for group in names.values()]
    return [np.stack([arrays[same[0]] for same in group]) for group in groups], groups


def _handed_out(arrays):
    """Leave out observations that are themselves an answer: their names start with `__`."""
    return {key: array for key, array in arrays.items() if not key.startswith("__")}


def _compared(arrays):
    """Leave out the working material of judges, which is not compared."""
    return {key: array for key, array in arrays.items() if not key.startswith("_")}


def _put(arrays, prefix, entries):
    arrays.update({f"{prefix}/{key}": array for key, array in entries.items()})


def _in_order(entries):
    """Return the values whose keys are the numbers 0, 1, …"""
    return tuple(entries[str(i)] for i in range(len(entries)))


class recorded:
    """Read expectations that `record` wrote.

    Args:
        expected: what is right, as `live.expected`; needed where only the wrong was recorded.
    """

    def __init__(self, folder: Path, expected=None):
        self._folder = folder
        self._load = cache(self._read)
        self.expected = expected or cache(self._expected)
        self.misconceptions = cache(self._misconceptions)
        self.traces = cache(self._traces)
        self.small = cache(self._small)
        self.wrong_small = cache(self._wrong_small)
        self.conventions = cache(self._conventions)
        self.hints = cache(self._hints)
        self.tags = cache(self._tags)

    def _expected(self, exercise, check):
        texts, arrays = self._load(exercise)
        c = exercise.checks.index(check)
        text = texts["checks"][c]
        variants = tuple(
            (remark, arrays[f"{c}/variant{v}"]) for v, remark in enumerate(text["remarks"])
        )
        found = arrays[f"{c}/expected"]
        expected = {name: found[name] for name in text["order"]}
        return Expected(expected, text["dtypes"], text["noise"], variants, _coarsest(exercise))

    def _misconceptions(self, exercise):
        texts, arrays = self._load(exercise)
        return tuple(
            Known(
                entry["name"],
                entry["hint"],
                self._seen(exercise, m, entry, arrays),
                {name: tuple(keys) for name, keys in entry["wrong"].items()},
                entry["group"],
            )
            for m, entry in enumerate(texts["misconceptions"])
        )

    def _traces(self, exercise):
        texts, _ = self._load(exercise)
        return tuple(trace_from(entry) for entry in texts["traces"])

    def _small(self, exercise):
        _, arrays = self._load(exercise)
        entries = (arrays[f"small{s}"] for s in range(len(exercise.small)))
        return tuple(map(_in_order, entries))

    def _hints(self, exercise):
        texts, _ = self._load(exercise)
        return {entry["name"]: entry["hint"] for entry in texts["misconceptions"]}

    def _wrong_small(self, exercise):
        texts, _ = self._load(exercise)
        return {
            entry["name"]: self._all_small(exercise, f"wrong{m}")
            for m, entry in enumerate(texts["misconceptions"] if exercise.small else ())
        }

    def _conventions(self, exercise):
        texts, _ = self._load(exercise)
        return tuple(
            self._all_small(exercise, f"convention{v}") for v in range(texts["conventions"])
        )

    def _all_small(self, exercise, who):
        _, arrays = self._load(exercise)
        found = (arrays.get(f"small{s}/{who}") for s in range(len(exercise.small)))
        return tuple(_in_order(entries) if entries else None for entries in found)

    def _tags(self, exercise):
        texts, _ = self._load(exercise)
        return tuple(texts["tags"])

    def _seen(self, exercise, m, entry, arrays):
        seen = {}
        for c, check in enumerate(exercise.checks):
            if check.name in entry["faults"]:
                seen[check.name] = Seen(fault=Fault(*entry["faults"][check.name]))
                continue
            right = _as_expected(self.expected(exercise, check))
            others = {k: a for k, a in right.items() if k not in entry["wrong"][check.name]}
            seen[check.name] = Seen(arrays=others | arrays[f"{c}/misconception{m}"])
        return seen

    def _read(self, exercise):
        path = self._folder / f"{exercise.grade_id}.npz"
        if not path.exists():
            raise FileNotFoundError(
                f"no recording for {exercise.id} ({path.name} is missing in {self._folder}): "
                "unpack the student kit again, or install the full course"
            )
        texts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        groups: defaultdict[str, Arrays] = defaultdict(dict)
        with np.load(path, allow_pickle=False) as archive:
            for names, stack in zip(texts["names"], archive.values(), strict=True):
                for same, array in zip(names, stack, strict=True):
                    for name in same:
                        prefix, _, key = name.rpartition("/")
                        groups[prefix][key] = array
        return texts, groups
