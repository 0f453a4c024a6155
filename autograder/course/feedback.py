"""Feedback pages: what one student wrote, what came of it, and what to do next, on few pages.

    feedback/STUDENT/LESSON/LESSON.html     where nbgrader's release_feedback takes it from

A page needs no other file, no script and no network, and holds nothing of anybody else. Code, names
and answers come from students: the template escapes everything, and Markdown is cleaned.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import jinja2
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.course.cells import name_of, read_cells, source_of
from autograder.course.errors import nearest
from autograder.course.folder import Course
from autograder.course.markbook import Line, Question, marks
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.pages import environment
from autograder.course.roster import Roster, read_roster
from autograder.course.safe_html import visible, with_formulas
from autograder.course.summary import number
from autograder.grading.grader import graded_exercises
from autograder.grading.results import SubmissionResult, write_atomically
from autograder.lessons.lesson import ANSWER_HERE
from autograder.submissions.rebuild import read_template, role

LONGEST = 20_000  # characters of one answer that a page shows
FOR_EVERYONE = 0o644
BESIDE = ("timestamp.txt", "submission_secret.txt")  # by which nbgrader releases a page


class NoPage(Exception):
    """Why a student gets no page."""


@dataclass(frozen=True)
class Section:
    """One exercise or question on a page."""

    anchor: str
    title: str
    question: Question
    text: str = ""  # of a question, as Markdown
    answer: str = ""  # code, or Markdown
    errors: Sequence[str] = ()  # of the answer's own cell
    report: Report | None = None

    @property
    def points(self) -> str:
        """What it earned, as a reader's words."""
        return points(self.question, self.report)

    @property
    def state(self) -> str:
        """One word: waiting, full, some or none."""
        if self.question.waiting:
            return "waiting"
        earned = self.question.score + self.question.bonus
        full = self.question.maximum or (self.report.points if self.report else 0)
        return "full" if earned >= full else "some" if earned else "none"


def points(question: Question, report: Report | None = None) -> str:
    """Return what a question earned: '3.5 of 5', '+4 bonus', or that nobody has looked yet.

    >>> points(Question("a", 3.5, 5)), points(Question("a", bonus=4)), points(Question("a", 0, 5,
    ...     waiting=True))
    ('3.5 of 5', '+4 bonus', 'not graded yet (5 points)')
    """
    if question.waiting:
        return f"not graded yet ({number(question.maximum)} points)"
    if question.maximum:
        more = f", +{number(question.bonus)} bonus" if question.bonus else ""
        return f"{number(question.score)} of {number(question.maximum)}{more}"
    at_most = f" (of {number(report.points)})" if report and not question.bonus else ""
    return f"+{number(question.bonus)} bonus{at_most}"


# ---------------------------------------------------------------------------------- a class


def write_feedback(
    course: Course,
    lesson: str,
    students: Iterable[str] = (),
    tell: Callable[[str], None] = lambda student: None,
) -> dict[str, Path | NoPage]:
    """Write the pages of a lesson; returns each page's path, or why there is none.

    Args:
        students: only these; everyone with marks when empty.
        tell: called with each student's name.

    Who hands in again afterwards meets other private inputs.
    """
    writer = _Writer(course, lesson)
    done: dict[str, Path | NoPage] = {}
    for student in list(students) or list(writer.lines):
        try:
            done[student] = writer.write(student)
        except (NoPage, OSError) as error:
            done[student] = error if isinstance(error, NoPage) else NoPage(str(error))
        tell(student)
    return done


class _Writer:
    """What the pages of one class have in common."""

    def __init__(self, course: Course, lesson: str):
        self.course, self.lesson = course, lesson
        self.book = NbgraderCourse(course.root)
        self.template = read_template(self.book.template(lesson))
        self.exercises = graded_exercises(self.template)
        self.texts = question_texts(self.template)
        self.lines = {line.student: line for line in marks(course) if line.lesson == lesson}
        self.roster: Roster = read_roster(course)
        self.heading = self.template.cells[0].source.partition("\n")[0].lstrip("# ")

    def write(self, student: str) -> Path:
        """Write one page; before, the turn of the private inputs that it tells about ends."""
        result, line = self.course.store(self.lesson).load(student), self.lines.get(student)
        if result is None or line is None:
            meant = "" if student in self.lines else nearest(student, self.lines)
            raise NoPage(f"there are no marks yet: run `autograder grade`.{meant}")
        if self.book.recorded(self.lesson, student) != [result.key, result.file]:
            raise NoPage("the gradebook has the marks of another hand-in: run `autograder grade`")
        autograded, folder = (
            Path(self.book.coursedir.format_path(step, student, self.lesson))
            for step in (
                self.book.coursedir.autograded_directory,
                self.book.coursedir.feedback_directory,
            )
        )
        own = read_cells(autograded / f"{self.lesson}.ipynb")
        self.course.end_turn(self.lesson, result.turn)  # first: a page may outlive whoever writes
        path = folder / f"{self.lesson}.html"
        self._put(path, self.page(student, line, result, own).encode())
        for name in BESIDE:
            if (autograded / name).is_file():
                self._put(folder / name, (autograded / name).read_bytes())
        return path

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, through=False)  # it can be written again
        path.chmod(FOR_EVERYONE)

    def page(self, student: str, line: Line, result: SubmissionResult, own: list[dict]) -> str:
        """Return one page; `own` are the cells of the autograded notebook."""
        return _template().render(
            heading=f"Lesson {self.lesson.partition('_')[0]}: {self.heading}",
            student=student,
            name=self.roster.person(student).name,
            total=total(line),
            lateness=late(line),
            notes=result.problems,
            sections=list(self._sections(line, result, own)),
            styles=_styles(),
        )

    def _sections(self, line: Line, result: SubmissionResult, own: list[dict]):
        """Yield the sections in the order of the lesson."""
        cells = {name_of(cell): cell for cell in own}
        for question in line.questions:
            exercise = self.exercises.get(question.name)
            if exercise:
                yield self._exercise(question, exercise, result, cells)
            else:
                yield self._question(question, cells)

    def _exercise(
        self, question: Question, exercise: Exercise, result: SubmissionResult, cells: Mapping
    ) -> Section:
        solution = cells.get(f"{exercise.grade_id}-solution", {})
        report = result.report(exercise.id)
        return Section(
            question.name,
            exercise.title,
            question,
            answer=shorter(without_docstrings(source_of(solution))),
            errors=list(_errors(solution)),
            report=report.public() if report else None,
        )

    def _question(self, question: Question, cells: Mapping) -> Section:
        answer = source_of(cells.get(question.name, {})).strip()
        return Section(
            question.name,
            question.title[:1].upper() + question.title[1:],
            question,
            text=self.texts.get(question.name, ""),
            answer="" if answer == ANSWER_HERE else shorter(answer),
        )


