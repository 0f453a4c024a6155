"""A course folder: what `init` puts in it, and the whole way from submissions to marks.

COURSE/
  nbgrader_config.py     nbgrader's settings with our parts; yours to edit
  course.toml            due dates, late days, weights, what is left out; yours to write
  roster.csv             who is in the class; `autograder roster import`
  source/LESSON/         made from the lessons; `nbgrader generate_assignment` releases them
  submitted/ autograded/ feedback/ gradebook.db      nbgrader's own
  .autograder/secret     decides the inputs of the graded checks; never leaves the grader
  .autograder/turns/LESSON    a number, part of every seed, that rises with feedback
  .autograder/regrades.jsonl  requests to look at a mark again
  .autograder/lti/LESSON/STUDENT.json    the score that a platform has
  .autograder/results/LESSON/STUDENT.json, and STUDENT.npz: what it was judged from
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.checking.spec import Exercise
from autograder.course.errors import CourseError, nearest
from autograder.course.names import find_name, lessons_in
from autograder.course.roster import read_roster
from autograder.course.settings import Settings, read_settings, require_known
from autograder.grading.log import Log
from autograder.grading.observations import NotKept, Observations
from autograder.grading.results import Store, SubmissionResult, write_atomically
from autograder.lessons.build import nbgrader_source, notebook_text
from autograder.lessons.lesson import SRC, Lesson, find_lesson
from autograder.submissions.rebuild import PRACTICE

CONFIG = '''\
"""Settings of nbgrader for this course, made by `autograder init`. Yours to edit.

On a slow machine, give each cell more than 5 seconds: c.RunInSandbox.cell_seconds = 10, and
all graded cells of a submission more than 40: c.RunInSandbox.total_seconds = 60. The cells that
a student added may take 20 seconds in all: c.RunInSandbox.own_seconds.
"""

from pathlib import Path

from autograder.nbgrader_plugin import configure

c = get_config()  # noqa: F821 - nbgrader brings it
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = {name!r}
{exchange}
configure(c)  # students' code runs in the sandbox, and its judge gives the marks
'''


@dataclass(frozen=True)
class Course:
    """The folder of a course, and where our own files are in it."""

    root: Path

    @property
    def config(self) -> Path:
        """nbgrader's configuration file."""
        return self.root / "nbgrader_config.py"

    @property
    def private(self) -> Path:
        """The folder that students and their code must never see."""
        return self.root / ".autograder"

    @property
    def log(self) -> Log:
        """What the grader decided."""
        return Log(self.private / "log.jsonl")

    def store(self, lesson: str) -> Store:
        """The kept results of one lesson."""
        return Store(self.private / "results" / lesson)

    def results(self, lesson: str) -> list[SubmissionResult]:
        """The kept results of one lesson; raises `CourseError` when nobody is graded."""
        if found := self.store(lesson).all():
            return found
        raise CourseError(f"Nobody is graded: run `autograder grade {self.root} {lesson}` first.")

    def expected(self, lesson: str) -> Path:
        """What the checks of one lesson expect, kept between one grading and the next."""
        return self.private / "expected" / lesson

    def summary(self, lesson: str) -> Path:
        """The page about a class."""
        return self.root / f"summary-{lesson}.html"

    def secret(self) -> bytes:
        """The course's secret; raises `CourseError` when `init` has not made it."""
        path = self.private / "secret"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise CourseError(
                f"{path} is missing: run `autograder init {self.root}`, which makes one."
            ) from None

    def settings(self) -> Settings:
        """What `course.toml` says; raises `CourseError` where it names what the course has not."""
        found, roster = read_settings(self.root), read_roster(self).people
        lessons = dict.fromkeys((*self.lessons(), *sorted(path.stem for path in SRC.glob("*.py"))))
        handed_in = (path.name for path in (self.root / "submitted").glob("*"))
        require_known(found, list(lessons), {*roster, *handed_in} if roster else ())
        for name, lesson in found.lessons.items():
            if lesson.leave_out and (SRC / f"{name}.py").is_file():
                exercises_of(find_lesson(name), lesson.leave_out)
        return found

    def turn(self, lesson: str) -> int:
        """Number of times that private inputs of a lesson were replaced after feedback."""
        path = self._turn(lesson)
        try:
            return int(path.read_bytes())
        except FileNotFoundError:
            return 0
        except ValueError:
            raise CourseError(f"{path} holds no number: put back a copy of it.") from None

    def end_turn(self, lesson: str, turn: int) -> None:
        """Draw other private inputs from now on: feedback on work of this turn was shown."""
        if self.turn(lesson) <= turn:
            write_atomically(self._turn(lesson), str(turn + 1).encode())

    def _turn(self, lesson: str) -> Path:
        return self.private / "turns" / lesson

    @contextlib.contextmanager
    def alone_with(self, lesson: str) -> Iterator[None]:
        """Hold a lesson against a second grading of it; raises `CourseError` where one is going on.

        The lock is the process's own, so that none is left behind by one that was killed.
        """
        path = self.private / "grading" / lesson
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(path, "a+") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.seek(0)
                who = held.read().strip() or "of another user"
                raise CourseError(
                    f"{lesson} is being graded already, by process {who}: wait until it has "
                    "ended. Nothing was done."
                ) from None
            held.truncate(0)
            held.write(f"{os.getpid()}")
            held.flush()
            yield

    def lessons(self) -> list[str]:
        """Names of the assignments in source/."""
        return lessons_in(self.root)


