"""What is kept of a submission: it is judged again to the mark that executing it again gives."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from classroom import NAME, added, cell, content, solution, template

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import Fault, Seen
from autograder.checking.spec import Verdict
from autograder.course.folder import Course, observations_of
from autograder.grading import canary, observations
from autograder.grading import grader as trusted
from autograder.grading.baseline import Baseline
from autograder.grading.batch import grade_batch, remark_blocks
from autograder.grading.canary import Canaries, Distrusted
from autograder.grading.findings import Findings
from autograder.grading.grader import Grader
from autograder.grading.observations import (
    NotKept,
    Observations,
    experiment,
    experiments_in,
    text_of,
)
from autograder.grading.results import Store, SubmissionResult
from autograder.sandbox import process
from autograder.sandbox.process import Limits, Outcome

SECRET = b"the secret of a course"
FORWARD = exercises.find("normalization.batchnorm_forward")
FOLD = exercises.find("normalization.fold_batchnorm")
OFF = 1e-3  # what a student of `observed` is off by in the first check of `FOLD`


def mistaken():
    """A submission with a known mistake, one of its own, and a cell that ends with an error."""
    notebook = solution()
    forward = cell(notebook, "batchnorm_forward-solution")
    forward.source = forward.source.replace("np.sqrt(var + eps)", "(np.sqrt(var) + eps)")
    fold = cell(notebook, "fold_batchnorm-solution")
    fold.source = fold.source.replace("np.sqrt(", "3 * np.sqrt(", 1)
    notebook.cells += [added("print('seen')"), added("def own(): pass\n1 / 0")]
    return notebook


def write(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(notebook))
    return path


def marked_otherwise(monkeypatch):
    """Change points, a judge, names and hints of the lesson, as an instructor does."""

    def lenient(seen, expected):
        return Verdict(0.5, "half for trying")

    graded = trusted.graded_exercises
    monkeypatch.setattr(
        trusted,
        "graded_exercises",
        lambda notebook: {
            name: replace(
                exercise,
                title=f"{exercise.title}, again",
                checks=tuple(
                    replace(check, points=2 * check.points, judge=lenient if last else check.judge)
                    for check, last in zip(
                        exercise.checks, [False] * (len(exercise.checks) - 1) + [True], strict=True
                    )
                ),
            )
            for name, exercise in graded(notebook).items()
        },
    )
    of = misconceptions.of
    monkeypatch.setattr(
        misconceptions,
        "of",
        lambda name: tuple(replace(m, name=f"{m.name}!", hint=f"{m.hint}!") for m in of(name)),
    )
    monkeypatch.setattr(trusted, "software", lambda: "another")


@pytest.mark.slow
def test_judging_again_gives_what_executing_again_gives(tmp_path, monkeypatch):
    path, store = write(tmp_path / "ada" / "a.ipynb", mistaken()), Store(tmp_path / "results")
    with Grader(template(), NAME, SECRET) as grader:
        monkeypatch.setattr(Canaries, "require", lambda self: None)
        first = grader.grade(path, "ada", store)
        assert first.misconceptions and first.outputs and first.problems
        marked_otherwise(monkeypatch)
        changed = Grader(template(), NAME, SECRET)
        changed.sandboxes = grader.sandboxes  # one that is warm
        again = changed.grade(path, "ada")
        monkeypatch.setattr(process, "execute", None)  # no code is run from here on
        preview = changed.remark(path, "ada", store, keep=False)
        assert store.load("ada") == first
        remarked = changed.remark(path, "ada", store)
    assert preview == remarked == store.load("ada") != first
    times = {"seconds": first.seconds, "observed": first.observed}
    assert remarked == replace(again, **times)
    assert remarked.points == 2 * first.points and remarked.score != first.score
    assert remarked.misconceptions and all(n.endswith("!") for n in remarked.misconceptions)
    assert changed.grade(path, "ada", store) == remarked  # it counts as graded


# ------------------------------------------------------------------- without a sandbox


@cache
def provider_of(secret):
    """What is expected with a secret, computed once for all tests."""
    return expectations.live(expectations.secret_seed(secret, NAME))


def grader_of(secret=SECRET, notebook=None, **options):
    """A grader that is made anew, but for what it expects."""
    grader = Grader(notebook or template(), NAME, secret, **options)
    grader.provider = provider_of(secret)
    return grader


@pytest.fixture
def observed(tmp_path, monkeypatch):
    """A graded submission, off by a little in one check; returns its grader, path and store."""
    monkeypatch.setattr(Canaries, "require", lambda self: None)
    grader = grader_of()

    def execute(steps, *arguments):
        arrays = {check.name: grader.provider.expected(FOLD, check).arrays for check in FOLD.checks}
        first = FOLD.checks[0].name
        arrays[first] = {key: array + OFF for key, array in arrays[first].items()}
        seen = {FOLD.id: {name: Seen(arrays=found) for name, found in arrays.items()}}
        return Outcome(seen=seen, outputs={step.cell_id: [] for step in steps})

    monkeypatch.setattr(process, "execute", execute)
    path, store = write(tmp_path / "ada" / "a.ipynb", solution()), Store(tmp_path / "results")
    grader.grade(path, "ada", store)
    return grader, path, store


def test_what_was_observed_is_read_by_course_lesson_and_student(observed, tmp_path):
    course = Course(tmp_path)
    _, _, store = observed
    store.folder.rename(tmp_path / "away")
    kept = course.store(NAME).folder
    kept.parent.mkdir(parents=True)
    (tmp_path / "away").rename(kept)
    seen = observations_of(course, NAME, "ada").outcome.seen
    assert seen.keys() == {FOLD.id}
    assert seen[FOLD.id].keys() == {check.name for check in FOLD.checks}
    with pytest.raises(NotKept, match="not been graded"):
        observations_of(course, NAME, "eve")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("the submission", "changed since it was graded"),
        ("the template", "the lesson, a library"),
        ("the limits", "the lesson, a library"),
        ("the libraries", "the lesson, a library"),
        ("the secret", "another experiment"),
        ("the scenario", "another experiment"),
        ("a new check", "another experiment"),
        ("the file, damaged", "damaged"),
        ("the file, cut short", "damaged"),
        ("the file, another's", "those of another run"),
        ("the file, gone", "cannot be read"),
        ("the baseline, gone", "differ from cannot be read"),
        ("the baseline, damaged", "differ from is damaged"),
        ("the version", "another version"),
        ("no result", "not been graded"),
        ("too large", "were not kept"),
    ],
)
def test_what_only_executing_can_tell_is_not_judged_again(observed, monkeypatch, what, why):
    grader, path, store = observed
    file, options = store.folder / "ada.npz", {}
    whole = file.read_bytes()
    if what == "the submission":
        write(path, mistaken())
    if what == "the template":
        options["notebook"] = template()
        cell(options["notebook"], "setup").source += "\n"
    if what == "the limits":
        options["limits"] = Limits(cell_seconds=4)
    if what == "the libraries":
        monkeypatch.setattr(trusted, "surroundings", lambda: "another")
    if what == "the secret":
        options["secret"] = b"another"
    if what in ("the scenario", "a new check"):
        graded, check = trusted.graded_exercises, FOLD.checks[0]

        def doubled(impl, rng):
            return {key: 2 * array for key, array in check.scenario(impl, rng).items()}

        checks = (replace(check, scenario=doubled), *FOLD.checks[1:])
        if what == "a new check":
            checks = (*FOLD.checks, replace(check, name="one more"))
        other = replace(FOLD, checks=checks)
        monkeypatch.setattr(
            trusted,
            "graded_exercises",
            lambda nb: {n: other if e is FOLD else e for n, e in graded(nb).items()},
        )
    if what == "the file, damaged":
        file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    if what == "the file, cut short":
        file.write_bytes(whole[:100])
    if what == "the file, another's":
        kept = Observations.from_bytes(whole, store.baseline)
        file.write_bytes(replace(kept, run="another").to_bytes())
    if what == "the file, gone":
        file.unlink()
    (common,) = store.folder.glob(".baseline-*")
    if what == "the baseline, gone":
        common.unlink()
    if what == "the baseline, damaged":
        common.write_bytes(Baseline.of({}, {}).content)
    if what == "the version":
        monkeypatch.setattr(observations, "FORMAT", observations.FORMAT + 1)
    if what == "no result":
        store.remove("ada")
        assert not file.exists()
    if what == "too large":
        monkeypatch.setattr(observations, "MAX_BYTES", 10)
        grader.grade(path, "ada", store, accept="none")
    before = store.load("ada")
    with pytest.raises(NotKept, match=why):
        grader_of(**options).remark(path, "ada", store)
    assert store.load("ada") == before


def test_a_check_that_went_or_costs_more_needs_no_run(observed, monkeypatch):
    _, path, store = observed
    before = store.load("ada").report(FOLD.id)
    fewer = replace(FOLD, checks=FOLD.checks[:1])
    monkeypatch.setattr(
        trusted, "graded_exercises", lambda notebook: {f"{FOLD.grade_id}-check": fewer}
    )
    report = grader_of().remark(path, "ada", store).report(FOLD.id)
    assert report.rows == before.rows[:1]


def test_whoever_judges_again_is_judged_first(observed, monkeypatch):
    grader, path, store = observed
    real = canary.judge_exercise
    monkeypatch.setattr(
        canary, "judge_exercise", lambda exercise, seen, provider: real(exercise, {}, provider)
    )
    with pytest.raises(Distrusted, match="right or wrong"):
        list(remark_blocks(grader, {"ada": path}, store))


# ------------------------------------------------------------------------------ the file


def the_same(arrays, text):
    """What the reference of a lesson shows, where a student's functions return the same."""
    return {"e.f": text}, {"e.f": {"one": arrays}}


