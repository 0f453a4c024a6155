"""Laws of every lesson's text, by discovery: its parts, its points, its questions, its errata."""

import ast
import json
import re
import symtable
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from all_lessons import all_lessons

from autograder import misconceptions
from autograder.checking.spec import COMMON_HELPERS
from autograder.exercises import all_exercises
from autograder.lessons.lesson import SRC

ROOT = Path(__file__).resolve().parents[2]
ALL = all_lessons()
STUDENT = sorted((ROOT / "notebooks" / "student").glob("*.ipynb"))
LESSONS = [lesson for lesson in ALL if lesson.number != "00"]  # a first look has no parts
SWITCH = r"^(with needs\(.*\):\n    )?\w+ = load\(\"digits\"\)"
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def text_of(lesson):
    return (SRC / f"{lesson.name}.py").read_text("utf-8")


@every_lesson
def test_a_lesson_has_what_every_lesson_has(lesson):
    text = text_of(lesson)
    predictions = text.count('role="predict"')
    assert predictions >= 3
    cells = re.findall(r'role="predict"\n(my_.+?) = (.+?)  #', text)
    assert len(cells) == predictions
    guesses = [(name, start) for names, start in cells for name in names.split(", ")]
    assert all(text.count(name) > 1 for name, _ in guesses), "each guess is looked at"
    assert text.count("predicted(") >= sum("None" in start for _, start in guesses)
    assert len(lesson.exercises) == text.count('role="exercise"')
    assert text.count("the usual suspects, by name") + text.count("where to look") >= 5
    assert any(exercise.title.startswith("Kill the bug") for exercise in lesson.exercises)


@every_lesson
def test_the_points_add_up(lesson):
    core = [exercise.points for exercise in lesson.exercises if not exercise.bonus]
    assert sum(core) == pytest.approx(80)
    questions = re.findall(r'role="question" .*points=(\d+)', text_of(lesson))
    assert 3 <= len(questions) <= 4 and sum(map(int, questions)) == 20


MOST = {"minutes": 90, "words in the core": 3500, "words": 5000, "lines of given code": 350}


