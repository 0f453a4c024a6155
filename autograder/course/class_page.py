"""One page about a class, or about a whole course, that needs no other file and no script.

A page is sections: a caption and rows of cells. Whatever is put into it is escaped, control
characters are replaced. Long tables come in blocks that a browser lays out when they are seen.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jinja2

from autograder import exercises
from autograder.course.items import Item, items
from autograder.course.pages import environment
from autograder.course.register import Register
from autograder.course.summary import NOT_WRITTEN, number, score, understanding
from autograder.grading.results import SubmissionResult, write_atomically

BLOCK = 100  # rows of a long table that are laid out together
BINS = 10
MOST_HELP = 25  # students who are named as needing help
LOW = 0.5  # share of the points, below which somebody needs help
MANY = 3  # misconceptions


@dataclass(frozen=True)
class Cell:
    """One cell of a table: some lines, a number, a bar or a link."""

    kind: str = "lines"  # or "number", "bar", "link", "exercise", "head"
    lines: tuple[str, ...] = ()
    parts: tuple[tuple[str, float], ...] = ()  # of a bar: (name, share)
    address: str = ""  # of a link


@dataclass(frozen=True)
class Section:
    """A table with its caption; a # before a column's name marks numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def heads(self) -> list[dict]:
        """The columns for the template."""
        return [{"name": c.lstrip("#"), "number": c.startswith("#")} for c in self.columns]

    @property
    def blocks(self) -> list[tuple[tuple[Cell, ...], ...]]:
        """The rows in pieces."""
        return [self.rows[i : i + BLOCK] for i in range(0, len(self.rows), BLOCK)]


@dataclass(frozen=True)
class Chart:
    """How many students have which share of the points, as bars."""

    caption: str
    counts: tuple[int, ...]
    alt: str = field(init=False)

    def __post_init__(self):
        step = 100 // len(self.counts)
        said = ", ".join(
            f"{i * step} to {(i + 1) * step} %: {n}" for i, n in enumerate(self.counts) if n
        )
        object.__setattr__(self, "alt", f"{self.caption}. Students by share of the points: {said}.")

    @property
    def bars(self) -> list[dict]:
        """Place, height and label of each bar, in units of a drawing 100 wide and 40 high."""
        most, width = max(self.counts) or 1, 100 / len(self.counts)
        return [
            {"x": i * width + 0.5, "width": width - 1, "height": 30 * n / most, "count": n}
            for i, n in enumerate(self.counts)
        ]


# ---------------------------------------------------------------------------------- a lesson


def write_summary(
    path: Path, lesson: str, results: Sequence[SubmissionResult], register: Register | None = None
) -> Path:
    """Write the page about a class and return its path."""
    write_atomically(path, summary_html(lesson, results, register).encode())
    return path


def summary_html(
    lesson: str, results: Sequence[SubmissionResult], register: Register | None = None
) -> str:
    """Return the page about one lesson of a class."""
    register = register or Register()
    measured = items(results)
    return _page(
        f"Lesson {lesson.replace('_', ' ')}: what the class understood",
        _lead(results, register),
        [_chart("How the points are spread", results)] if results else [],
        [
            _misunderstood(results, register),
            _exercises(measured, results),
            _repair(measured),
            _help(results, register),
            _missing(register),
            _everyone(results, register),
        ],
    )


def _lead(results, register):
    if not results:
        return _unreadable(register) or "Nobody has been graded yet."
    scores = [result.score for result in results]
    points = number(max(result.points for result in results))
    middle = number(statistics.median(scores))
    full = sum(result.score == result.points for result in results)
    stopped = sum(bool(result.unobserved) for result in results)
    words = [
        f"{len(results)} submissions. Half of them have {middle} or more of the {points} points "
        f"that are given automatically; {full} have all of them."
    ]
    if register.missing:
        words.append(f"{len(register.missing)} of the roster have not handed in.")
    if stopped:
        words.append(f"In {stopped} something could not be run to its end; the notes say what.")
    words.append(_unreadable(register))
    return " ".join(filter(None, words))


def _unreadable(register):
    if not register.unreadable:
        return ""
    return (
        f"{register.unreadable} results were kept by another version, or are damaged, and are left "
        "out: grade these again."
    )


