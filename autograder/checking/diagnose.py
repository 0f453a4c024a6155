"""Name the misconception behind a wrong answer: the known one that shows the same numbers.

A name needs evidence. It must explain most of the checks that are still unexplained, and must not
contradict a check that was passed. Evidence is an observation that can tell: one in which the
known answer is clearly off, and more than a yes or no, unless that is all the known answer shows.
Where a backward pass is right for the student's own forward pass, no other mistake is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

import numpy as np

from autograder.checking.judge import Expected, agree, verdict_on
from autograder.checking.observe import BAD_RETURN, SHORTCUT, STUB_MESSAGE, Fault, Seen, stem_of
from autograder.checking.report import Report, Row
from autograder.checking.scenarios import AFTERWARDS
from autograder.checking.settings import never_asked
from autograder.checking.spec import Exercise, Verdict
from autograder.checking.traces import CLEAR, SAME, compared, sums_of

PROPORTIONAL = 1e-3  # relative; differences closer than that are one another's multiple
ANOTHER_DEFAULT = "another default"  # so start the names of what is recognised in any size
CHANGED_HINT = (
    "After the call the caller's numbers are no longer what they were. Which of your lines writes "
    "into what it was given, and who else may still need that?"
)
ANOTHER_DEFAULT_HINT = (
    "With settings of the caller's you are right. Which values does the docstring promise to "
    "callers who give none?"
)


@dataclass(frozen=True)
class Known:
    """A known wrong answer: its name, its hint, what every check shows and finds wrong.

    Those of one `group` are synonyms; an empty group is a group of its own.
    """

    name: str
    hint: str
    seen: dict[str, Seen]
    wrong: dict[str, tuple[str, ...]]
    group: str = ""


def judge_exercise(exercise: Exercise, seen: Mapping[str, Seen], provider) -> Report:
    """Judge everything seen in one exercise, and name the misconception where points were lost."""
    missing = Seen(fault=Fault("nothing came back"))
    verdicts = {
        check.name: verdict_on(check, seen.get(check.name, missing), exercise, provider)
        for check in exercise.checks
    }
    named = _changed_inputs(verdicts) | diagnose(exercise, seen, verdicts, provider)
    unused = _unused(exercise, seen, provider)
    rows, said = [], set()
    for check in exercise.checks:
        verdict, known = verdicts[check.name], named.get(check.name)
        message = verdict.message
        if unused and _differs(verdict):
            message, unused = f"{message}; {unused}", ""
        rows.append(
            Row(
                check=check.name,
                points=check.points,
                earned=check.points * verdict.fraction,
                message=message,
                detail=verdict.detail,
                hint=known.hint if known and known.hint not in said else "",
                remark=verdict.remark if verdict.remark not in said else "",
                misconception=known.name if known else "",
            )
        )
        said |= {verdict.remark, known.hint if known else ""}
    return Report(exercise.id, exercise.title, tuple(rows), exercise.bonus)


def _changed_inputs(verdicts):
    """Return {check name: name} of the checks in which nothing is wrong but inputs."""
    named = {}
    for check, verdict in verdicts.items():
        inputs = [key.removesuffix(AFTERWARDS) for key in verdict.wrong if key.endswith(AFTERWARDS)]
        if inputs and len(inputs) == len(verdict.wrong):
            verb = "is" if len(inputs) == 1 else "are"
            named[check] = _Name(f"{' and '.join(inputs)} {verb} changed", CHANGED_HINT)
    return named


def _unused(exercise, seen, provider):
    """Say which settings were never looked up."""
    pairs = (
        (seen[check.name].arrays, provider.expected(exercise, check).arrays)
        for check in exercise.checks
        if check.name in seen and not seen[check.name].fault
    )
    keys = ", ".join(map(repr, never_asked(pairs)))
    return f"your function never looks up {keys}" if keys else ""


def _differs(verdict):
    return verdict.fraction == 0 and verdict.wrong != ("fault",)


def diagnose(
    exercise: Exercise, seen: Mapping[str, Seen], verdicts: Mapping[str, Verdict], provider
):
    """Return {check name: known wrong answer} for the checks that lost points and were recognised.

    Of the known answers that explain most of the checks still unexplained, the one that explains
    most of their observations is named; what it leaves over is explained by the next. Two mistakes
    in one function share its checks, so that neither explains most of them: both are named where
    they fit together (`_by_two`). Before that, what is still open is looked for among the derived
    answers (`traces`).
    """
    open_ = {name: set(verdict.wrong) for name, verdict in verdicts.items() if not verdict.fraction}
    passed = {name for name, verdict in verdicts.items() if verdict.fraction == 1}
    if not any(_may_be_known(seen.get(name, Seen())) for name in open_):
        return {}
    candidates = [
        _Candidate(known, *_compared(exercise, seen, known, provider))
        for known in provider.misconceptions(exercise)
        if not any(known.wrong[name] for name in passed)
    ]
    named, left = _by_majority(open_, candidates)
    default = _another_default(exercise, seen, left, candidates, provider)
    if default or not left:
        return named | dict.fromkeys(left, default)
    pairs = []
    for trace, parts in _traces_of(exercise, seen, open_, left, passed, candidates, provider):
        if trace.hint:
            return named | dict.fromkeys(left, _Name(trace.names[0], trace.hint))
        pairs.append(parts)
    return _shared_out(open_, pairs) or _by_two(open_, candidates) or named


def _traces_of(exercise, seen, open_, left, passed, candidates, provider):
    """Yield the derived answers that show the very same in a check that is open, and their parts.

    The checks that such an answer passes have to be passed. Two known ones must fit together to
    what is open: those that do not are not even run.
    """
    asked = {
        check.name: check
        for check in exercise.checks
        if check.name in left and check.name in seen and seen[check.name].arrays is not None
    }
    sums = cache(lambda name: sums_of(seen[name], provider.expected(exercise, asked[name])))
    for later in provider.traces(exercise) if asked else ():
        parts = () if later.hint else tuple(c for c in candidates if c.known.name in later.names)
        if not later.hint and not (len(parts) == 2 and _are_consistent(open_, *parts)):
            continue
        trace = later.trace
        possible = trace and trace.check in asked and passed.issuperset(trace.passed)
        if possible and trace.is_of(*sums(trace.check)):
            yield trace, parts


def _are_consistent(open_, a, b):
    """Say whether all that is wrong is so in one of two, and shows that one where it is alone."""
    places = _places(open_)
    if not places <= a.wrong | b.wrong:
        return False
    for one, other in ((a, b), (b, a)):
        apart = _alone(open_, one, other)
        if not apart <= places or apart & one.differing:
            return False
    return True


def _alone(open_, one, other):
    """Return what only the first of two gets wrong, and the other does not stop."""
    return {(n, key) for n, key in one.wrong - other.wrong if not other.stops(n, open_)}


def _shared_out(open_, pairs):
    """Return {check name: known answer} of those in all pairs, in turn where both are wrong."""
    groups = [{candidate.group for candidate in pair} for pair in pairs]
    certain = set.intersection(*groups) if groups else set()
    turn = [c.known for c in (pairs[0] if pairs else ()) if c.group in certain]
    named = {}
    for name in open_:
        wrong = [known for known in turn if known.wrong[name]]
        if wrong:
            named[name] = wrong[0]
            turn.remove(wrong[0])
            turn.append(wrong[0])
    return named


def _by_majority(open_, candidates):
    """Return {check name: known answer}, each for most of what was open, and what stays open."""
    named: dict[str, Known] = {}
    left = dict(open_)
    while left:
        best = max(candidates, key=lambda candidate: candidate.rank(left), default=None)
        silent = best.silent(left) if best else ()
        if best is None or 2 * len(best.checks(left)) <= len(left) - len(silent):
            break
        if best.differing and _is_ambiguous(best, candidates, left):
            break
        named |= dict.fromkeys(best.checks(left), best.known)
        for name in (*best.checks(left), *silent):
            del left[name]
    return named, left


def _is_ambiguous(best, candidates, left):
    """Say whether an answer of another group explains as much."""
    rank = best.rank(left)
    return any(c.rank(left) == rank and c.group != best.group for c in candidates)


def _by_two(open_, candidates):
    """Return {check name: known answer} of two that fit together, for what shows one of them alone.

    What only one of the two gets wrong shows the very same; what both get wrong may show anything;
    what neither gets wrong is right. Where several pairs fit equally well, the names are those that
    all of these have.
    """
    telling = [candidate for candidate in candidates if candidate.evidence(open_)]
    fits = [
        (fit, pair)
        for pair in combinations(telling, 2)
        if pair[0].group != pair[1].group and (fit := _fit_of_two(open_, *pair))
    ]
    best = max((fit for fit, _ in fits), default=None)
    return _in_common(open_, [pair for fit, pair in fits if fit == best])


def _in_common(open_, explanations):
    """Return {check name: known answer} of the groups that every explanation names."""
    groups = [{candidate.group for candidate in found} for found in explanations]
    certain = set.intersection(*groups) if groups else set()
    return {
        name: candidate.known
        for candidate in (explanations[0] if explanations else ())
        if candidate.group in certain
        for name, _ in candidate.evidence(open_)
    }


def _fit_of_two(open_, a, b):
    """Return by what pairs are compared: what shows one of them alone; None where they do not fit.

    Where the check was stopped, one of the two is stopped likewise, and the other does not show.
    """
    if not _are_consistent(open_, a, b):
        return None
    shown = [_alone(open_, a, b) & a.evidence(open_), _alone(open_, b, a) & b.evidence(open_)]
    return (sum(map(len, shown)), -len(a.wrong & b.wrong)) if all(shown) else None


def _places(open_):
    """Return all that is wrong as (check name, observation)."""
    return {(name, key) for name, wrong in open_.items() for key in wrong}


def shows_same(exercise: Exercise, a: Mapping[str, Seen], b: Mapping[str, Seen], provider) -> bool:
    """Say whether two answers show the same in every check, within rounding."""
    for check in exercise.checks:
        one, other = a.get(check.name, Seen()), b.get(check.name, Seen())
        if one.fault or other.fault:
            if not _same_fault(one, other):
                return False
            continue
        expected = provider.expected(exercise, check)
        compared = (key for key in expected.arrays if key[0] != "_")
        if not all(_same(one.arrays or {}, other.arrays or {}, key, expected) for key in compared):
            return False
    return True


@dataclass(frozen=True)
class _Name:
    """A name and its hint, where no known answer shows the very numbers."""

    name: str
    hint: str


def _another_default(exercise, seen, open_, candidates, provider):
    """Return the name of a default of any size, by the checks and observations that it changes.

    Steps are proportional to their rate: where all is off by one factor, it is that default which
    is known to do the same. Where two defaults change the same observations, neither is named.
    """
    alike = [
        candidate
        for candidate in candidates
        if candidate.known.name.startswith(ANOTHER_DEFAULT)
        and {name: set(keys) for name, keys in candidate.known.wrong.items() if keys} == open_
        and not any(seen[name].fault for name in open_)
    ]
    scaled = [c for c in alike if _is_multiple(exercise, seen, open_, c.known, provider)]
    for found in (scaled, alike):
        if len(found) == 1:
            return found[0].known
    return _Name(ANOTHER_DEFAULT, ANOTHER_DEFAULT_HINT) if alike else None


def _is_multiple(exercise, seen, open_, known, provider):
    """Say whether the student's differences from the right answer are `known`'s by one factor."""
    ours, theirs = [], []
    for check in exercise.checks:
        expected = provider.expected(exercise, check).arrays
        for key in open_.get(check.name, ()):
            arrays = [s[check.name].arrays.get(key) for s in (seen, known.seen)]
            if any(array is None or array.shape != expected[key].shape for array in arrays):
                return False
            ours.append((arrays[0] - expected[key]).ravel())
            theirs.append((arrays[1] - expected[key]).ravel())
    a, b = np.concatenate(ours), np.concatenate(theirs)
    factor = (a @ b) / (b @ b)
    return bool(np.abs(a - factor * b).max() < PROPORTIONAL * np.abs(a).max())


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A known answer; by check the observations that it explains, and those that differ."""

    known: Known
    explained: Mapping[str, set[str]]
    different: Mapping[str, set[str]]

    def checks(self, open_):
        """Return the checks of which it explains most of what is wrong, or shows all the same."""
        return [name for name, wrong in open_.items() if self._explains(name, wrong)]

    def _explains(self, name, wrong):
        explained = wrong & self.explained[name]
        return 2 * len(explained) > len(wrong) or (explained and not self.different[name])

    @property
    def group(self):
        """What it shares with its synonyms."""
        return self.known.group or self.known.name

    @cached_property
    def wrong(self):
        """What it gets wrong, as (check name, observation)."""
        return _places(self.known.wrong)

    @cached_property
    def differing(self):
        """Where it shows something else."""
        return _places(self.different)

    def evidence(self, open_):
        """Return what it explains of what is open."""
        return _places(self.explained) & _places(open_)

    def stops(self, name, open_):
        """Say whether it explains that a check was stopped."""
        return "fault" in open_.get(name, ()) and "fault" in self.explained[name]

    def silent(self, open_):
        """Return the checks in which it shows the same, too near to what is right to tell."""
        return [
            name
            for name, wrong in open_.items()
            if not self._explains(name, wrong) and not wrong & self.different[name]
        ]

    def rank(self, open_):
        """Return by what candidates are compared: what they explain, and how much differs."""
        explained = sum(len(wrong & self.explained[name]) for name, wrong in open_.items())
        return len(self.checks(open_)), explained, -sum(map(len, self.different.values()))


