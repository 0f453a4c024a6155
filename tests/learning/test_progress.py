"""Progress: read from the log, with a line for all that is odd, and a page of what was written."""

import datetime
import json
import shutil

import pytest

from autograder import check as checks
from autograder.checking.attempts import Attempts
from autograder.cli import main
from autograder.exercises import find
from autograder.learning import progress as module
from autograder.learning.history import History, merge_histories, read_history
from autograder.learning.progress import UNSIGNED, progress_in, progress_of, software_digest
from autograder.learning.shelf import LOG, SHELVES, lessons
from autograder.lessons.lesson import SRC
from autograder.lessons.take import take_lessons

FORWARD = find("normalization.batchnorm_forward")


def attempt(exercise_id="normalization.batchnorm_forward", score=0.0, names=(), day=1, **more):
    points = find(exercise_id).points
    time = f"2026-11-{day:02}T10:00:00"
    score = points if score == "all" else score
    names = list(names)
    return {"time": time, "exercise": exercise_id, "code": "c", "score": score} | {
        "points": points,
        "names": names,
        "rung": 0,
        **more,
    }


def write(path, *entries):
    lines = (e if isinstance(e, str) else json.dumps(e) for e in entries)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def run(capsys):
    def command(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return command


def test_every_lesson_is_on_the_shelf():
    assert [one.number for one in lessons()] == [path.name[:2] for path in sorted(SRC.glob("*.py"))]
    assert all(one.exercises and one.minutes > 0 for one in lessons())


def test_nothing_done_all_done_and_in_between():
    none = progress_of(History())
    assert none.minutes_left == sum(one.minutes for one in lessons())
    assert none.next.exercise is lessons()[0].exercises[0]
    every = [attempt(e.id, "all") for one in lessons() for e in one.exercises]
    whole = progress_of(History(tuple(every)))
    assert whole.minutes_left == 0 and whole.next is None and "Everything is done." in str(whole)
    begun = progress_of(History((attempt(score=1.0, names=["no eps"]),)))
    assert begun.next.exercise is FORWARD  # of the lesson that was begun, not of the first
    assert "batchnorm_forward: no eps" in str(begun)
    assert "no eps" not in str(progress_of(History((*every, attempt(score="all")))))


def test_without_lessons_at_hand_nothing_is_said_to_be_done(monkeypatch):
    monkeypatch.setattr(module, "lessons", tuple)
    assert "Everything is done" not in str(progress_of(History()))


def test_minutes_left_only_fall_as_exercises_are_done():
    entries, left = (), [progress_of(History()).minutes_left]
    for exercise in lessons()[2].exercises:
        entries = (*entries, attempt(exercise.id, "all"))
        left.append(progress_of(History(entries)).minutes_left)
    assert left == sorted(left, reverse=True)
    assert left[0] - left[-1] == lessons()[2].minutes


def test_without_pytorch_its_exercises_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(module, "_has_torch", lambda: False)
    shown = [s.exercise for one in progress_of(History()).lessons for s in one.exercises]
    assert shown and all(exercise.framework == "numpy" for exercise in shown)


def test_html_escapes_what_the_log_says():
    shown = progress_of(History((attempt(names=["<script>"]),)))._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown


# ---------------------------------------------------------------------------------- odd logs


def test_damaged_lines_and_other_versions_are_one_line_and_stay(tmp_path):
    newer = json.dumps({"format": 9, "what": "optim.sgd"})
    path = write(tmp_path / LOG, "{half", attempt(score="all", colour="blue"), newer, "[]")
    before = path.read_bytes()
    history = read_history(path)
    assert [e["score"] for e in history.entries] == [FORWARD.points]
    (line,) = history.remarks
    assert line.startswith(f"{LOG}: 3 lines") and path.read_bytes() == before


def test_whole_points_written_by_another_version_count(tmp_path):
    path = write(tmp_path / LOG, attempt(score=0, names=["no eps"]))
    assert read_history(path).mistakes() == ((FORWARD.id, "no eps"),)


def test_a_clock_that_jumped_is_one_line_and_the_order_counts(tmp_path):
    path = write(tmp_path / LOG, attempt(day=28), attempt(score="all", day=2))
    now = datetime.datetime(2026, 11, 3)
    history = read_history(path, now)
    assert len(history.remarks) == 1 and "clock" in history.remarks[0]
    assert history.latest(FORWARD.id)["score"] == FORWARD.points


def test_two_devices_are_merged_and_nothing_is_lost(tmp_path):
    mine = write(tmp_path / "a", attempt(day=1), attempt(day=9, names=["no eps"]), "damaged")
    theirs = write(tmp_path / "b", attempt(day=1), attempt(day=20), attempt(score="all", day=5))
    before = {line for path in (mine, theirs) for line in path.read_text().splitlines()}
    assert merge_histories(mine, [theirs]) == 2
    assert set(mine.read_text().splitlines()) == before
    assert read_history(mine).latest(FORWARD.id)["score"] == FORWARD.points  # after the jump
    assert merge_histories(mine, [theirs]) == 0


# ---------------------------------------------------------------------------------- where it lies


def test_the_log_lies_beside_the_lessons_and_nowhere_else(tmp_path, monkeypatch, capsys):
    def path_in(folder):
        monkeypatch.chdir(folder)
        checks._attempts.cache_clear()
        try:
            return checks._attempts().path
        finally:
            checks._attempts.cache_clear()

    (tmp_path / "elsewhere").mkdir()
    take_lessons(tmp_path / "lessons", ["00"])
    assert path_in(tmp_path / "lessons") == tmp_path / "lessons" / LOG
    assert path_in(tmp_path / "elsewhere") is None


def test_progress_in_a_notebook_reads_the_kernels_log(monkeypatch, capsys):
    kept = Attempts()
    kept.entries = [attempt(names=["no eps"])]
    monkeypatch.setattr(checks, "_attempts", lambda: kept)
    checks.progress()
    assert "batchnorm_forward: no eps" in capsys.readouterr().out
    monkeypatch.setattr(checks, "recorder", lambda *_: None)
    checks.progress()
    assert capsys.readouterr().out == ""  # where submissions are graded


def test_the_command_and_its_page(run, tmp_path):
    solved = next(SHELVES[1].parent.glob("solution/02*.ipynb"))
    shutil.copyfile(solved, tmp_path / "02_batch_normalization.ipynb")
    (tmp_path / "broken.ipynb").write_text("[1]")
    write(tmp_path / LOG, attempt(score="all"))
    page = tmp_path / "page.html"
    status, out, _ = run("progress", tmp_path, "--page", page)
    assert status == 0 and "wrote" in out and "Next: " in out
    text = page.read_text(encoding="utf-8")
    for word in (UNSIGNED, software_digest(), "def batchnorm_forward", "16 of 16 points"):
        assert word in text
    assert "def batchnorm_backward" not in text  # never checked


def test_a_wrong_folder_or_file_is_one_line(run, tmp_path):
    for arguments in (["progress", tmp_path / "no"], ["progress", tmp_path, "--merge", "no"]):
        status, _, error = run(*arguments)
        assert status == 2 and len(error.strip().splitlines()) == 1


def test_progress_of_a_folder_without_a_log_is_nothing_done(tmp_path):
    assert progress_in(tmp_path).next.exercise is lessons()[0].exercises[0]
