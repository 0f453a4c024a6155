"""How far a learner is: all lessons, what is done, what is misunderstood, what comes next."""

from __future__ import annotations

import hashlib
import html
import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.checking.spec import Exercise
from autograder.learning.history import History, read_history
from autograder.learning.shelf import PACKAGE, Shelved, lessons, log_in

UNSIGNED = "self-checked, unsigned"


@dataclass(frozen=True)
class Standing:
    """One exercise: its best-known state, and the mistakes that its last check named."""

    exercise: Exercise
    score: float | None = None  # of the last check
    names: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the last check gave all points."""
        return self.score is not None and self.score >= self.exercise.points


@dataclass(frozen=True)
class LessonStanding:
    """One lesson: its exercises, as they stand."""

    lesson: Shelved
    exercises: tuple[Standing, ...]

    @property
    def core(self) -> tuple[Standing, ...]:
        """Return the exercises that are no bonus."""
        return tuple(s for s in self.exercises if not s.exercise.bonus)

    @property
    def begun(self) -> bool:
        """Whether anything in it was ever checked."""
        return any(s.score is not None for s in self.exercises)

    @property
    def minutes_left(self) -> int:
        """The core's minutes, in the share of the points that are still missing."""
        points = sum(s.exercise.points for s in self.core)
        missing = sum(s.exercise.points for s in self.core if not s.done)
        return round(self.lesson.minutes * missing / points) if points else 0


@dataclass(frozen=True)
class Progress:
    """All lessons, as they stand; shows itself as text and as HTML."""

    lessons: tuple[LessonStanding, ...]
    remarks: tuple[str, ...] = ()

    @property
    def minutes_left(self) -> int:
        """Minutes of the core that are left in all lessons."""
        return sum(one.minutes_left for one in self.lessons)

    @property
    def next(self) -> Standing | None:
        """The next exercise: of the first lesson that was begun and is not done, else the first."""
        open_ = [one for one in self.lessons if not all(s.done for s in one.core)]
        open_.sort(key=lambda one: not one.begun)
        return next((s for one in open_ for s in one.core if not s.done), None)

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield lesson, exercises done, minutes left and what is misunderstood, a row a lesson."""
        for one in self.lessons:
            done = sum(s.done for s in one.exercises)
            names = "; ".join(f"{s.exercise.function}: {n}" for s in one.exercises for n in s.names)
            left = f"{one.minutes_left} min" if one.minutes_left else ""
            yield one.lesson.number, one.lesson.title, f"{done}/{len(one.exercises)}", left, names

    def closing(self) -> tuple[str, ...]:
        """Return the lines below the table: what is next, minutes left, what was odd."""
        following = self.next
        line = "Everything is done." if self.lessons else "No lesson is at hand to be counted."
        if following is not None:
            line = f"Next: {following.exercise.title} ({following.exercise.id})."
            line += f" About {self.minutes_left} minutes are left."
        return (line, *self.remarks)

    def __str__(self) -> str:
        table = [
            f"{number}  {title:<28} {done:>7}  {left:>8}  {names}".rstrip()
            for number, title, done, left, names in self.rows()
        ]
        return "\n".join([f"    {'lesson':<28} {'done':>7}  {'left':>8}", *table, *self.closing()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{word}</th>' for word in HEADINGS)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self.rows()
        )
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.closing())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{lines}"


HEADINGS = ("", "lesson", "done", "left", "misunderstood")


def progress_of(history: History) -> Progress:
    """Return how far the learner is who has this history.

    Where PyTorch is not installed, its exercises count only once they were tried.
    """
    return Progress(tuple(_standing(one, history) for one in lessons()), history.remarks)


def progress_in(folder: Path) -> Progress:
    """Return how far the learner is who works in `folder`."""
    return progress_of(read_history(log_in(folder)))


def _standing(lesson: Shelved, history: History) -> LessonStanding:
    found = []
    for exercise in lesson.exercises:
        entry = history.latest(exercise.id)
        if entry is not None:
            passed = entry["score"] >= entry["points"]
            names = () if passed else tuple(map(str, entry["names"]))
            score = exercise.points if passed else min(entry["score"], exercise.points)
            found.append(Standing(exercise, score, names))
        elif exercise.framework == "numpy" or _has_torch():
            found.append(Standing(exercise))
    return LessonStanding(lesson, tuple(found))


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


# ---------------------------------------------------------------------------------- the page


@cache
def software_digest() -> str:
    """Return a digest of the packages that checked: the same digest, the same checks."""
    digest = hashlib.sha256()
    for package in (PACKAGE, PACKAGE.parent / "cs231n_lib"):
        for path in sorted(package.rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def summary_page(progress: Progress, folder: Path) -> str:
    """Return a page with what was written in the notebooks of `folder`, and what checks said."""
    written = _written_in(folder)
    parts = [progress._repr_html_()]
    for one in progress.lessons:
        tried = [s for s in one.exercises if s.score is not None]
        if tried:
            parts.append(f"<h2>{html.escape(f'{one.lesson.number} {one.lesson.title}')}</h2>")
        for s in tried:
            result = f"{s.score:g} of {s.exercise.points:g} points in the last check"
            code = written.get(s.exercise.grade_id, "No cell of it was found in this folder.")
            parts.append(f"<h3>{html.escape(s.exercise.title)}</h3><p>{result}</p>")
            parts.append(f"<pre>{html.escape(code)}</pre>")
    return PAGE.format(unsigned=UNSIGNED, digest=software_digest(), body="".join(parts))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>My progress</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: auto; padding: 1em }}
td, th {{ text-align: left; padding: .2em .6em; vertical-align: top }}
pre {{ background: #8882; padding: .6em; overflow: auto }}
</style></head><body><h1>My progress</h1>
<p><strong>{unsigned}</strong>: checked by the learner with the course's software, digest
<code>{digest}</code>. The code is what the notebooks hold now; the points are those of the last
check.</p>
{body}</body></html>
"""


def _written_in(folder: Path) -> dict[str, str]:
    """Return {grade id: code of the cell} for the answers in the notebooks of a folder."""
    found = {}
    for path in sorted(Path(folder).glob("*.ipynb")):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            for cell in cells:
                settings = cell["metadata"].get("nbgrader", {})
                if settings.get("solution") and cell["cell_type"] == "code":
                    name = re.sub(r"-solution$", "", settings["grade_id"])
                    found[name] = "".join(cell["source"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # no notebook of the course
    return found