def _compared(exercise, seen, known, provider):
    """Return {check name: observations}, twice.

    The first are those in which `known` is clearly wrong, and shows the same as the student; the
    second those in which it shows something else.
    """
    only_yes_or_no = all(
        _is_yes_or_no(known.seen[name], key) for name, keys in known.wrong.items() for key in keys
    )
    explained, different = {}, {}
    for check in exercise.checks:
        student, theirs = seen.get(check.name, Seen()), known.seen[check.name]
        wrong = known.wrong[check.name]
        if student.fault or theirs.fault:
            same = _same_fault(student, theirs) and "fault" in wrong
            explained[check.name] = {"fault"} if same else set()
            different[check.name] = set() if same else {"fault"}
            continue
        expected = provider.expected(exercise, check)
        different[check.name] = {
            key
            for key in compared(expected)
            if not _same(student.arrays or {}, theirs.arrays, key, expected)
        }
        explained[check.name] = {
            key
            for key in set(wrong) - different[check.name]
            if (only_yes_or_no or not _is_yes_or_no(theirs, key))
            and _is_clear(theirs.arrays, key, expected)
        }
    return explained, different


def _is_yes_or_no(seen: Seen, key):
    array = (seen.arrays or {}).get(key)
    return array is not None and array.dtype.kind == "b" and array.size == 1


