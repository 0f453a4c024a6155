"""nbgrader's commands for one course folder, and what they say when they fail."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

from nbgrader.api import Comment, Grade, Gradebook, SubmittedNotebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import Engine, Index
from sqlalchemy.exc import DatabaseError, OperationalError
from traitlets.config.loader import PyFileConfigLoader

from autograder.course.errors import CourseError, NbgraderError
from autograder.course.folder import Course
from autograder.course.handed_in import HandedIn, look
from autograder.course.nbgrader_plugin import RunInSandbox

PATIENCE = 90  # seconds
LAST_LINE = b"\n],\n"  # before the line with all that is not a cell, where we write a notebook
ENDING = 4096  # bytes in which that line mostly is

# By these nbgrader looks rows up, and without an index it reads all of them for each submission.
INDEXES = tuple(
    Index(f"autograder_{column.table.name}_{column.name}", column)
    for column in (
        Grade.__table__.c.notebook_id,
        Comment.__table__.c.notebook_id,
        SubmittedNotebook.__table__.c.assignment_id,
    )
)


def add_indexes(engine: Engine) -> None:
    """Give a gradebook the indexes that a large class needs, where it has none yet."""
    for index in INDEXES:
        index.create(engine, checkfirst=True)


class NbgraderCourse:
    """nbgrader's commands for one course folder, under the folder's own configuration."""

    def __init__(self, root: Path):
        self.root = Path(root)
        _put_on_path()
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        self.config = config
        self.coursedir = CourseDirectory(config=config, root=str(root))
        self.coursedir.db_url = _patient(self.coursedir.db_url)
        config.CourseDirectory.db_url = self.coursedir.db_url
        self.api = NbGraderAPI(self.coursedir, config=config)
        self.limits = RunInSandbox(config=config).limits

    def gradebook(self) -> Gradebook:
        """Open the gradebook; use it in a `with`, or close it."""
        with quiet():
            return Gradebook(self.coursedir.db_url, self.coursedir.course_id)

    def template(self, lesson: str) -> Path:
        """Path of the released notebook, whether or not it exists."""
        folder = self.coursedir.format_path(self.coursedir.release_directory, ".", lesson)
        return Path(folder) / f"{lesson}.ipynb"

    def handed_in(self, lesson: str) -> HandedIn:
        """The submitted notebooks of a lesson by student, and why others are not read."""
        folder = self.coursedir.submitted_directory
        if self.coursedir.directory_structure == CourseDirectory.directory_structure.default_value:
            return look(self.root / folder, lesson, Course(self.root).lessons())
        with quiet():
            students = sorted(self.api.get_submitted_students(lesson))
        places = {s: Path(self.coursedir.format_path(folder, s, lesson)) for s in students}
        paths = {student: place / f"{lesson}.ipynb" for student, place in places.items()}
        found = {student: path for student, path in paths.items() if os.path.lexists(path)}
        return HandedIn(found, {s: [f"no {lesson}.ipynb"] for s in students if s not in found})

    def submissions(self, lesson: str) -> dict[str, Path]:
        """The submitted notebooks of a lesson by student."""
        return self.handed_in(lesson).notebooks

    def recorded(self, lesson: str, student: str) -> list[str] | None:
        """The digests of the result and of its file that an autograded notebook was made from."""
        step = self.coursedir.autograded_directory
        path = Path(self.coursedir.format_path(step, student, lesson)) / f"{lesson}.ipynb"
        try:
            content = _end_of(path)
            _, is_ours, rest = content.rpartition(LAST_LINE)
            notebook = json.loads(b"{" + rest if is_ours else content)
            return notebook["metadata"]["autograder"]["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def generate_assignment(self, lesson: str) -> None:
        """Make release/ from source/ and enter the lesson in the gradebook."""
        with quiet():
            _require(self.api.generate_assignment(lesson, force=True))

    def release_assignment(self, lesson: str) -> None:
        """Copy release/ to the exchange."""
        with quiet():
            _require(self.api.release_assignment(lesson))

    def collect(self, lesson: str) -> None:
        """Copy submissions from the exchange."""
        with quiet():
            _require(self.api.collect(lesson, update=True))

    def autograde(self, lesson: str, student: str) -> None:
        """Autograde one submission, again if need be."""
        if re.search(r"[*?]", student):
            raise NbgraderError(
                f"nbgrader takes * and ? in a name for wildcards: rename the folder {student!r}."
            )
        with quiet():
            _require(self.api.autograde(lesson, student, force=True))


def _end_of(path: Path) -> bytes:
    """What a file ends with from before `LAST_LINE` on, or all of it where that is far up."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - ENDING))
        end = file.read()
        if LAST_LINE not in end:
            file.seek(0)
            end = file.read()
    return end


def _patient(url: str) -> str:
    """Have SQLite wait for whoever holds a gradebook, instead of five seconds."""
    return url if "?" in url or not url.startswith("sqlite:///") else f"{url}?timeout={PATIENCE}"


def _put_on_path() -> None:
    """nbgrader calls `alembic`, which is beside the Python that runs."""
    if shutil.which("alembic") is None:
        folder = str(Path(sys.executable).parent)
        os.environ["PATH"] = os.pathsep.join((folder, os.environ.get("PATH", os.defpath)))


@contextlib.contextmanager
def quiet():
    """nbgrader warns about its own use of SQLAlchemy and of dates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def asking():
    """Raise a `CourseError` where the gradebook cannot be read."""
    try:
        with quiet():
            yield
    except OperationalError as error:
        hint = ""
        if "no such" in str(error.orig):  # a table or column
            hint = " It is of another version of nbgrader: keep a copy, then `nbgrader db upgrade`."
        raise CourseError(
            f"The gradebook cannot be used ({line_of(error)}).{hint} What was graded is kept: "
            "grade again when it can."
        ) from None
    except DatabaseError as error:
        raise CourseError(
            f"gradebook.db is no gradebook ({line_of(error)}): put back a copy of it, or move it "
            "away and grade again."
        ) from None


def line_of(error: Exception) -> str:
    """Say on one line what went wrong; of an error of the database, what the database says."""
    said = getattr(error, "orig", None) or error
    return " ".join(str(said).split()) or type(error).__name__


def _require(outcome: dict) -> None:
    """Raise what nbgrader says of a failure: the end of its last traceback, else its last line."""
    if not outcome["success"]:
        log = (outcome.get("log") or outcome.get("error") or "no reason given").strip()
        lines = [line for line in log.splitlines() if line.strip()]
        raised = [line for line in lines if not line.startswith(("[", "(Background on"))]
        raise NbgraderError((raised or lines)[-1].strip())