def something_else(arrays, text):
    """The same names; other values, types and shapes, and a check that nobody has seen."""
    others = {key: array[..., None] for key, array in arrays.items()}
    rounded = {"facts": np.nextafter(arrays["facts"], 0), "n": arrays["n"].astype(np.int8)}
    return {"e.f": "{}"}, {"e.f": {"one": others | rounded, "four": arrays}, "g": {"one": arrays}}


@pytest.mark.parametrize("shared", [None, the_same, something_else])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_comes_back_bit_for_bit(seed, shared):
    rng = np.random.default_rng(seed)
    arrays = {
        "": rng.standard_normal((3, 0)),
        "a/b\n\u202e": np.asfortranarray(rng.standard_normal((3, 4)).astype(np.float32)),
        "facts": np.array([np.nan, np.inf, -0.0]),
        "n": np.array(rng.integers(9)),
        "yes": rng.random(5) < 0.5,
    }
    fault = Fault("raised ValueError", "é\x00 " * 100)
    outcome = Outcome(
        seen={"e.f": {"one": Seen(arrays=arrays), "two": Seen(fault=fault), "three": Seen({})}},
        stopped={"cell": fault},
        failed={"e.f": fault},
        cut={"b", "a"},
        aborted=fault if seed % 2 else None,
        seconds=1.5,
    )
    expected = provider_of(SECRET).expected(FOLD, FOLD.checks[0])
    said = Findings("steps", ("a",), ("b", "c"), {"f": ("d",)}, {"f": ("e", "é")}, {"f": "g"})
    text = text_of({"one": experiment(seed, expected)})
    kept = Observations("run", outcome, {"e.f": text}, "reader", said)
    kept = replace(kept, baseline=shared and Baseline.of(*shared(arrays, text)))
    back = Observations.from_bytes(kept.to_bytes(), lambda digest: kept.baseline)
    found = back.outcome.seen["e.f"]["one"].arrays
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype and found[key].shape == array.shape
        assert found[key].tobytes() == array.tobytes()
    rest = {"e.f": {"two": Seen(fault=fault), "three": Seen({})}}
    assert {**back.outcome.seen["e.f"], "one": None} == {**rest["e.f"], "one": None}
    assert replace(back.outcome, seen={}) == replace(outcome, seen={})
    assert (back.run, back.reader, back.findings) == ("run", "reader", said)
    (experiments,) = map(experiments_in, back.experiments.values())
    assert experiments["one"].is_that_of(seed, expected)
    assert not experiments["one"].is_that_of(seed + 1, expected)