def question_texts(template: NotebookNode) -> dict[str, str]:
    """Return the Markdown of each question that is marked by hand: the cell above its answer."""
    pairs = zip(template.cells, template.cells[1:], strict=False)
    return {name_of(cell): before.source for before, cell in pairs if role(cell) == "answer"}


# ----------------------------------------------------------------------------------- a page


def total(line: Line) -> str:
    """Return the sum of a lesson as a sentence, which says what is still open.

    >>> total(Line("ada", "02", (Question("a", 3.5, 5), Question("b", 0, 5, waiting=True))))
    '3.5 of 5 points so far; 5 points wait for a person.'
    """
    graded = [one for one in line.questions if not one.waiting]
    open_points = line.maximum - sum(one.maximum for one in graded)
    words = f"{number(sum(one.score for one in graded))} of "
    words += f"{number(sum(one.maximum for one in graded))} points"
    words += f", +{number(line.bonus)} bonus" if line.bonus else ""
    if open_points:
        return f"{words} so far; {number(open_points)} points wait for a person."
    return f"{words}."


def late(line: Line) -> str:
    """Return what lateness did, or nothing where there is nothing to say."""
    if line.lateness.excused:
        return "This lesson is excused: it does not count."
    taken = f"{number(line.penalty)} points taken off, {number(line.final)} count"
    parts = [line.lateness.words, taken if line.penalty else ""]
    words = "; ".join(filter(None, parts))
    return f"{words[:1].upper()}{words[1:]}." if words else ""


@lru_cache(maxsize=1_000)
def without_docstrings(source: str) -> str:
    '''Return code without the docstrings that it was handed out with; broken code as it is.

    >>> without_docstrings("""def f():
    ...     'Say one.'
    ...     return 1""")
    'def f():\\n    return 1'
    '''
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    lines: list[str | None] = [*source.splitlines()]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node, clean=False
        ):
            text = node.body[0]
            alone = len(node.body) > 1 and node.body[1].lineno > (text.end_lineno or 0)
            if alone and text.lineno > node.lineno:
                first, last = text.lineno - 1, text.end_lineno or text.lineno
                lines[first:last] = [None] * (last - first)
    return "\n".join(line for line in lines if line is not None).strip("\n")


def shorter(text: str) -> str:
    """Return text of a length that a page can bear."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut here: it is very long"


def _errors(cell: Mapping):
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "error":
            yield f"{output.get('ename', '')}: {output.get('evalue', '')}"[:500]


@lru_cache(maxsize=10_000)
def _code(source: str) -> str:
    formatter = HtmlFormatter(nowrap=True)
    return highlight(visible(source), PythonLexer(), formatter)


@lru_cache(maxsize=10_000)
def _markdown(source: str) -> str:
    return with_formulas(source)


@cache
def _styles() -> dict[str, str]:
    """Colours of code, by the reader's preference."""
    chosen = {"light": "default", "dark": "github-dark"}
    return {name: _colours(style) for name, style in chosen.items()}


def _colours(style: str) -> str:
    rules = HtmlFormatter(style=style).get_style_defs(".code").splitlines()
    return "\n".join(rule for rule in rules if "{ color" in rule)


@cache
def _template() -> jinja2.Template:
    """The page, with what it shows of code and prose."""
    pages = environment(finalize=_shown, lstrip_blocks=True)
    pages.filters |= {
        "number": number,
        "code": _code,
        "markdown": _markdown,
    }
    return pages.get_template("feedback.html")


def _shown(value):
    """Text without turns of its direction; HTML that we made is clean already."""
    return value if hasattr(value, "__html__") else visible(str(value))
