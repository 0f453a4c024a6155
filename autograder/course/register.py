"""What a course knows of the people behind its results: names, marks, feedback, what changed.

register = register_of(course, lesson, results, page)
register.name("ada"), register.marks["ada"].final, register.missing
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from autograder.course.export.marks import Marks
from autograder.course.folder import Course
from autograder.course.markbook import Line, marks
from autograder.course.roster import read_roster
from autograder.grading.results import SubmissionResult, write_atomically

_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Register:
    """What a page about a class may say beside the results; empty by default."""

    names: Mapping[str, str] = field(default_factory=dict)  # by student
    marks: Mapping[str, Line] = field(default_factory=dict)  # by student
    missing: tuple[str, ...] = ()  # of the roster, without a result or an excuse
    feedback: Mapping[str, str] = field(default_factory=dict)  # address relative to the page
    changes: Mapping[str, str] = field(default_factory=dict)  # since the hand-in before
    sections: Mapping[str, str] = field(default_factory=dict)  # heading of the lesson, by exercise
    unreadable: int = 0  # results of another version, or damaged

    def name(self, student: str) -> str:
        """The name in the roster, else that of the folder."""
        return self.names.get(student) or student


def register_of(
    course: Course,
    lesson: str,
    results: Sequence[SubmissionResult],
    page: Path,
    lines: Sequence[Line] | None = None,
) -> Register:
    """Read what is known of a class.

    Args:
        page: where links start from.
        lines: the marks of the course, if they were read already.
    """
    known = {result.student for result in results}
    excused = course.settings().lesson(lesson).excused
    people = read_roster(course)
    lines = marks_of(course) if lines is None else lines
    return Register(
        names={person.id: person.name for person in people},
        marks={line.student: line for line in lines if line.lesson == lesson},
        missing=tuple(person.id for person in people if person.id not in known | excused),
        feedback=_feedback(course, lesson, known, page),
        changes=remember(course, lesson, results),
        sections=sections(course.root / "source" / lesson / f"{lesson}.ipynb"),
        unreadable=sum(1 for _ in course.store(lesson).folder.glob("*.json")) - len(results),
    )


def marks_of(course: Course) -> list[Line]:
    """Return the marks of a course; none where there is no gradebook yet."""
    from autograder.course.nbgrader_api import NbgraderCourse

    url = NbgraderCourse(course.root).coursedir.db_url
    is_missing = (
        url.startswith("sqlite:///")
        and not Path(url.removeprefix("sqlite:///").partition("?")[0]).exists()
    )
    return [] if is_missing else marks(course)


def counted_of(course: Course) -> list[Line]:
    """Return the marks of a course as its totals count them: see `Marks.counted`."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    found = Marks(marks_of(course), read_roster(course), course.settings(), now=now)
    return [line for own in found.counted.values() for line in own.values()]


def _feedback(course, lesson, students: Iterable[str], page: Path) -> dict[str, str]:
    """Return the address of each student's feedback page, where there is one."""
    found = {}
    for student in students:
        path = course.root / "feedback" / student / lesson / f"{lesson}.html"
        if path.is_file():
            found[student] = quote(os.path.relpath(path, page.resolve().parent))
    return found


def sections(notebook: Path) -> dict[str, str]:
    """Return, by the grade id of its check, the heading of the section that holds the exercise."""
    found, heading = {}, ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                heading = (_HEADING.findall(text) or [heading])[-1]
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
            if grade_id.endswith("-check"):
                found[grade_id] = heading
    return found


# ---------------------------------------------------------------------------------- changes


def remember(course: Course, lesson: str, results: Sequence[SubmissionResult]) -> dict[str, str]:
    """Keep what each hand-in came to, and say what changed since the hand-in before, by student."""
    path = course.private / "handed_in" / f"{lesson}.json"
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    before = json.dumps(kept)
    for result in results:
        entry = {
            "file": result.file,
            "score": result.score + result.bonus,
            "names": list(result.misconceptions),
        }
        history = kept.setdefault(result.student, [])
        if history and history[-1]["file"] == result.file:
            history[-1] = entry
        else:
            kept[result.student] = [*history[-1:], entry]
    if json.dumps(kept) != before:
        write_atomically(path, json.dumps(kept, ensure_ascii=False).encode())
    known = {result.student for result in results}
    return {who: _change(*two) for who, two in kept.items() if len(two) == 2 and who in known}


def _change(before, now) -> str:
    """Say what one hand-in changed.

    >>> _change({"score": 2.0, "names": ["a", "b"]}, {"score": 3.5, "names": ["b", "c"]})
    '2 → 3.5 points; no longer: a; new: c'
    """
    gone = [name for name in before["names"] if name not in now["names"]]
    new = [name for name in now["names"] if name not in before["names"]]
    words = [f"{before['score']:g} → {now['score']:g} points"]
    words += [f"no longer: {', '.join(gone)}"] if gone else []
    words += [f"new: {', '.join(new)}"] if new else []
    return "; ".join(words)
