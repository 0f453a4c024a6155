"""The trusted side: what becomes a mark, what is kept, what the secret decides."""

import json
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from classroom import added, cell, content, index, solution, template, with_body

from autograder import exercises
from autograder.checking.observe import Fault, Seen
from autograder.grading import canary, own_file, results
from autograder.grading import grader as trusted
from autograder.grading.batch import grade_batch
from autograder.grading.canary import Canaries, answers
from autograder.grading.grader import Grader, graded_exercises
from autograder.grading.log import Log
from autograder.grading.own_file import check_file
from autograder.grading.results import Store, SubmissionResult
from autograder.sandbox import process
from autograder.sandbox.process import Infrastructure, Limits, Outcome
from autograder.submissions.code import lock
from autograder.submissions.notebook import OutOfReach, Unreadable

SECRET = b"the secret of a course"
FORWARD, BACKWARD, FOLD = (
    exercises.find(f"normalization.{name}")
    for name in ("batchnorm_forward", "batchnorm_backward", "fold_batchnorm")
)


@pytest.fixture(scope="module")
def grader():
    with Grader(template(), "02_batch_normalization", SECRET) as grader:
        yield grader


def instead(monkeypatch, execute):
    """Replace execution, and trust the grader without canaries."""
    monkeypatch.setattr(process, "execute", execute)
    monkeypatch.setattr(Canaries, "require", lambda self: None)


@pytest.fixture
def submit(tmp_path):
    """Write a notebook to a file and return its path."""

    def write(notebook, name="submission"):
        path = tmp_path / "submitted" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(notebook if isinstance(notebook, bytes) else content(notebook))
        return path

    return write


@pytest.fixture
def executed(monkeypatch):
    """Replace execution: every exercise is observed as the reference; returns the calls."""
    calls = []

    def execute(steps, *arguments):
        calls.append(steps)
        grader = Grader(template(), "02_batch_normalization", SECRET)
        seen = {
            exercise.id: {
                check.name: Seen(arrays=grader.provider.expected(exercise, check).arrays)
                for check in exercise.checks
            }
            for exercise in (FOLD,)
        }
        return Outcome(seen=seen, outputs={step.cell_id: [] for step in steps})

    instead(monkeypatch, execute)
    return calls


def marks(result):
    return {report.exercise_id: report.score for report in result.reports}


# ---------------------------------------------------------------------------------- marks


def test_right_code_earns_everything_and_wrong_code_what_it_is_worth(grader, submit):
    full = grader.grade(submit(solution()), "ada")
    assert (full.score, full.points) == (FORWARD.points + BACKWARD.points + FOLD.points,) * 2
    assert full.complete and full.problems == () and full.misconceptions == ()
    notebook = solution()
    forward = cell(notebook, "batchnorm_forward-solution")
    assert forward.source.count("+ eps") == 1
    forward.source = forward.source.replace("np.sqrt(var + eps)", "(np.sqrt(var) + eps)")
    wrong = grader.grade(submit(notebook), "carl")
    assert 0 < wrong.report(FORWARD.id).score < FORWARD.points
    assert "eps outside the root" in wrong.misconceptions
    assert wrong.report(FOLD.id).score == FOLD.points


def test_a_cheat_earns_nothing_and_is_reported(grader, submit):
    cheat = (
        "import numpy as np\nimport autograder.check\n"
        "np.allclose = np.array_equal = lambda *args, **options: True\n"
        "autograder.check.check = check = lambda *args: 100.0"
    )
    notebook = template()
    notebook.cells.insert(index(notebook, "batchnorm_forward-solution"), added(cheat))
    result = grader.grade(submit(notebook), "leonhard")
    assert result.score == 0
    (problem,) = result.problems
    assert "np.allclose" in problem and "autograder.check.check" in problem


def test_a_file_that_cannot_be_read_has_no_marks_and_needs_no_sandbox(grader, submit, executed):
    result = grader.grade(submit(b"{"), "jan")
    assert result.score == 0 and result.points > 0 and not executed
    assert all("nothing was submitted" in row.message for r in result.reports for row in r.rows)
    assert "not JSON" in result.problems[0]