def open_course(root: Path) -> Course:
    """Return an existing course folder; raises `CourseError` when it is none."""
    course = Course(Path(root).resolve())
    if not course.root.is_dir():
        raise CourseError(f"There is no folder {root}: run `autograder init {root}` first.")
    if not course.config.is_file():
        raise CourseError(
            f"{root} is not a course folder (no nbgrader_config.py): run `autograder init {root}`."
        )
    return course


def observations_of(course: Course, lesson: str, student: str) -> Observations:
    """Return what was observed of a submission when it was graded, for judging or counting.

        seen = observations_of(course, "02_batch_normalization", "ada").outcome.seen
        seen["normalization.batchnorm_forward"]["training mode"]  # Seen: arrays, or the fault

    They hold numbers of secret inputs, and stay on the trusted side.

    Args:
        lesson: full name of the assignment.

    Raises `NotKept`, with half a sentence that says why, where there is nothing to read.
    """
    store = course.store(lesson)
    result = store.load(student)
    if result is None:
        raise NotKept("it has not been graded yet")
    return store.observations(result)


# ------------------------------------------------------------------------------------- init


def init(
    root: Path,
    lessons: Sequence[str] = (),
    exchange: Path | None = None,
    src: Path = SRC,
) -> tuple[Course, list[str]]:
    """Make or complete a course folder; returns it with one line for each thing that was done.

    What exists is kept: the secret, the gradebook, the configuration. A source notebook that
    differs is replaced, and the earlier one is put aside under .autograder/replaced.

    Args:
        lessons: which lessons to put in; all when empty.
        exchange: folder through which nbgrader hands assignments out; nbgrader's own when None.
    """
    known = sorted(path.stem for path in Path(src).glob("*.py"))
    chosen = [find_lesson(find_name(name, known), src) for name in lessons or known]
    course = Course(Path(root).resolve())
    if course.config.is_file() and "nbgrader_plugin" not in course.config.read_text("utf-8"):
        raise CourseError(
            f"{course.config} is from another course and was left as it is. To grade with this "
            "package, add to its end: from autograder.nbgrader_plugin import configure; "
            "configure(c)"
        )
    if course.root.exists() and not course.root.is_dir():
        raise CourseError(f"{course.root} is a file: name a folder for the course.")
    settings, done = course.settings(), []
    course.root.mkdir(parents=True, exist_ok=True)
    course.private.mkdir(mode=0o700, exist_ok=True)
    if _make_secret(course.private / "secret"):
        done.append("made the secret of the graded checks (.autograder/secret, keep it private)")
    if not course.config.exists():
        _write_config(course, exchange)
        done.append("wrote nbgrader_config.py")
    for lesson in chosen:
        done += _put_source(course, lesson, settings.lesson(lesson.name).leave_out)
    return course, done


def _make_secret(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with open(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return True


def _write_config(course: Course, exchange: Path | None) -> None:
    name = re.sub(r"[^\w-]+", "-", course.root.name) or "course"
    line = f"c.Exchange.root = {str(Path(exchange).resolve())!r}\n" if exchange else ""
    text = CONFIG.format(name=name, exchange=line)
    write_atomically(course.config, text.replace("\n\n\n", "\n\n").encode())


def leave_out(notebook: NotebookNode, names: Sequence[str], lesson: Lesson) -> NotebookNode:
    """Return a lesson's notebook in which some exercises are for practice: their checks give hints.

    They count in no maximum, and what they define is still there for what comes after. nbgrader
    goes on knowing their cells: it adds or removes none once a submission is graded.

    Raises `CourseError` when the lesson has no such exercise.
    """
    left_out = exercises_of(lesson, names)
    checks = {f"{exercise.grade_id}-check" for exercise in left_out}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") in checks:
            cell.metadata["course"]["role"] = PRACTICE
            cell.metadata["nbgrader"]["points"] = 0
    return notebook


def exercises_of(lesson: Lesson, names: Sequence[str]) -> list[Exercise]:
    """Return the exercises that `course.toml` leaves out of a lesson, by their ids.

    Raises `CourseError` when the lesson has no such exercise.
    """
    exercises = {exercise.id: exercise for exercise in lesson.exercises}
    for name in names:
        if name not in exercises:
            raise CourseError(
                f"course.toml leaves out {name!r}, which {lesson.name} has not."
                f"{nearest(name, exercises)}"
            )
    return [exercises[name] for name in names]


def _put_source(course: Course, lesson: Lesson, left_out: Sequence[str] = ()) -> list[str]:
    path = course.root / "source" / lesson.name / f"{lesson.name}.ipynb"
    text = notebook_text(leave_out(nbgrader_source(lesson), left_out, lesson)).encode()
    old = path.read_bytes() if path.exists() else None
    if old == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)
    path.chmod(0o644)
    if old is None:
        return [f"wrote source/{lesson.name}"]
    folder = course.private / "replaced"
    kept = folder / f"{lesson.name}-{sum(1 for _ in folder.glob('*')) + 1}.ipynb"
    write_atomically(kept, old)
    return [f"replaced source/{lesson.name}; the earlier one is {kept.relative_to(course.root)}"]
