"""The page about similar submissions: pairs side by side, and what their score is worth."""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import jinja2

from autograder import exercises
from autograder.checking.spec import Exercise
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.mine import handed_in_code, read_clusters, release_of
from autograder.course.pages import environment
from autograder.course.roster import read_roster
from autograder.course.similarity import (
    LEAST_FUNCTIONS,
    SAME,
    Class,
    Pair,
    Rates,
    Work,
    measured,
    published_of,
)
from autograder.grading.results import write_atomically
from autograder.submissions.rebuild import read_template

MOST = 50  # pairs that are shown


def write_similarity(
    course: Course, lesson: str, output: Path | None = None, threshold: float | None = None
) -> tuple[Path, str]:
    """Write the page about a lesson; returns its path and a sentence for the terminal.

    Args:
        threshold: least score of a pair that is shown; the measured one when None.

    Raises `CourseError` when fewer than two submissions can be compared, or the threshold is none.
    """
    if threshold is not None and not 0 <= threshold < math.inf:
        raise CourseError(f"--threshold is {threshold:g}; give a score that is 0 or more.")
    works, written = read_works(course, lesson)
    if len(works) < 2:
        raise CourseError(f"{lesson} has {len(works)} graded submissions: nothing to compare.")
    found = answered(works)
    if len(found) < LEAST_FUNCTIONS:
        raise CourseError(
            f"{lesson} has answers to {len(found)} exercises: to compare, {LEAST_FUNCTIONS} are "
            "needed."
        )
    rates = measured(found)
    least = rates.threshold if threshold is None else threshold
    group = Class(works, published_of(found))
    pairs = group.pairs(least)
    page = output or course.root / f"similarity-{lesson}.html"
    people = {person.id: person.name for person in read_roster(course)}
    html = similarity_html(lesson, group, pairs, rates, least, people, written)
    write_atomically(page, html.encode())
    said = (
        f"{len(pairs)} pairs of {len(works)} submissions are similar (score {least:g} or more; "
        f"about {rates.by_chance(len(works), least)} if all had worked alone)"
    )
    return page, said


def answered(works: Iterable[Work]) -> list[Exercise]:
    """Return the exercises that somebody answered, functions and classes."""
    names = {name for work in works for name in work.texts}
    return [exercise for exercise in exercises.all_exercises() if exercise.id in names]


def read_works(course: Course, lesson: str) -> tuple[list[Work], int]:
    """Return what was handed in, with the wrong outputs that nobody has named.

    With it comes how many answers were found. Raises `CourseError` when nobody is graded.
    """
    wrong = defaultdict(set)
    for number, cluster in enumerate(read_clusters(course, lesson)[0]):
        for student in cluster.students:
            wrong[student].add((cluster.exercise.id, number))
    template = read_template(release_of(course, lesson))
    works, count = [], 0
    for result in course.store(lesson).all():
        code = handed_in_code(course, lesson, template, result.student)
        texts = {}
        for report in result.reports:
            exercise = exercises.find(report.exercise_id)
            text = "\n".join(step.source for step in code.answering(exercise))
            if text and report.exercise_id not in result.unobserved and _is_written(report):
                texts[exercise.id] = text
        count += len(texts)
        works.append(Work(result.student, texts, frozenset(wrong[result.student])))
    return works, count


def _is_written(report):
    return any(row.message != "not written yet" for row in report.rows)


def similarity_html(
    lesson: str,
    group: Class,
    pairs: list[Pair],
    rates: Rates,
    threshold: float,
    people: dict[str, str],
    answers: int,
) -> str:
    """Return the page; whatever students wrote is escaped."""
    works = {work.student: work for work in group.works}
    published = {who: group.as_published(work) for who, work in works.items()}
    return _template().render(
        title=f"Lesson {lesson}: similar submissions",
        count=len(works),
        threshold=threshold,
        rates=rates,
        rows=[_row(*row) for row in rates.table()],
        copied=sorted(rates.copies),
        own=[(k, *rates.of_own_code(k)) for k in sorted(rates.own)],
        published=sum(map(len, published.values())),
        answers=answers,
        found=len(pairs),
        same=SAME,
        by_chance=rates.by_chance(len(works), threshold),
        pairs=[_shown(pair, works, published, people) for pair in pairs[:MOST]],
    )


def _row(threshold, *shares):
    return [f"{threshold:.1f}", *(f"{100 * share:.1f} %" for share in shares)]


def _shown(pair, works, published, people):
    a, b = pair.students
    parts = []
    for name, score in sorted(pair.scores.items(), key=lambda item: (-item[1], item[0])):
        texts = [works[who].texts.get(name, "") for who in (a, b)]
        parts.append(
            {
                "title": exercises.find(name).title,
                "score": f"{score:.0f}",
                "sides": side_by_side(*texts),
                "published": [published[who].get(name, "") for who in (a, b)],
            }
        )
    who = [f"{people[s]} ({s})" if people.get(s) else s for s in (a, b)]
    return {"who": who, "score": f"{pair.score:.0f}", "alike": pair.alike, "parts": parts}


def side_by_side(a: str, b: str) -> list[list[tuple[str, bool]]]:
    """Return the lines of two answers, each with whether it stands in the other too.

    Names and layout do not count.

    >>> side_by_side("x = a + 1\\ny = 2", "z = b+1")
    [[('x = a + 1', True), ('y = 2', False)], [('z = b+1', True)]]
    """
    lines = [text.splitlines() for text in (a, b)]
    shapes = [[_normal(line) for line in own] for own in lines]
    matcher = difflib.SequenceMatcher(None, shapes[0], shapes[1], autojunk=False)
    marked: tuple[set[int], set[int]] = (set(), set())
    for i, j, size in matcher.get_matching_blocks():
        for side, start in enumerate((i, j)):
            marked[side].update(k for k in range(start, start + size) if shapes[side][k])
    return [
        [(line, number in marked[side]) for number, line in enumerate(own)]
        for side, own in enumerate(lines)
    ]


def _normal(line: str) -> str:
    """Return a line without names, layout and comments; it need not be a whole statement."""
    from copydetect.utils import filter_code

    return "".join(filter_code(line, "answer.py", "python")[0].split())


def _template() -> jinja2.Template:
    return environment().get_template("similarity.html")
