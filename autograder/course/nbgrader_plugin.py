"""Our parts for nbgrader, and nbgrader's parts for us. The only file that imports nbgrader.

`configure` puts three parts into nbgrader's autograding, so that `nbgrader autograde`, the
formgrader's button and `autograder grade` all come to the same marks:

    SubmissionExporter   reads any file a student submits, rebuilt from the released template
    RunInSandbox         takes outputs and reports from the engine instead of running a kernel
    SaveMarks            writes the engine's marks and comments to the gradebook

and makes nbgrader careful with what students hand in: no link is followed, no text of theirs acts
in a browser, and a time that is none stops nothing.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Grade
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    Execute,
    IgnorePattern,
    LimitOutput,
    SaveAutoGrades,
)
from traitlets import Float
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.checking.report import Report
from autograder.course.folder import Course
from autograder.course.safe_html import FILTERS
from autograder.grading.grader import Grader, graded_exercises
from autograder.grading.results import SubmissionResult
from autograder.lessons.build import nbgrader_settings
from autograder.sandbox.process import Limits
from autograder.submissions.submission import read, read_template, rebuild
from autograder.submissions.uploads import copy_files, look_beside, timestamp


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


# ----------------------------------------------------------------- files that students hand in


class Collect(ExchangeCollect):
    """Collects ordinary files of a bounded size from the exchange, and says what it left there."""

    def do_copy(self, src, dest, log=None):
        """Copy one submission."""
        ignored = self.coursedir.ignore
        for problem in look_beside(Path(src), ignored).problems:
            self.log.warning("%s: %s", src, problem)
        with tempfile.TemporaryDirectory() as folder:
            copied = Path(folder) / "submission"
            copied.mkdir()
            copy_files(Path(src), copied, ignored)
            super().do_copy(str(copied), dest, log)


def take_care() -> None:
    """Have every command of nbgrader in this process copy and read students' files with care.

    nbgrader has no setting for either: it follows links when it copies a submission's other
    files, and a `timestamp.txt` that holds no time ends a command for the whole class.
    """
    CourseDirectory.get_existing_timestamp = lambda self, folder: timestamp(Path(folder))[0]
    BaseConverter.init_assignment = _init_assignment


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
        if not self.parent._sanitizing:
            return super().from_filename(filename, resources=resources, **kw)
        template = read_template(_template(self.parent.coursedir, resources["nbgrader"]))
        rebuilt = rebuild(template, read(Path(filename)))
        folder, name = os.path.split(filename)
        resources["metadata"] = {"name": os.path.splitext(name)[0], "path": folder}
        return self.from_notebook_node(rebuilt.notebook, resources=resources, **kw)


class RunInSandbox(Execute):
    """Puts the engine's outputs and reports into the cells; other notebooks run as ever."""

    cell_seconds = Float(Limits.cell_seconds, help="Seconds that one cell may take.").tag(
        config=True
    )
    total_seconds = Float(
        Limits.total_seconds, help="Seconds that all cells of a submission may take."
    ).tag(config=True)

    @property
    def limits(self) -> Limits:
        """What one submission may use."""
        return Limits(cell_seconds=self.cell_seconds, total_seconds=self.total_seconds)

    def preprocess(self, nb, resources, *args, **kw):
        """Fill in a lesson of this course; execute anything else in a kernel."""
        result = grade(self.parent.parent.coursedir, resources["nbgrader"], self.limits)
        if result is None:
            return super().preprocess(nb, resources, *args, **kw)
        resources["autograder"] = result
        fill(nb, result)
        return nb, resources


