"""Our parts for nbgrader, and nbgrader's parts for us. The only file that imports nbgrader.

`configure` puts four parts into nbgrader, so that `nbgrader autograde`, the
formgrader's button and `autograder grade` all come to the same marks:

    SubmissionExporter   reads any file a student submits, rebuilt from the released template
    RunInSandbox         takes outputs and reports from the engine instead of running a kernel
    SaveMarks            writes the engine's marks and comments to the gradebook
    EndTurn              has other private inputs drawn once feedback was shown

and makes nbgrader careful with what students hand in: no link is followed, no text of theirs acts
in a browser, and a time that is none stops nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import glob
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.converters import base as converters
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    Execute,
    GetGrades,
    IgnorePattern,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from traitlets import Float
from traitlets.config import Config

from autograder.course.errors import NbgraderError
from autograder.course.folder import Course
from autograder.course.marks import fill, marks_and_comments, set_mark
from autograder.course.safe_html import FILTERS
from autograder.grading.grader import Grader, graded_exercises
from autograder.grading.results import SubmissionResult
from autograder.lessons.build import nbgrader_settings
from autograder.sandbox.process import Limits
from autograder.submissions.notebook import OutOfReach
from autograder.submissions.rebuild import read_template, rebuild
from autograder.submissions.uploads import (
    Upload,
    contents,
    copy_files,
    look_beside,
    take,
    timestamp,
)


def configure(config: Config) -> None:
    """Put our parts into nbgrader's configuration `c`."""
    for name, options in nbgrader_settings().items():
        for option, value in options.items():
            setattr(config[name], option, value)
    config.HTMLExporter.filters = FILTERS
    config.HTMLExporter.sanitize_html = True
    config.ExchangeFactory.collect = Collect
    take_care()
    for option, value in AUTOGRADE.items():
        setattr(config.Autograde, option, value)
    config.GenerateFeedback.preprocessors = [GetGrades, EndTurn, CSSHTMLHeaderPreprocessor]


# ----------------------------------------------------------------- files that students hand in


class Collect(ExchangeCollect):
    """Collects ordinary files of a bounded size from the exchange, and says what it left there."""

    src_records: list[dict]

    def copy_files(self):
        """Copy every submission that the machine gives; what was collected of others stays."""
        there, missed = [], 0
        for record in self.src_records:
            try:
                list(contents(Path(self.inbound_path, record["filename"]), (), own=1))
                there.append(record)
            except OutOfReach as error:
                self.log.error("%s: not collected: %s", record["username"], error)
                missed += 1
        self.src_records = there
        super().copy_files()
        if missed:
            self.fail(f"{missed} submissions cannot be read and were not collected: collect again.")

    def do_copy(self, src, dest, log=None):
        """Copy one submission."""
        ignored = self.coursedir.ignore
        for problem in look_beside(Path(src), ignored, own=1).problems:
            self.log.warning("%s: %s", src, problem)
        with tempfile.TemporaryDirectory() as folder:
            copied = Path(folder) / "submission"
            copied.mkdir()
            copy_files(Path(src), copied, ignored, own=1)
            super().do_copy(str(copied), dest, log)


def take_care() -> None:
    """Have every command of nbgrader in this process copy and read students' files with care.

    nbgrader has no setting for any of this: it follows links when it copies a submission's other
    files, a `timestamp.txt` that holds no time ends a command for the whole class, and brackets
    in a folder's name, the course's among them, are taken for wildcards.
    """
    converters.glob = SimpleNamespace(glob=_glob)
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    BaseConverter.init_assignment = _init_assignment


def _existing_timestamp(coursedir: CourseDirectory, folder: str) -> datetime.datetime | None:
    """When a submission was handed in; a file that the machine does not give is told elsewhere."""
    with contextlib.suppress(OutOfReach):
        return timestamp(Path(folder))[0]
    return None


def _glob(pattern: str) -> list[str]:
    """Find files by a pattern; of it, what exists by that name is taken as it is."""
    fixed, rest = pattern, ""
    while fixed and not os.path.lexists(fixed):
        fixed, _, last = fixed.rpartition(os.sep)
        rest = os.path.join(os.sep, last) + rest
    return glob.glob(glob.escape(fixed) + rest) if rest else [pattern]


def _init_assignment(converter: BaseConverter, assignment: str, student: str) -> None:
    """Copy what lies beside the notebooks: the course's own files as ever, students' with care."""
    if converter._input_directory == converter.coursedir.source_directory:
        _nbgraders_init_assignment(converter, assignment, student)
    else:
        folders = (converter._format_source, converter._format_dest)
        source, target = (Path(folder(assignment, student)) for folder in folders)
        copy_files(source, target, [*converter.coursedir.ignore, "*.ipynb"])


_nbgraders_init_assignment = BaseConverter.init_assignment


# ----------------------------------------------------------------------- inside autograding