def test_what_a_class_has_in_common_is_on_the_disk_once(observed, tmp_path):
    grader, _, store = observed
    alone = replace(store.observations(store.load("ada")), baseline=None)
    grader.grade(write(tmp_path / "ben" / "a.ipynb", solution()), "ben", store)
    assert len(list(store.folder.glob(".baseline-*"))) == 1
    for student in ("ada", "ben"):
        assert (store.folder / f"{student}.npz").stat().st_size < len(alone.to_bytes()) / 2
    values = np.random.default_rng(0).standard_normal(1000)
    rounded = {"dx": Seen(arrays={"": values * (1 + 2e-16)})}
    kept = Observations("run", Outcome(seen={"e.f": rounded}))
    baseline = Baseline.of({}, {"e.f": {"dx": {"": values}}})
    assert len(replace(kept, baseline=baseline).to_bytes()) < len(kept.to_bytes()) / 3


def test_an_experiment_is_known_by_its_values_and_their_order():
    expected = provider_of(SECRET).expected(FOLD, FOLD.checks[0])
    known, (key, array) = experiment(1, expected), next(iter(expected.arrays.items()))
    rounded = replace(expected, arrays=expected.arrays | {key: array * (1 + 1e-15)})
    assert known.is_that_of(1, rounded)
    for other in (array * 1.01, array[::-1], array[None]):
        changed = replace(expected, arrays=expected.arrays | {key: other})
        assert not known.is_that_of(1, changed)
    assert not known.is_that_of(1, replace(expected, arrays={}))