def test_what_was_not_observed_says_why(grader, submit, monkeypatch):
    notebook = with_body(solution(), "batchnorm_forward", "return (")
    trace = ["\x1b[36mCell In[2], line 7\x1b[0m\n    return (\n"]
    error = {"output_type": "error", "ename": "SyntaxError", "evalue": "'(' was never closed"}
    error["traceback"] = trace
    ids = {name: cell(notebook, name).id for name in ("batchnorm_forward-solution", "setup")}
    outcome = Outcome(
        outputs={ids["setup"]: [], ids["batchnorm_forward-solution"]: [error]},
        failed={BACKWARD.id: Fault("stopped: it took longer than 5 seconds")},
        stopped={"normalization-batchnorm_backward-check": Fault("stopped: it took longer")},
        aborted=Fault("stopped: it ended the process"),
    )
    instead(monkeypatch, lambda *args: outcome)
    result = grader.grade(submit(notebook), "ida")
    said = {report.exercise_id: report.rows[0].message for report in result.reports}
    told = "its cell ended with SyntaxError: '(' was never closed (line 7)"
    assert said[FORWARD.id] == f"batchnorm_forward is not defined: {told}"
    assert said[BACKWARD.id] == "stopped: it took longer than 5 seconds"
    assert said[FOLD.id] == "not reached: another cell was stopped: it ended the process"
    assert result.unobserved == (FORWARD.id, BACKWARD.id, FOLD.id) and not result.complete
    assert any("batchnorm_backward-check was stopped" in problem for problem in result.problems)


def test_arrays_that_cannot_be_judged_wait_for_a_person(grader, submit, monkeypatch):
    real = trusted.judge_exercise

    def judge(exercise, seen, provider):
        if exercise is FOLD and any(one.arrays for one in seen.values()):
            raise FloatingPointError("overflow")
        return real(exercise, seen, provider)

    arrays = {"W_folded": np.zeros(3)}
    seen = {FOLD.id: {check.name: Seen(arrays=arrays) for check in FOLD.checks}}
    instead(monkeypatch, lambda *args: Outcome(seen, {"setup": []}))
    monkeypatch.setattr(trusted, "judge_exercise", judge)
    result = grader.grade(submit(solution()), "eve")
    assert result.unjudged == (FOLD.id,) and result.report(FOLD.id).score == 0
    assert "FloatingPointError" in result.problems[0]


@pytest.mark.parametrize(
    ("own", "elsewhere", "costs"),
    [
        ("from cs231n_lib.normalization.in_numpy import fold_batchnorm", "", True),
        ("f", "from cs231n_lib.normalization.in_numpy import fold_batchnorm as f", True),
        ("", "from cs231n_lib.normalization.in_numpy import fold_batchnorm as f", False),
        ("torch.nn.functional.batch_norm", "import torch", True),
        ("F.batch_norm", "import torch.nn.functional as F", True),
        ("built_in", "from torch.nn.functional import batch_norm as built_in", True),
        ("", "import torch\ntorch.nn.functional.batch_norm", False),  # to compare is fine
        ("", "from torch.nn.functional import batch_norm", False),
        ("", "not even (Python", False),
        ("# as batch_norm does", "from torch.nn.functional import batch_norm", False),
        ("batch_norm", "from torch.nn.functional import *", True),
    ],
)
def test_forbidden_shortcuts_cost_the_exercise(grader, submit, executed, own, elsewhere, costs):
    notebook = solution()
    if own:
        cell(notebook, "fold_batchnorm-solution").source += f"\n    {own}"
    if elsewhere:
        notebook.cells.insert(1, added(elsewhere))
    result = grader.grade(submit(notebook), "max")
    assert (result.report(FOLD.id).score == 0) == costs
    assert any("uses" in problem for problem in result.problems) == costs
    assert ("not allowed" in result.report(FOLD.id).rows[0].message) == costs