class SubmissionExporter(NotebookExporter):
    """Reads a submission whatever it is, and gives it the cells of the released notebook."""

    def from_filename(self, filename, resources=None, **kw):
        """Rebuild what a student submitted; read as usual what we wrote ourselves."""
        converter = self.parent
        if converter is None or not converter._sanitizing:
            return super().from_filename(filename, resources=resources, **kw)
        template = read_template(_template(converter.coursedir, resources["nbgrader"]))
        upload = take(Path(filename))
        converter.submitted = upload  # what is graded next
        rebuilt = rebuild(template, upload.submission())
        folder, name = os.path.split(filename)
        resources["metadata"] = {"name": os.path.splitext(name)[0], "path": folder}
        return self.from_notebook_node(rebuilt.notebook, resources=resources, **kw)


class RunInSandbox(Execute):
    """Puts the engine's outputs and reports into the cells; other notebooks run as ever."""

    cell_seconds = Float(Limits.cell_seconds, help="Seconds of work that one cell may take.").tag(
        config=True
    )
    total_seconds = Float(
        Limits.total_seconds, help="Seconds that all graded cells of a submission may take."
    ).tag(config=True)
    own_seconds = Float(
        Limits.own_seconds, help="Seconds that all cells that a student added may take."
    ).tag(config=True)

    @property
    def limits(self) -> Limits:
        """What one submission may use."""
        return Limits(self.cell_seconds, self.total_seconds, own_seconds=self.own_seconds)

    def preprocess(self, nb, resources, *args, **kw):
        """Fill in a lesson of this course; execute anything else in a kernel."""
        converter = self.parent.parent
        upload = getattr(converter, "submitted", None)
        result = grade(converter.coursedir, resources["nbgrader"], self.limits, upload)
        if result is None:
            return super().preprocess(nb, resources, *args, **kw)
        resources["autograder"] = result
        fill(nb, result)
        return nb, resources


class SaveMarks(SaveAutoGrades):
    """Writes marks and comments of the engine; nbgrader's own way for all other cells."""

    def preprocess(self, nb, resources):
        """Save the marks of one notebook."""
        self.result: SubmissionResult | None = resources.get("autograder")
        if self.result:
            self.marks, self.comments = marks_and_comments(nb, self.result)
        return super().preprocess(nb, resources)

    def _add_score(self, cell, resources):
        if self.result is None:
            super()._add_score(cell, resources)
            return
        name = cell.metadata.nbgrader.grade_id
        where = (name, self.notebook_id, self.assignment_id, self.student_id)
        set_mark(self.gradebook.find_grade(*where), self.marks[name])
        self.gradebook.db.commit()

    def _add_comment(self, cell, resources):
        if self.result is None:
            super()._add_comment(cell, resources)
            return
        name = cell.metadata.nbgrader.grade_id
        where = (name, self.notebook_id, self.assignment_id, self.student_id)
        self.gradebook.find_comment(*where).auto_comment = self.comments[name]
        self.gradebook.db.commit()


class EndTurn(NbGraderPreprocessor):
    """Notes that feedback is shown: who hands in again meets other private inputs."""

    def preprocess(self, nb, resources):
        """Leave the page as it is."""
        names, course = resources["nbgrader"], Course(Path(self.parent.parent.coursedir.root))
        result = course.store(names["assignment"]).load(names["student"])
        if result is not None:
            course.end_turn(names["assignment"], result.turn)
        return nb, resources


AUTOGRADE = {
    "exporter_class": SubmissionExporter,
    "sanitize_preprocessors": [CheckCellMetadata],
    "autograde_preprocessors": [
        RunInSandbox,
        IgnorePattern,
        LimitOutput,
        SaveMarks,
        AssignLatePenalties,
        CheckCellMetadata,
    ],
}


def _template(coursedir: CourseDirectory, names: dict) -> Path:
    folder = coursedir.format_path(coursedir.release_directory, ".", names["assignment"])
    path = Path(folder) / f"{names['notebook']}.ipynb"
    if not path.is_file():
        raise NbgraderError(
            f"{path} is missing: run `nbgrader generate_assignment {names['assignment']}` first."
        )
    return path


def grade(
    coursedir: CourseDirectory, names: dict, limits: Limits, upload: Upload | None = None
) -> SubmissionResult | None:
    """Return the engine's result for a submission, or None for a notebook without our checks.

    A result that is kept for the same submission is taken as it is, so that all ways to grade
    agree; `autograder grade --force` makes a new one.
    """
    assignment, student, notebook = names["assignment"], names["student"], names["notebook"]
    path = _template(coursedir, names)
    if notebook != assignment or not graded_exercises(read_template(path)):
        return None
    course = Course(Path(coursedir.root))
    changed = path.stat().st_mtime_ns
    turn = course.turn(assignment)
    grader = _grader(course, path, changed, assignment, course.secret(), limits, turn)
    folder = coursedir.format_path(coursedir.submitted_directory, student, assignment)
    submitted = Path(folder) / f"{notebook}.ipynb"
    return grader.grade(upload or submitted, student, course.store(assignment), accept="all")


@lru_cache(maxsize=4)
def _grader(
    course: Course,
    template: Path,
    changed: int,
    assignment: str,
    secret: bytes,
    limits: Limits,
    turn: int,
) -> Grader:
    return Grader(
        read_template(template),
        assignment,
        secret,
        limits,
        turn=turn,
        expected=course.expected(assignment),
        hidden=[course.root],
        log=course.log,
    )