def test_a_crash_between_both_files_costs_the_observations_only(observed, monkeypatch):
    _, _, store = observed
    kept = store.load("ada")
    other = Observations("run", Outcome())
    monkeypatch.setattr(SubmissionResult, "to_dict", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.save(kept, other)
    assert store.load("ada") == kept
    with pytest.raises(NotKept, match="another run"):
        store.observations(kept)


def test_the_class_is_judged_again_without_a_sandbox(observed, monkeypatch):
    grader, path, store = observed
    calls = []
    monkeypatch.setattr(process, "execute", lambda *arguments: calls.append(arguments))
    one, two = remark_blocks(grader, {"ada": path, "eve": path}, store, size=1)
    results, faults = one.results, two.faults
    assert not one.faults and not two.results
    assert list(results) == ["ada"] and results["ada"] == store.load("ada")
    assert faults.keys() == {"eve"} and "executes it again" in faults["eve"] and not calls
    assert grade_batch(grader, {"ada": path}, store)[0] == results


def test_what_a_class_showed_alike_is_judged_once_and_the_rest_for_each(observed, monkeypatch):
    grader, path, store = observed
    first = grader.remark(path, "ada", store, keep=False)
    kept, judged = store.observations(store.load("ada")), []
    seen = dict(kept.outcome.seen)
    (name, one), *rest = seen[FOLD.id].items()
    moved = Seen({key: array + 1 for key, array in one.arrays.items()})
    seen[FOLD.id] = {name: moved, **dict(rest)}
    for student, shown in (("bob", kept.outcome.seen), ("eve", seen)):
        other = replace(kept, outcome=replace(kept.outcome, seen=shown))
        store.save(replace(store.load("ada"), student=student), other)
    again = grader_of()
    monkeypatch.setattr(
        trusted,
        "judge_exercise",
        lambda exercise, *rest: judged.append(exercise.id) or judge_exercise(exercise, *rest),
    )
    results = [again.remark(path, student, store, keep=False) for student in ("ada", "bob", "eve")]
    every = [exercise.id for exercise in again.exercises.values()]
    assert Counter(judged) == Counter([*every, FOLD.id])
    assert results[0].reports == results[1].reports == first.reports
    assert results[2].report(FORWARD.id) == first.report(FORWARD.id)
    assert results[2].report(FOLD.id) != first.report(FOLD.id)


def test_what_was_found_in_the_code_is_kept_as_long_as_nothing_else_reads_it(observed, monkeypatch):
    _, path, store = observed
    monkeypatch.setattr(trusted, "software", lambda: "another judge")
    real, rebuilt = trusted.rebuild, []
    monkeypatch.setattr(trusted, "rebuild", lambda *parts: rebuilt.append(1) or real(*parts))
    kept = grader_of().remark(path, "ada", store, keep=False)
    assert not rebuilt
    before = store.load("ada")
    assert replace(kept, basis=before.basis, key=before.key) == before
    monkeypatch.setattr(trusted, "readers", lambda: "another reader")
    assert grader_of().remark(path, "ada", store, keep=False) == kept and rebuilt


def test_another_rule_for_shortcuts_is_read_from_the_code_again(observed, monkeypatch):
    grader, path, store = observed
    notebook = solution()
    fold = cell(notebook, "fold_batchnorm-solution")
    fold.source = fold.source.replace("np.sqrt(", "np.hypot(0, 0) + np.sqrt(", 1)
    grader.grade(write(path, notebook), "ada", store)
    stricter = replace(FOLD, forbidden=(*FOLD.forbidden, "numpy.hypot"))
    graded = trusted.graded_exercises
    monkeypatch.setattr(
        trusted,
        "graded_exercises",
        lambda notebook: {n: stricter if e is FOLD else e for n, e in graded(notebook).items()},
    )
    report = grader_of().remark(path, "ada", store, keep=False).report(FOLD.id)
    assert report.score == 0 and "numpy.hypot, which is not allowed" in report.rows[0].message