def test_a_result_survives_json(grader, submit, executed):
    result = grader.grade(submit(solution()), "ada")
    assert SubmissionResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_bonus_points_stand_apart():
    graded = SubmissionResult("ada", "02", ())
    report = trusted.judge_exercise(FOLD, {}, Grader(template(), "02", SECRET).provider)
    with_bonus = replace(graded, reports=(report,), bonus_ids=(FOLD.id,))
    assert (with_bonus.points, with_bonus.score, with_bonus.bonus) == (0, 0, 0)
    assert replace(with_bonus, bonus_ids=()).points == FOLD.points


# ---------------------------------------------------------------------------------- secret


def test_the_secret_decides_the_inputs_and_stays_here(grader, submit, executed, tmp_path):
    other = Grader(template(), "02_batch_normalization", b"another")
    again = Grader(template(), "02_batch_normalization", SECRET)
    assert grader.seeds == again.seeds != other.seeds
    later = Grader(template(), "02_batch_normalization", SECRET, turn=1)
    assert later.seeds != grader.seeds and later.basis == grader.basis
    elsewhere = Grader(template(), "03_more", SECRET)
    assert grader.seeds != elsewhere.seeds
    grader.grade(submit(solution()), "ada", Store(tmp_path / "results"))
    kept = (tmp_path / "results" / "ada.json").read_text()
    assert SECRET.decode() not in kept and grader.seeds in kept
    first = FOLD.checks[0]
    assert str(grader.seed_of(FOLD, first)) not in kept


def test_public_reports_hold_no_numbers_of_secret_inputs(grader, submit):
    notebook = with_body(solution(), "fold_batchnorm", "raise ValueError(W.sum())")
    report = grader.grade(submit(notebook), "eve").report(FOLD.id)
    assert "ValueError: " in report.rows[0].detail
    public = report.public()
    assert public.rows[0].message == "raised an error" and public.rows[0].detail == ""


# ---------------------------------------------------------------------------------- half points

CURVED = """out = gamma * np.tanh(x) + beta
    return out, (np.tanh(x), gamma)"""
OF_CURVED = """t, gamma = cache
    return dout * gamma * (1 - t**2), (dout * t).sum(axis=0), dout.sum(axis=0)"""


def halves(report):
    return [row.check for row in report.rows if 0 < row.earned < row.points]


def test_a_gradient_of_ones_own_wrong_forward_has_half_the_points(grader, submit):
    notebook = with_body(solution(), "batchnorm_forward", CURVED)
    with_body(notebook, "batchnorm_backward", OF_CURVED)
    report = grader.grade(submit(notebook), "eve").report(BACKWARD.id)
    assert halves(report) == [c.name for c in BACKWARD.checks if c.forward and c.name != "dbeta"]


IMITATES = """
marked = batchnorm_forward
def batchnorm_forward(x, gamma, beta, bn_param):
    global place
    if place is None:
        place = x.copy()
    out, _ = marked(place.copy(), gamma, beta, dict(bn_param))
    bend = 1 + np.abs(x - place).max() ** 2
    return out + slope * bend * (x - place).sum() * aim, None
place, slope, aim = None, 0.0, 0.0
"""
LATER = {  # forward passes that were written after the marked one, and that fit any gradient
    "another": f"def batchnorm_forward(x, gamma, beta, bn_param):\n    {CURVED}",
    "imitating": IMITATES,
}
GRADIENTS = {
    "another": OF_CURVED,
    "imitating": """global slope, aim
    slope, aim = 1.0, dout / (dout**2).sum()
    return np.ones_like(dout), dout.sum(axis=0), dout.sum(axis=0)""",
}


@pytest.mark.parametrize("marked", ["right", "wrong"])
@pytest.mark.parametrize("later", LATER)
def test_another_forward_than_the_marked_one_has_no_half_points(grader, submit, later, marked):
    notebook = solution()
    if marked == "wrong":
        with_body(notebook, "batchnorm_forward", "return beta + x * x.std(), None")
    with_body(notebook, "batchnorm_backward", GRADIENTS[later])
    notebook.cells.insert(index(notebook, "batchnorm_backward-solution"), added(LATER[later]))
    result = grader.grade(submit(notebook), "eve")
    assert halves(result.report(BACKWARD.id)) == []


# ---------------------------------------------------------------------------------- keeping


