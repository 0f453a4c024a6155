"""Name the misconception behind a wrong answer: the known one that shows the same numbers."""

from collections.abc import Mapping

from autograder.checking.judge import Expected, agree, verdict_on
from autograder.checking.observe import STUB_MESSAGE, Fault, Seen
from autograder.checking.report import Report, Row
from autograder.checking.spec import Exercise, Verdict

SAME = 1e-7  # relative; a wrong answer that agrees this closely is the same wrong answer


def judge_exercise(exercise: Exercise, seen: Mapping[str, Seen], provider) -> Report:
    """Judge everything seen in one exercise, and name the misconception where points were lost."""
    missing = Seen(fault=Fault("nothing came back"))
    verdicts = {
        check.name: verdict_on(check, seen.get(check.name, missing), exercise, provider)
        for check in exercise.checks
    }
    named = diagnose(exercise, seen, verdicts, provider)
    rows, said = [], set()
    for check in exercise.checks:
        verdict, known = verdicts[check.name], named.get(check.name)
        rows.append(
            Row(
                check=check.name,
                points=check.points,
                earned=check.points * verdict.fraction,
                message=verdict.message,
                detail=verdict.detail,
                hint=known.hint if known and known.hint not in said else "",
                remark=verdict.remark if verdict.remark not in said else "",
                misconception=known.name if known else "",
            )
        )
        said |= {verdict.remark, known.hint if known else ""}
    return Report(exercise.id, exercise.title, tuple(rows))


def diagnose(
    exercise: Exercise, seen: Mapping[str, Seen], verdicts: Mapping[str, Verdict], provider
):
    """Return {check name: known wrong answer} for the checks that lost points and were recognised.

    Every wrong observation asks for a known answer that is wrong there in the same way. The one
    that explains most of them, and contradicts least of the rest, is named; what it leaves over is
    explained by the next, so that two mistakes in one function are both named.
    """
    open_ = {
        (check.name, key)
        for check in exercise.checks
        for key in verdicts[check.name].wrong
        if verdicts[check.name].fraction < 1
    }
    if not open_:
        return {}
    candidates = [
        (known, *_compare(exercise, seen, known, provider))
        for known in provider.misconceptions(exercise)
    ]
    named = {}
    while open_:
        scored = [
            (len(explains & open_), -len(contradicts), -order)
            for order, (_, explains, contradicts) in enumerate(candidates)
        ]
        best = max(scored, default=(0, 0, 0))
        if best[0] == 0:
            break
        known, explains, _ = candidates[-best[2]]
        for name, _ in explains & open_:
            named.setdefault(name, known)
        open_ -= explains
    return named


def _compare(exercise, seen, known, provider):
    """Return the observations that `known` explains, and those in which it differs from `seen`.

    It explains what it shows too and loses points for; being right there explains nothing.
    """
    explains, contradicts = set(), set()
    for check in exercise.checks:
        student, theirs = seen.get(check.name, Seen()), known.seen[check.name]
        if student.fault or theirs.fault:
            equal = {"fault": _same_fault(student, theirs)}
        else:
            expected = provider.expected(exercise, check)
            equal = {
                key: _same(student.arrays or {}, theirs.arrays, key, expected)
                for key in expected.arrays
                if not key.startswith("_")
            }
        for key, agrees in equal.items():
            if not agrees:
                contradicts.add((check.name, key))
            elif key in known.wrong[check.name]:
                explains.add((check.name, key))
    return explains, contradicts


def _same_fault(a: Seen, b: Seen):
    """Say whether both were stopped the same way; not having written anything is no mistake."""
    if a.fault is None or b.fault is None or a.fault.kind == STUB_MESSAGE:
        return False
    return a.fault.kind == b.fault.kind and _stem(a.fault.text) == _stem(b.fault.text)


def _stem(text):
    return text.split(" (in ")[0]


def _same(a, b, key, expected: Expected):
    if key not in a or key not in b:
        return key not in a and key not in b
    size = abs(b[key]).max(initial=0.0)
    tolerance = expected.tolerance(key, a[key].dtype)
    return agree(a[key], b[key], max(tolerance, SAME * size if size < float("inf") else 0.0))