def _is_clear(theirs, key, expected: Expected):
    """Say whether an observation is of another type, or differs by far more than rounding."""
    if key not in theirs or key not in expected.arrays:
        return True
    if theirs[key].dtype != expected.dtypes[key]:
        return True
    tolerance = CLEAR * expected.tolerance(key, theirs[key].dtype)
    return not agree(theirs[key], expected.arrays[key], tolerance)


def _may_be_known(seen: Seen):
    """Say whether a known answer can show this: none of them is unwritten, unread or unrun."""
    kind = seen.fault.kind if seen.fault else ""
    return not kind or kind in (BAD_RETURN, SHORTCUT) or kind.startswith("raised ")


def _same_fault(a: Seen, b: Seen):
    """Say whether both were stopped the same way; not having written anything is no mistake."""
    if a.fault is None or b.fault is None or a.fault.kind == STUB_MESSAGE:
        return False
    return a.fault.kind == b.fault.kind and stem_of(a.fault) == stem_of(b.fault)


def _same(a, b, key, expected: Expected):
    if key not in a or key not in b:
        return key not in a and key not in b
    natural = np.dtype(expected.dtypes[key])
    if natural.kind == "f" and a[key].dtype != b[key].dtype != natural:
        return False  # whole numbers may be written as floats, which is nobody's mistake
    ours, theirs = _without_infinities(a[key]), _without_infinities(b[key])
    size = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    return agree(ours, theirs, max(expected.tolerance(key, a[key].dtype), SAME * size))


def _without_infinities(array):
    """Return an array whose infinities are NaN: which of the two comes first is an accident."""
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, np.nan)