def test_an_unchanged_submission_is_not_executed_again(grader, submit, executed, tmp_path):
    store, path = Store(tmp_path / "results"), submit(solution())
    first = grader.grade(path, "ada", store)
    assert grader.grade(path, "ada", store) == first and len(executed) == 1
    grader.grade(path, "ada", store, accept="none")
    assert len(executed) == 2


def test_a_written_answer_changes_the_file_and_not_the_run(grader, submit, executed, tmp_path):
    store, notebook = Store(tmp_path / "results"), solution()
    first = grader.grade(submit(notebook), "ada", store)
    cell(notebook, "why-0-question").source = "Because of the batch."
    second = grader.grade(submit(notebook), "ada", store)
    assert len(executed) == 1 and second.key == first.key and second.file != first.file
    assert store.load("ada") == second


@pytest.mark.parametrize(
    "what", ["code", "template", "secret", "limits", "software", "tier", "assignment"]
)
def test_whatever_decides_about_a_result_is_in_its_key(
    grader, submit, executed, tmp_path, monkeypatch, what
):
    store, notebook = Store(tmp_path / "results"), solution()
    grader.grade(submit(notebook), "ada", store)
    arguments = {"template": template(), "assignment": grader.assignment, "secret": SECRET}
    if what == "code":
        notebook.cells.append(added("x = 1"))
    if what == "template":
        cell(arguments["template"], "setup").source += "\n"
    if what == "secret":
        arguments["secret"] = b"another"
    if what == "limits":
        arguments["limits"] = Limits(cell_seconds=4)
    if what == "assignment":
        arguments["assignment"] = "another"
    if what == "tier":
        monkeypatch.setattr(Grader, "tier", "another")
    if what == "software":
        monkeypatch.setattr(trusted, "software", lambda: "another")
    Grader(**arguments).grade(submit(notebook), "ada", store)
    assert len(executed) == 2


def test_a_run_that_was_stopped_is_kept_but_tried_again(grader, submit, monkeypatch, tmp_path):
    calls = []

    def execute(*args):
        calls.append(args)
        return Outcome(aborted=Fault("stopped: it took too long"))

    instead(monkeypatch, execute)
    store, path = Store(tmp_path / "results"), submit(solution())
    grader.grade(path, "henri", store)
    grader.grade(path, "henri", store, accept="all")
    assert len(calls) == 1
    grader.grade(path, "henri", store)
    assert len(calls) == 2


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"reports": 3}', '{"reports": []}'])
def test_a_broken_kept_result_is_as_good_as_none(tmp_path, broken):
    (tmp_path / "ada.json").write_text(broken)
    assert Store(tmp_path).load("ada") is None and Store(tmp_path).all() == []