def fill(notebook: NotebookNode, result: SubmissionResult) -> None:
    """Put outputs, reports and notes of the engine into a rebuilt notebook."""
    exercises = graded_exercises(notebook)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in exercises:
            cell.outputs = report_outputs(result, exercises[grade_id].id, cell.id)
        elif cell.cell_type == "code" and cell.id in result.outputs:
            cell.outputs = [nbformat.from_dict(o) for o in result.outputs[cell.id]]
        elif cell.cell_type == "code" and utils.is_grade(cell):
            cell.outputs = [_error("NotExecuted", "this cell was not reached")]
    if result.problems:
        notes = nbformat.v4.new_markdown_cell(_notes(result), id="grading-notes")
        notebook.cells.insert(0, notes)
    notebook.metadata["autograder"] = {"result": [result.key, result.file]}


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


def set_mark(grade: Grade, mark: float | None) -> None:
    """Enter an automatic mark; someone must look where there is none, or one given by hand."""
    grade.auto_score = mark
    grade.needs_manual_grade = mark is None or grade.manual_score is not None


def marks_and_comments(
    notebook: NotebookNode, result: SubmissionResult
) -> tuple[dict[str, float | None], dict[str, str | None]]:
    """Return automatic marks (None: a person must give it) and comments by grade id.

    Exercises have those of the engine; all other cells those that nbgrader gives them.
    """
    exercises = graded_exercises(notebook)
    solutions = {f"{exercise.grade_id}-solution": exercise for exercise in exercises.values()}
    marks, comments = {}, {}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in exercises:
            marks[name] = mark_of(result, exercises[name].id)
        elif utils.is_grade(cell):
            marks[name], _ = utils.determine_grade(cell)
        if name in solutions:
            comments[name] = comment_text(result.report(solutions[name].id).public())
        elif utils.is_solution(cell) or utils.is_task(cell):
            untouched = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            comments[name] = "No response." if untouched and not utils.is_task(cell) else None
    return marks, comments


def mark_of(result: SubmissionResult, exercise_id: str) -> float | None:
    """Return the mark of an exercise, or None when a person must look at it."""
    return None if exercise_id in result.unjudged else result.report(exercise_id).score


def _template(coursedir: CourseDirectory, names: dict) -> Path:
    folder = coursedir.format_path(coursedir.release_directory, ".", names["assignment"])
    path = Path(folder) / f"{names['notebook']}.ipynb"
    if not path.is_file():
        raise NbgraderError(
            f"{path} is missing: run `nbgrader generate_assignment {names['assignment']}` first."
        )
    return path


def grade(coursedir: CourseDirectory, names: dict, limits: Limits) -> SubmissionResult | None:
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
    grader = _grader(course, path, changed, assignment, course.secret(), limits)
    folder = coursedir.format_path(coursedir.submitted_directory, student, assignment)
    submitted = Path(folder) / f"{notebook}.ipynb"
    return grader.grade(submitted, student, course.store(assignment), accept="all")


@lru_cache(maxsize=4)
def _grader(
    course: Course, template: Path, changed: int, assignment: str, secret: bytes, limits: Limits
) -> Grader:
    read = read_template(template)
    return Grader(read, assignment, secret, limits, hidden=[course.root], log=course.log)


# ------------------------------------------------------------------------ what people read


def report_outputs(result: SubmissionResult, exercise_id: str, cell_id: str) -> list:
    """Return the outputs of a check cell: its error if it had one, the report, the score."""
    report = result.report(exercise_id).public()
    raised = [o for o in result.outputs.get(cell_id, ()) if o["output_type"] == "error"]
    data = {"text/plain": str(report), "text/html": report._repr_html_()}
    score = {"text/plain": repr(report.score)}
    return [
        *map(nbformat.from_dict, raised),
        nbformat.v4.new_output("display_data", data),
        nbformat.v4.new_output("execute_result", score),
    ]