def words(text):
    """Count the words of prose, without formulas and without what is folded away."""
    text = re.sub(r"<details>.*?</details>|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    return sum(bool(re.search("[A-Za-z]", word)) for word in text.split())


def parts_of_the_core(lesson):
    """Return the numbers of the parts that the table lists above the row of the core."""
    rows = re.findall(r"^# \| (.+?) \|.*\| \**\d+\** \|$", text_of(lesson), re.M)
    core = next(place for place, title in enumerate(rows) if title.startswith("**"))
    ends = [re.match(r"(\d+)(?:–(\d+))?", title).groups() for title in rows[:core]]
    return {n for first, last in ends for n in range(int(first), int(last or first) + 1)}


@every_lesson
def test_a_lesson_keeps_to_its_limits(lesson):
    prose = "\n\n".join(c.student for c in lesson.cells if c.role in ("prose", "question"))
    opening, *parts = re.split(r"^(?=## )", prose, flags=re.M)
    core = parts_of_the_core(lesson)
    in_core = [part for part in parts if (n := re.match(r"## (\d+)", part)) and int(n[1]) in core]
    shown = [
        line
        for cell in lesson.cells
        if cell.role in ("setup", "given", "experiment") and not cell.hidden
        for line in cell.student.splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    assert core
    found = {
        "minutes": lesson.minutes[0],
        "words in the core": words(opening) + sum(map(words, in_core)),
        "words": words(prose),
        "lines of given code": len(shown),
    }
    most = MOST | ({"minutes": 60} if lesson.number == "01" else {})
    assert {what: n for what, n in found.items() if n > most[what]} == {}


@every_lesson
def test_a_part_with_something_to_write_ends_with_you_can_stop_here(lesson):
    """A sitting is short; whoever has twenty minutes knows where to stop."""
    _, *parts = re.split(r"^# ## ", text_of(lesson), flags=re.M)
    endless = [
        part.partition("\n")[0]
        for part in parts[:-2]  # the last one is what to take away, and the one before leads to it
        if re.search(r'role="(exercise|question)"', part) and "stop here" not in part.lower()
    ]
    assert endless == []


def minutes_and_stops(lesson):
    """Yield the minutes and the text of each part, or of the parts that share rows of the table."""
    text = text_of(lesson)
    _, *found = re.split(r"^# ## (?=\d)", text, flags=re.M)
    parts = {int(re.match(r"\d+", part)[0]): part for part in found}
    minutes = {}
    for title, number in re.findall(r"^# \| (\d[^|]*) \|.*\| (\d+) \|$", text, re.M):
        first, last = re.match(r"(\d+)(?:–(\d+))?", title).groups()
        together = range(int(first), int(last or first) + 1)
        minutes[together] = minutes.get(together, 0) + int(number)
    for together in sorted(minutes, key=lambda numbers: numbers[0]):
        yield minutes[together], "".join(parts[number] for number in together)


def sittings(lesson):
    """Return the minutes from each "you can stop here" to the next, the end of the lesson included.

    A part is cut at its stops into pieces of equal length: where exactly they lie nobody measures.
    """
    lengths, since = [], 0.0
    for minutes, text in minutes_and_stops(lesson):
        *before, after = re.split(r"stop here", text, flags=re.I)
        pieces = len(before) + ("# %% role=" in after)
        for _ in before:
            lengths.append(since + minutes / pieces)
            since = 0.0
        since += minutes / pieces * (pieces - len(before))
    return [*lengths, since]


@every_lesson
def test_no_sitting_is_longer_than_twenty_minutes(lesson):
    assert max(sittings(lesson)) <= 20, [round(one, 1) for one in sittings(lesson)]


@every_lesson
def test_a_lesson_names_its_sources(lesson):
    """The slides and the papers, at the end."""
    *_, last = (cell.student for cell in lesson.cells if cell.kind == "markdown")
    assert re.search(r"\*\*Sources\.\*\* Lecture 7, slides? \d", last)


@every_lesson
def test_two_translations_count_and_the_others_are_a_bonus(lesson):
    """Whoever has translated two functions knows how; a forward and its backward pass are one."""
    own = {exercise.id for exercise in lesson.exercises}
    translated = {
        exercise.function.removesuffix("_forward").removesuffix("_backward")
        for exercise in lesson.exercises
        if not exercise.bonus and ".torch." in exercise.id
        if exercise.id.replace(".torch.", ".") in own
    }
    assert len(translated) <= 2, translated


PLAIN = {  # what is not said: what is, or the one use that is meant
    r"shall|for ever|hangs? on|mend(?:s|ed|ing)?": "must, without end, depends on, repair",
    r"shares? of": "fraction of",
    r"stands? (?:a|for) (?:higher|larger)": "tolerates",
}


@pytest.mark.parametrize("lesson", ALL, ids=lambda lesson: lesson.name)
def test_a_lesson_says_it_in_plain_words(lesson):
    """In its prose, its stubs, and its hints."""
    texts = [cell.solution for cell in lesson.cells if cell.kind == "markdown"]
    texts += [cell.student for cell in lesson.cells if cell.role == "solution"]
    texts += [wrong.hint for one in lesson.exercises for wrong in misconceptions.of(one.id)]
    prose = "\n".join(texts)
    found = {word: say for word, say in PLAIN.items() if re.search(rf"\b(?:{word})\b", prose, re.I)}
    assert found == {}


def figures():
    """Return (number of the lesson, cell) for every cell that draws a picture of the library."""
    cells = [(one.number, cell) for one in all_lessons() for cell in one.cells]
    drawn = [(n, c) for n, c in cells if c.role == "experiment"]
    return [(n, c) for n, c in drawn if re.search(r"plotting\.plot_", c.solution)]


def test_every_figure_has_an_alternative_text():
    assert len(figures()) > 100
    assert [(n, cell.id) for n, cell in figures() if not cell.alt] == []


def test_every_figure_has_a_title_that_fits_and_is_no_other_figures():
    titles = []
    for number, cell in figures():
        shown = re.findall(r"plotting\.show\(\"(.+)\"\)", cell.solution)
        drawn = len(re.findall(r"plotting\.plot_", cell.solution))
        assert len(shown) == drawn, f"lesson {number}: {cell.id}: plotting.show(title) shows it"
        assert all(10 <= len(title) <= 80 for title in shown), (number, shown)
        titles += shown
    assert len(set(titles)) == len(titles)


@every_lesson
def test_the_minutes_of_the_parts_add_up(lesson):
    """The row of the core stands below its parts, that of the whole below all."""
    rows = re.findall(r"^# \| (.+?) \|.*\| \**(\d+)\** \|$", text_of(lesson), re.M)
    titles, minutes = zip(*((title, int(number)) for title, number in rows), strict=True)
    core, whole = (place for place, title in enumerate(titles) if title.startswith("**"))
    assert lesson.minutes == (minutes[core], minutes[whole])
    assert sum(minutes[:core]) == minutes[core]
    assert minutes[core] + sum(minutes[core + 1 : whole]) == minutes[whole]
    assert whole == len(rows) - 1


def test_one_line_switches_a_lesson_to_other_images():
    """It is in a cell that a student may change, and the prose above says how."""
    switched = []
    for lesson in ALL:
        *before, place = _until_first(lesson.cells, SWITCH)
        if place is None:
            continue
        switched.append(lesson.number)
        assert place.role == "experiment", f"{lesson.name}: students cannot change this cell"
        prose = [cell.solution for cell in before if cell.kind == "markdown"][-1]
        for name in ("fashion-mnist", "cifar10"):
            assert f'load("{name}")' in prose, f"{lesson.name} does not say how to load {name}"
        assert "this one line" in prose or "the one line" in prose
    assert switched == [one.number for one in ALL if one.number != "12"]  # ImageNet's network


@pytest.mark.parametrize(
    "lesson",
    [lesson for lesson in ALL if "with_random_labels" in text_of(lesson)],
    ids=lambda lesson: lesson.name,
)
def test_a_data_set_for_each_seed_stays_small_when_the_images_are_many(lesson):
    """Twenty copies of ten thousand test images would not fit into memory."""
    code = [cell for cell in lesson.cells if cell.kind == "code"]
    *before, drawing = _until_first(code, "with_random_labels")
    space = {}
    for cell in (*before, drawing):
        exec(compile(cell.solution, cell.id, "exec"), space)
    loaded = next(m[1] for c in before if (m := re.search(r"^(\w+) = load\(", c.solution, re.M)))
    draw = re.search(r"^def (\w+)\(seed, noise.*\):", drawing.solution, re.M)[1]
    parts = ("train", "val", "test")
    many = {f"x_{part}": np.zeros((10_000, 2), np.float32) for part in parts}
    many |= {f"y_{part}": np.zeros(10_000, int) for part in parts}
    space[loaded] = replace(space[loaded], **many)
    one = space[draw](0, 0.3)
    assert len(one.x_train) == 500 and 1000 <= len(one.x_test) <= 2500


def _until_first(cells, pattern):
    """Return the cells up to the first piece of code that a pattern is found in, or None last."""
    for k, cell in enumerate(cells):
        if cell.kind == "code" and re.search(pattern, cell.solution, re.M):
            return cells[: k + 1]
    return [*cells, None]


def test_every_entry_of_the_errata_names_tests_that_exist():
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    _, *sections = re.split(
        r"^## ", (ROOT / "docs/lecture_errata.md").read_text("utf-8"), flags=re.M
    )
    assert [section[:9] for section in sections] == [f"Lesson {one.number}" for one in LESSONS]
    for section in sections:
        entries = [entry for entry in section.split("\n### ")[1:] if entry.startswith("Slide")]
        assert len(entries) >= 4
        for entry in entries:
            named = re.findall(r"`(test_\w+)`", entry)
            assert named, f"names no test: {entry.splitlines()[0]}"
            for name in named:
                assert f"def {name}(" in tests, name


def test_every_entry_of_the_errata_names_claims_of_its_lesson_or_says_why_none():
    """Nearly all name one: what a slide says loosely is measured in the lesson."""
    text = (ROOT / "docs/lecture_errata.md").read_text("utf-8")
    measured = 0
    for lesson, section in zip(LESSONS, re.split(r"^## ", text, flags=re.M)[1:], strict=True):
        claims = {cell.claim.id for cell in lesson.cells if cell.claim}
        for entry in section.split("\n### ")[1:]:
            said = re.search(r"^\*\*Claims?:\*\* (none: )?(.+?)\.\s*\Z", entry, re.M | re.S)
            assert said, f"names no claim: {entry.splitlines()[0]}"
            named = re.findall(r"`([\w-]+)`", said[2])
            assert bool(named) != bool(said[1]) and set(named) <= claims, said[0]
            measured += bool(named)
    assert measured > 50


@pytest.mark.parametrize("lesson", ALL, ids=lambda lesson: lesson.name)
def test_the_last_cell_scores_the_predictions_of_a_lesson(lesson):
    assert [cell for cell in lesson.cells if cell.kind == "code"][-1].student == (
        "score_predictions()"
    )


def bound_in(program):
    """Return the names that a program's own lines give a value, a function or a module."""
    found = set()
    for node in ast.parse(program).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        found |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        found |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return found - {"_"}


def read_in(program):
    """Return the names that a program looks up in the notebook, inside of functions too."""
    scopes, found = [symtable.symtable(program, "cell", "exec")], set()
    for scope in scopes:
        scopes += scope.get_children()
        found |= {name.get_name() for name in scope.get_symbols() if name.is_global()}
        if scope.get_type() == "module":
            found |= {n.get_name() for n in scope.get_symbols() if n.is_referenced()}
    return found


@every_lesson
def test_what_a_look_binds_is_used_by_nobody_else(lesson):
    """What a lesson sets up, defines and computes must still be there for what comes after."""
    looks = {e.look.strip(): bound_in(e.look) for e in lesson.exercises if e.look}
    cells = [cell for cell in lesson.cells if cell.kind == "code"]
    given = {name for exercise in lesson.exercises for name in exercise.functions}
    given |= set().union(*(bound_in(c.solution) for c in cells if c.role in ("setup", "given")))
    owner = {}
    for cell in cells:
        look = next((text for text in looks if textwrap.indent(text, "    ") in cell.solution), "")
        if look:
            assert not looks[look] & given
            owner |= dict.fromkeys(looks[look], look)
            continue
        binds = bound_in(cell.solution)
        lost = {name: owner[name] for name in (read_in(cell.solution) - binds) & owner.keys()}
        assert not lost, f"a look has changed what {cell.solution[:60]!r} reads"
        owner = {name: who for name, who in owner.items() if name not in binds}


@pytest.mark.parametrize("path", STUDENT, ids=lambda path: path.stem)
def test_no_locked_cell_binds_a_name_that_students_write(path):
    """Neither one of an exercise of any lesson, nor one that people give their own helpers."""
    taken = set(COMMON_HELPERS).union(*(exercise.functions for exercise in all_exercises()))
    cells = json.loads(path.read_text("utf-8"))["cells"]
    locked = [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("locked")
    ]
    assert locked
    assert not taken & set().union(*map(bound_in, locked))