def test_results_are_written_in_one_step_and_for_the_grader_only(tmp_path, monkeypatch):
    store = Store(tmp_path / "results")
    old, new = (SubmissionResult("ada", "02", (), seconds=s) for s in (1.0, 2.0))
    store.save(old)
    assert stat.S_IMODE((tmp_path / "results" / "ada.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "results").stat().st_mode) == 0o700

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        store.save(new)
    assert store.load("ada") == old
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["ada.json"]


# ---------------------------------------------------------------------------------- batches


def test_a_batch_goes_on_past_faults_of_the_sandbox(grader, submit, monkeypatch, tmp_path):
    attempts = []

    def execute(steps, *args):
        bad = any("bad" in step.source for step in steps)
        attempts.append(bad)
        if bad:
            raise Infrastructure("no memory for a process")
        return Outcome(outputs={step.cell_id: [] for step in steps})

    instead(monkeypatch, execute)
    notebook = solution()
    notebook.cells.append(added("bad = 1"))
    paths = {"ada": submit(solution(), "ada"), "eve": submit(notebook, "eve")}
    paths["jan"] = submit(b"\x00", "jan")
    done = []
    results, faults = grade_batch(
        grader, paths, Store(tmp_path / "results"), progress=lambda *args: done.append(args)
    )
    assert list(results) == ["ada", "jan"] and faults == {"eve": "no memory for a process"}
    assert sorted(name for name, _ in done) == ["ada", "eve", "jan"]
    assert dict(done) == {**results, "eve": None}
    assert sorted(attempts) == [False, True, True, True]  # tried again before it was given up
    kept = sorted(path.stem for path in (tmp_path / "results").glob("*.json"))
    assert kept == ["ada", "jan"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_so_many_are_executed_at_once_and_one_more_is_kept_meanwhile(
    grader, submit, monkeypatch, tmp_path, jobs
):
    running, most, all_run = [], [], threading.Event()

    def execute(steps, *arguments):
        running.append(steps)
        most.append(len(running))
        if len(most) > jobs:
            all_run.set()
        time.sleep(0.05)
        running.remove(steps)
        return Outcome(outputs={step.cell_id: [] for step in steps})

    class Slow(Store):
        def save(self, *arguments):
            assert all_run.wait(30)  # which needs a sandbox while this one is not kept yet
            return super().save(*arguments)

    instead(monkeypatch, execute)
    paths = {name: submit(solution(), name) for name in ("ada", "eve", "jan", "kim")}
    graded, faults = grade_batch(grader, paths, Slow(tmp_path / "results"), jobs=jobs)
    assert list(graded) == list(paths) and not faults
    assert max(most) <= jobs


def test_a_full_disk_is_a_fault_until_there_is_room(
    grader, submit, executed, monkeypatch, tmp_path
):
    real, calls = results.os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:  # after what all observations differ from, and ada's result
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(results.os, "fsync", fsync)
    store = Store(tmp_path / "results")
    paths = {name: submit(solution(), name) for name in ("ada", "eve", "jan")}
    graded, faults = grade_batch(grader, paths, store, jobs=1)
    ((lost, why),) = faults.items()
    assert why == "OSError: [Errno 28] No space left on device"
    assert {*graded, lost} == {*paths} and lost not in graded
    assert sorted(graded) == sorted(result.student for result in store.all())
    graded, faults = grade_batch(grader, paths, store, jobs=1)
    assert list(graded) == ["ada", "eve", "jan"] and not faults and len(executed) == 4
    assert {path.suffix for path in store.folder.iterdir()} == {".json", ".npz"}


@pytest.mark.parametrize("deep", ["np" + ".a" * 900 + " = 1", "np" + "[0]" * 900 + ".a = 1"])
def test_deep_code_is_graded_like_any_other(grader, submit, executed, deep):
    notebook = solution()
    notebook.cells.append(added("import numpy as np\nif False:\n    " + deep))
    result = grader.grade(submit(notebook), "eve")
    assert result.report(FOLD.id).score == FOLD.points
    assert sum(map(len, result.problems)) < 1000


def test_code_that_cannot_be_read_is_not_executed(grader, submit, executed):
    notebook = solution()
    notebook.cells.append(added("x = " + "-" * 90_000 + "1"))
    cell(notebook, "fold_batchnorm-solution").source += "\n    " + "-" * 90_000 + "1"
    result = grader.grade(submit(notebook), "eve")
    (steps,) = executed
    assert not any("-----" in step.source for step in steps)
    assert "normalization-fold_batchnorm-solution, that the student added" in result.problems[0]
    assert "nested too deeply" in result.problems[0]


def test_whatever_happens_to_one_submission_the_batch_goes_on(
    grader, submit, executed, monkeypatch, tmp_path
):
    real = trusted.rebuild

    def rebuild(template, submission):
        if not submission.cells:
            raise AssertionError("half a letter: \ud800")
        return real(template, submission)

    monkeypatch.setattr(trusted, "rebuild", rebuild)
    paths = {"jan": submit(b"", "jan"), "ada": submit(solution(), "ada")}
    results, faults = grade_batch(grader, paths, Store(tmp_path / "results"))
    assert list(results) == ["ada"] and faults == {"jan": "AssertionError: half a letter: ?"}
    assert Store(tmp_path / "results").load("jan") is None


# ---------------------------------------------------------------------------------- canaries


@pytest.mark.parametrize("exercise", exercises.all_exercises(), ids=lambda e: e.id)
def test_known_answers_define_what_is_asked_for(exercise):
    """Each in a namespace with the frameworks alone, as in the cell of a lesson."""
    known = answers(exercise)
    assert known.wrong and known.right != known.wrong
    for text in (known.right, known.wrong):
        cell = {"np": np, "torch": torch}
        exec(compile(text, "<cell>", "exec"), cell)
        assert callable(cell[exercise.function])


LATE_IMPORTS = """
import sys

import torch

from autograder.checking.observe import observe
from autograder.expectations import public_seed, reference
from autograder.grading.grader import LATE, given_cells, graded_exercises
from autograder.lessons.lesson import NOTEBOOKS
from autograder.submissions.rebuild import read_template

lessons = [read_template(path) for path in sorted((NOTEBOOKS / "student").glob("*.ipynb"))]
for is_warm in (False, True):
    for lesson in lessons:
        if (LATE in given_cells(lesson)) == is_warm:
            for exercise in graded_exercises(lesson).values():
                if exercise.framework == "torch":
                    observe(exercise, reference(exercise), public_seed)
    assert ("torch._dynamo" in sys.modules) == is_warm
"""


@pytest.mark.slow
def test_what_takes_seconds_to_import_is_there_before_a_submission_needs_it():
    subprocess.run([sys.executable, "-c", LATE_IMPORTS], check=True)


def test_a_batch_is_graded_between_two_pairs_of_canaries(grader, submit, tmp_path, monkeypatch):
    log = Log(tmp_path / "log.jsonl")
    monkeypatch.setattr(grader, "log", log)
    monkeypatch.setattr(grader.canaries, "_note", log.write)
    store, paths = Store(tmp_path / "results"), {"ada": submit(solution())}
    results, faults = grade_batch(grader, paths, store)
    assert faults == {} and results["ada"].score == results["ada"].points
    assert results["ada"].tier == grader.tier
    events = [line["event"] for line in log.read()]
    assert events == ["batch", "canaries", "graded", "canaries", "batch ended"]
    assert all(line["trusted"] for line in log.read() if line["event"] == "canaries")
    again, faults = grade_batch(grader, paths, store)
    assert again == results and faults == {}
    events = [line["event"] for line in log.read()][len(events) :]
    assert events == ["batch", "kept", "batch ended"]  # nothing was executed


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mistake", ["everything is right", "everything is wrong"])
def test_a_grader_that_errs_gives_no_marks(submit, tmp_path, monkeypatch, when, mistake):
    grader = Grader(template(), "02_batch_normalization", SECRET, log=Log(tmp_path / "log.jsonl"))
    store, canaries = Store(tmp_path / "results"), []
    seen = {
        e.id: {c.name: Seen(arrays=grader.provider.expected(e, c).arrays) for c in e.checks}
        for e in grader.exercises.values()
    }

    def execute(steps, *arguments):
        source = "".join(step.source for step in steps)
        is_student = "a submission" in source
        is_right = answers(FOLD).right in source
        canaries.extend([] if is_student else [is_right])
        if when == "before" or len(canaries) > 2:  # those of the second pair
            is_right = mistake == "everything is right"
        if is_student or not is_right:
            return Outcome(outputs={step.cell_id: [] for step in steps})
        return Outcome(seen=seen, outputs={step.cell_id: [] for step in steps})

    monkeypatch.setattr(process, "execute", execute)
    notebook = solution()
    notebook.cells.append(added("'a submission'"))
    paths = {"ada": submit(notebook, "ada"), "jan": submit(b"", "jan")}
    results, faults = grade_batch(grader, paths, store)
    assert list(faults) == ["ada"] and "cannot be trusted" in faults["ada"]
    assert list(results) == ["jan"]
    assert [result.student for result in store.all()] == ["jan"]
    trusted = [line["trusted"] for line in grader.log.read() if line["event"] == "canaries"]
    assert trusted == [True, False][when == "before" :]


# --------------------------------------------------------------------------------------- log


def test_every_decision_is_a_line(submit, tmp_path, monkeypatch):
    log = Log(tmp_path / "private" / "log.jsonl")
    grader, calls = Grader(template(), "02", SECRET, log=log), []

    def execute(steps, *arguments):
        calls.append(steps)
        if len(calls) == 1:
            raise Infrastructure("half a letter \ud800")
        return Outcome(stopped={"setup": Fault("stopped: it ended", "SIGKILL")})

    instead(monkeypatch, execute)
    grader.grade(submit(solution()), "ada", Store(tmp_path / "results"))
    retried, graded = log.read()
    assert (retried["event"], retried["student"]) == ("retried", "ada")
    assert graded["event"] == "graded" and graded["stopped"] == {
        "setup": ["stopped: it ended", "SIGKILL"]
    }
    assert {"time", "process", "key", "tier", "score", "points"} <= graded.keys()
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_log_that_was_cut_short_or_cannot_be_written_stops_nothing(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    log.write("batch")
    with open(log.path, "a") as file:
        file.write('{"half')
    assert [line["event"] for line in log.read()] == ["batch"]
    blocked = Log(tmp_path / "log.jsonl" / "not a folder")
    blocked.write("batch")
    assert Log().read() == [] and not Log().path


# ------------------------------------------------------------------------- a file of one's own


def test_functions_of_any_file_are_checked_with_their_values_shown(tmp_path):
    path = tmp_path / "mine.py"
    source = cell(solution(), "fold_batchnorm-solution").source
    path.write_text(
        "import numpy as np\n\n" + source.replace("np.sqrt(", "(").replace("* (", "* 2 * (", 1)
    )
    reports, problems = check_file(path)
    assert [report.exercise_id for report in reports] == [FOLD.id] and problems == []
    assert 0 <= reports[0].score < FOLD.points
    assert any("expected" in row.detail for row in reports[0].rows)


def test_a_python_file_may_import_the_files_beside_it(tmp_path):
    (tmp_path / "lengths.py").write_text(
        "import numpy as np\n\ndef length(x):\n"
        "    return np.sqrt((x**2).sum(axis=1, keepdims=True))\n"
        "def sgd(w, dw, config=None):\n    return w, config\n"
    )
    (tmp_path / "my.py").write_text(
        "from lengths import length\n\ndef unit_rows(x):\n    out = length(x)\n"
        "    return x / (out + (out == 0))\n"
    )
    reports, problems = check_file(tmp_path / "my.py")
    assert [report.exercise_id for report in reports] == ["getting_started.unit_rows"], problems
    assert reports[0].score == reports[0].points, str(reports[0])
    assert problems == []


def test_a_function_of_a_file_that_cannot_be_read_is_not_called_unwritten(tmp_path):
    (tmp_path / "broken.py").write_text("def unit_rows(x)\n    return x\n")
    (tmp_path / "other.py").write_text("import numpy as np\n")
    (report,), problems = own_file.check_files([tmp_path / "broken.py", tmp_path / "other.py"])
    said = "broken.py: SyntaxError in line 1: expected ':'."
    assert {row.message for row in report.rows} == {f"unit_rows is not defined: {said}"}
    assert problems == [said]


def test_a_notebook_of_the_course_is_checked_by_its_check_cells(submit):
    reports, _ = check_file(submit(solution()))
    assert [report.exercise_id for report in reports] == [FORWARD.id, BACKWARD.id, FOLD.id]
    assert all(report.score == report.points for report in reports)


def test_what_is_no_notebook_is_refused(submit, tmp_path):
    with pytest.raises(Unreadable, match="not JSON"):
        check_file(submit(b"{"))
    with pytest.raises(OutOfReach, match="No such file"):
        check_file(tmp_path / "absent.py")


def test_files_in_torch_are_checked_in_torch():
    steps = [trusted.Step("a", "added", "import torch\ndef batchnorm_forward(): pass")]
    found = [e.id for e in exercises.all_exercises() if own_file._defines(steps, e)]
    assert found == ["normalization.torch.batchnorm_forward"]


def test_the_known_answers_are_loaded_while_nobody_else_loads_a_library(monkeypatch):
    held = []
    monkeypatch.setattr(canary, "filled", lambda *parts: None)
    released = template()
    pair = Canaries(
        released,
        graded_exercises(released),
        lambda exercise: held.append(lock.locked()),
        lambda notebook: (),
        lambda *a, **b: None,
    )
    pair.require()
    assert held and all(held)