def _chart(caption, results) -> Chart:
    counts = [0] * BINS
    for result in results:
        share = result.score / result.points if result.points else 0.0
        counts[min(BINS - 1, int(share * BINS))] += 1
    return Chart(caption, tuple(counts))


def _misunderstood(results, register):
    """The misconceptions that a class holds, the most common first, and where to revisit them."""
    counts: Counter[str] = Counter(name for r in results for name in r.misconceptions)
    places: dict[str, str] = {}
    for result in results:
        for report in result.reports:
            for name in report.misconceptions:
                places.setdefault(name, _place(report.exercise_id, register))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Section(
        "What was misunderstood, and by how many",
        ("misconception", "#students", "share", "where to revisit it"),
        tuple(
            (
                Cell("head", (name,)),
                Cell("number", (str(count),)),
                Cell("bar", parts=(("count", count / len(results)),)),
                Cell(lines=(places[name],)),
            )
            for name, count in ordered
        ),
    )


def _place(exercise_id, register):
    exercise = exercises.find(exercise_id)
    heading = register.sections.get(f"{exercise.grade_id}-check", "").replace("`", "")
    return ", ".join(filter(None, (heading, exercise.title, exercise.slides)))


def _exercises(measured: Sequence[Item], results):
    return Section(
        "How the exercises went",
        (
            *("exercise", "#all points", "#some", "#none", "#not written", "#mean"),
            *("all ▮ and some ▨", "#difficulty", "#with the rest"),
        ),
        tuple(map(_exercise_row, measured, _unwritten(measured, results))),
        note="Difficulty is the mean share of the points. “With the rest” is the correlation with "
        "the sum of the other exercises and its 95 % interval, from 30 students on.",
    )


def _unwritten(measured, results):
    counts = Counter(
        report.exercise_id
        for result in results
        for report in result.reports
        if all(row.message == NOT_WRITTEN for row in report.rows)
    )
    return [counts[item.exercise_id] for item in measured]


def _exercise_row(item: Item, unwritten: int):
    count = len(item.scores)
    full = sum(value == item.points for value in item.scores)
    none = sum(value == 0 for value in item.scores)
    some = count - full - none
    mean = f"{number(item.mean)} of {number(item.points)}"
    numbers = (str(full), str(some), str(none), str(unwritten), mean)
    return (
        Cell("exercise", (item.title, item.exercise_id)),
        *(Cell("number", (text,)) for text in numbers),
        Cell("bar", parts=(("all", full / count), ("some", some / count))),
        Cell("number", (f"{item.difficulty:.2f}",)),
        Cell("number", (_correlation(item),)),
    )


def _correlation(item):
    if item.correlation is None:
        return ""
    return f"{item.correlation:.2f} [{item.low:.2f}, {item.high:.2f}]"


def _repair(measured):
    return Section(
        "Exercises to look at",
        ("exercise", "why"),
        tuple(
            (Cell("exercise", (i.title, i.exercise_id)), Cell(lines=(i.repair,)))
            for i in measured
            if i.repair
        ),
    )


def _help(results, register):
    """Who needs help, lowest first, and why."""
    found = []
    for result in results:
        share = result.score / result.points if result.points else 1.0
        why = [f"{score(result)} points"] if share < LOW else []
        held = len(result.misconceptions)
        why += [f"{held} misconceptions"] if held >= MANY else []
        if why:
            found.append((share, register.name(result.student), why))
    found.sort(key=lambda one: one[:2])
    more = len(found) - MOST_HELP
    return Section(
        "Who needs help",
        ("student", "why"),
        tuple(
            (Cell("head", (name,)), Cell(lines=(", ".join(why),)))
            for _, name, why in found[:MOST_HELP]
        ),
        note=f"And {more} more, who stand in the table of everyone." if more > 0 else "",
    )


def _missing(register):
    return Section(
        "Not handed in",
        ("student",),
        tuple((Cell("head", (register.name(who),)),) for who in register.missing),
    )


def _everyone(results, register):
    columns = ("student", "#automatic", "#by hand", "#final", "what they misunderstood", "notes")
    return Section(
        "Everyone",
        (*columns, "since the hand-in before", "feedback"),
        tuple(_student_row(result, register) for result in results),
    )