def comment_text(report: Report) -> str:
    """Return a report as the Markdown of nbgrader's comments: a line a check, with its hint."""
    lines = [f"**{report.score:g} of {report.points:g} points**", ""]
    for row in report.rows:
        line = f"- {row.earned:g}/{row.points:g} {escape_markdown(row.check)}"
        if row.status != "passed":
            line += f": {escape_markdown(row.message)}"
        notes = {"Hint": row.hint, "Remark": row.remark}
        line += "".join(f" *{k}:* {escape_markdown(note)}" for k, note in notes.items() if note)
        lines.append(line)
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line.

    >>> escape_markdown("a_b <i>")
    'a\\\\_b &lt;i&gt;'
    """
    return html.escape(
        re.sub(r"([\\\\`*_{}\[\]#|$~])", r"\\\1", " ".join(text.split())), quote=False
    )


def _notes(result: SubmissionResult) -> str:
    listed = "\n".join(f"- {escape_markdown(problem)}" for problem in result.problems)
    return f"**Notes on this submission**\n\n{listed}"


def _error(name: str, text: str):
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


# -------------------------------------------------------------------------- driving nbgrader


class NbgraderError(Exception):
    """nbgrader did not do what it was asked; the text says why."""


class NbgraderCourse:
    """nbgrader's commands for one course folder, under the folder's own configuration."""

    def __init__(self, root: Path):
        self.root = Path(root)
        _put_on_path()
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        self.config = config
        self.coursedir = CourseDirectory(config=config, root=str(root))
        self.api = NbGraderAPI(self.coursedir, config=config)
        self.limits = RunInSandbox(config=config).limits

    def template(self, lesson: str) -> Path:
        """Path of the released notebook, whether or not it exists."""
        folder = self.coursedir.format_path(self.coursedir.release_directory, ".", lesson)
        return Path(folder) / f"{lesson}.ipynb"

    def submissions(self, lesson: str) -> dict[str, Path]:
        """The submitted notebooks of a lesson by student."""
        students = sorted(self.api.get_submitted_students(lesson))
        step = self.coursedir.submitted_directory
        folders = {s: Path(self.coursedir.format_path(step, s, lesson)) for s in students}
        paths = {student: folder / f"{lesson}.ipynb" for student, folder in folders.items()}
        return {student: path for student, path in paths.items() if os.path.lexists(path)}

    def without_notebook(self, lesson: str) -> dict[str, list[str]]:
        """Students whose folder lacks the notebook, with the files that are in it."""
        students = self.api.get_submitted_students(lesson) - self.submissions(lesson).keys()
        step = self.coursedir.submitted_directory
        folders = {s: Path(self.coursedir.format_path(step, s, lesson)) for s in sorted(students)}
        return {student: _names_in(folder) for student, folder in folders.items()}

    def recorded(self, lesson: str, student: str) -> list[str] | None:
        """The digests of the result and of its file that an autograded notebook was made from."""
        step = self.coursedir.autograded_directory
        path = Path(self.coursedir.format_path(step, student, lesson)) / f"{lesson}.ipynb"
        try:
            return json.loads(path.read_text("utf-8"))["metadata"]["autograder"]["result"]
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
        if re.search(r"[*?\[]", student):
            raise NbgraderError(
                f"nbgrader takes *, ? and [ in a name for wildcards: rename the folder {student!r}."
            )
        with quiet():
            _require(self.api.autograde(lesson, student, force=True))

    def generate_feedback(self, lesson: str, student: str) -> Path:
        """Write the feedback page of one student and return its path."""
        with quiet():
            _require(self.api.generate_feedback(lesson, student, force=True))
        step = self.coursedir.feedback_directory
        return Path(self.coursedir.format_path(step, student, lesson)) / f"{lesson}.html"


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


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return [f"a folder that cannot be read ({error.strerror})"]


def _require(outcome: dict) -> None:
    """Raise what nbgrader says of a failure: the end of its last traceback, else its last line."""
    if not outcome["success"]:
        log = (outcome.get("log") or outcome.get("error") or "no reason given").strip()
        lines = [line for line in log.splitlines() if line.strip()]
        raised = [line for line in lines if not line.startswith(("[", "(Background on"))]
        raise NbgraderError((raised or lines)[-1].strip())