def _student_row(result, register):
    who, line = result.student, register.marks.get(result.student)
    name = register.name(who)
    notes = [*result.problems, *filter(None, [line.lateness.words if line else ""])]
    change, address = register.changes.get(who, ""), register.feedback.get(who, "")
    return (
        Cell("head", (name,) if name == who else (name, who)),
        Cell("number", (score(result),)),
        Cell("number", (_by_hand(line),)),
        Cell("number", (f"{number(line.final)}/{number(line.maximum)}" if line else "",)),
        Cell(lines=tuple(understanding(result))),
        Cell(lines=tuple(notes)),
        Cell(lines=(change,) if change else ()),
        Cell("link", ("feedback",), address=address) if address else Cell(),
    )


def _by_hand(line):
    """Points of the questions, or that they wait for a person."""
    asked = [q for q in line.questions if not q.name.endswith("-check")] if line else []
    if any(q.waiting for q in asked):
        return "waits"
    maximum = math.fsum(q.maximum for q in asked)
    return f"{number(math.fsum(q.score for q in asked))}/{number(maximum)}" if asked else ""


# ---------------------------------------------------------------------------------- a course


def course_html(
    title: str,
    lessons: Mapping[str, Sequence[SubmissionResult]],
    registers: Mapping[str, Register],
) -> str:
    """Return the page about all lessons of a course.

    Args:
        registers: by lesson.
    """
    held = [n for n, results in lessons.items() if results]
    sections = [
        _lessons(lessons, registers),
        *(
            section
            for name in held
            for section in _sections_of(name, lessons[name], registers[name])
        ),
        _totals(lessons, registers),
    ]
    students = {result.student for results in lessons.values() for result in results}
    lead = (
        f"{len(students)} students in {len(held)} lessons." if held else "Nobody has been graded."
    )
    return _page(title, lead, [_chart(name, lessons[name]) for name in held], sections)


def _sections_of(name, results, register):
    measured = items(results)
    for section in (_misunderstood(results, register), _repair(measured)):
        if section.rows:
            yield Section(f"{name}: {section.caption}", section.columns, section.rows)


def _lessons(lessons, registers):
    rows = []
    for name, results in lessons.items():
        shares = [r.score / r.points for r in results if r.points]
        middle = f"{100 * statistics.median(shares):.0f} %" if shares else ""
        numbers = (str(len(results)), str(len(registers[name].missing)), middle)
        needed = str(len(_help(results, registers[name]).rows))
        rows.append(
            (Cell("head", (name,)), *(Cell("number", (text,)) for text in (*numbers, needed)))
        )
    columns = ("lesson", "#handed in", "#not handed in", "#median", "#need help")
    return Section("The lessons", columns, tuple(rows))


def _totals(lessons, registers):
    """A row a student: the share of the points in every lesson, and which of them do not count."""
    shares: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    names: dict[str, str] = {}
    for lesson, results in lessons.items():
        marks, known = registers[lesson].marks, {result.student: result for result in results}
        for who in known | marks:
            names[who] = registers[lesson].name(who)
            shares[who][lesson] = _share(marks.get(who), known.get(who))
    held = [name for name, results in lessons.items() if results]
    return Section(
        "Everyone, in percent",
        ("student", *(f"#{name.partition('_')[0]}" for name in held)),
        tuple(
            (
                Cell("head", (names[who],) if names[who] == who else (names[who], who)),
                *(Cell("number", shares[who].get(name, ("",))) for name in held),
            )
            for who in sorted(shares, key=lambda who: (names[who], who))
        ),
    )


def _share(line, result):
    """What a student has of a lesson, in percent, and whether it is excused or dropped."""
    got, of = (line.final, line.maximum) if line else (result.score, result.points)
    percent = f"{100 * got / of:.0f}" if of else ""
    if line and line.lateness.excused:
        return (percent, "excused") if line.handed_in else ("excused",)
    return (percent, "dropped") if line and line.dropped else (percent,)


# ---------------------------------------------------------------------------------- HTML


def _page(title, lead, charts, sections) -> str:
    return _template().render(title=title, lead=lead, charts=charts, sections=sections)


@cache
def _template() -> jinja2.Template:
    return environment().get_template("class.html")
