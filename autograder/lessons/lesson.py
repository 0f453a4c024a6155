"""Read a lesson: one text file, checked and expanded into the cells of its notebooks.

A lesson is `notebooks/src/NN_name.py` in jupytext's percent format. Its header holds, under
``jupyter:``, a line such as ``course: {lesson: "02", title: ..., minutes_core: 60, minutes_all:
90}``. The cell line says what a cell is for:

``# %% [markdown]``
    Prose. The first cell of a lesson is prose that starts with ``# Title``.
``# %% role="setup"``
    Imports and settings; students cannot edit it, and it runs in the graded submission.
``# %% role="exercise" exercise="normalization.batchnorm_forward"``
    Expands to the helpers that the exercise gives, a cell to write in, and its check.
``# %% role="experiment" uses="batchnorm_forward batchnorm_backward"``
    Not run for marks. With `uses`, the build puts the whole cell under ``with needs(...):``, in
    all notebooks, so it says "not written yet" instead of failing. A value that stands alone is
    not shown there: call ``display``, ``print`` or ``plotting.show``. No magics in such a cell.
``# %% role="experiment" claim="one-id" says="above" of="result" slide="11"``
    What the prose leans on: `of` (a name or expression; its value after the cell) is a Comparison
    that is "above", "below" or "alike", or a number in a range such as says="0.5 to 0.7".
    `make claims` measures it again on several machines and writes docs/results.json.
``# %% role="experiment" alt="What the figure shows." hide=true``
    `alt` is the text for whoever cannot see the figure; `hide` folds given code away.
``# %% role="predict"``
    A few lines in which the student writes a guess; the next experiment calls ``predicted``.
``# %% [markdown] role="question" id="why-noise" points=5``
    Graded by hand; the next cell is ``# %% [markdown] role="answer"`` with model answer and
    rubric, which only the solution shows. The rubric is data: `autograder.course.rubrics` reads its
    items, "(a) 2 points: one thing (1), another (1)." and the like, and they add up.

Stubs and solutions come from the library functions, points from the exercise records. Cell ids
come from the grade id, else from the text, so that a rebuild gives the same bytes.
"""

import ast
import hashlib
import re
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path

from autograder import exercises
from autograder.answers import ROOT
from autograder.checking.spec import Exercise
from autograder.lessons.errors import BuildError
from autograder.lessons.source import (
    call,
    given_source,
    guarded,
    nbgrader_source_of,
    solution_source,
    stub_source,
)

PACKAGED = Path(__file__).resolve().parents[1] / "notebooks"  # where a wheel has the lessons
NOTEBOOKS = PACKAGED if PACKAGED.is_dir() else ROOT / "notebooks"
SRC = NOTEBOOKS / "src"
ANSWER_HERE = "*Write your answer here.*"
AUTOMATIC, BY_HAND = 80, 20  # points of a lesson that has questions; else 100 automatic

SAYINGS = ("above", "below", "alike")  # what a claim may say of a Comparison

LAYOUT = "lines_to_"  # how jupytext notes blank lines between cells

# What each role may say on its cell line: (cell type, options it must have, options it may have).
ROLES = {
    "prose": ("markdown", (), ()),
    "setup": ("code", (), ("hide",)),
    "exercise": ("code", ("exercise",), ()),
    "experiment": ("code", (), ("uses", "claim", "says", "of", "slide", "alt", "hide")),
    "predict": ("code", (), ()),
    "question": ("markdown", ("id", "points"), ()),
    "answer": ("markdown", (), ()),
}


@dataclass(frozen=True)
class Claim:
    """Something that the prose leans on, and an experiment measures.

    `of` is the expression that holds the value, `says` what is said of it: "above", "below" or
    "alike" of a Comparison, or the bounds of a number, "0.5 to 0.7".
    """

    id: str
    of: str
    says: str
    slide: str = ""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of a number; None for a Comparison."""
        if self.says in SAYINGS:
            return None
        low, high = self.says.split(" to ")
        return float(low), float(high)


@dataclass(frozen=True)
class Cell:
    """A cell of the built notebooks: one place, three texts."""

    kind: str  # "code" or "markdown"
    role: str  # as on the cell line; an exercise becomes "given", "solution" and "check"
    id: str
    student: str
    solution: str
    release: str  # the text of the nbgrader source notebook
    grade: dict | None = None  # nbgrader's metadata, without what all graded cells share
    claim: Claim | None = None
    alt: str = ""  # what its figure shows, in words
    hidden: bool = False  # given code that is folded away


@dataclass(frozen=True)
class Lesson:
    """A lesson, read and expanded: what all of its notebooks are made from."""

    number: str  # "02"
    name: str  # "02_batch_normalization": file and nbgrader assignment
    title: str
    minutes: tuple[int, int]  # the core, all of it
    cells: tuple[Cell, ...]
    exercises: tuple[Exercise, ...]


# ---------------------------------------------------------------------------------- lessons


def all_lessons(src: Path = SRC) -> tuple[Lesson, ...]:
    """Read every lesson in `src`, in order. Raises BuildError when there is none."""
    paths = sorted(Path(src).glob("*.py"))
    if not paths:
        raise BuildError(f"no lesson in {src}: expected files such as 02_batch_normalization.py")
    return tuple(read_lesson(path) for path in paths)


def find_lesson(name: str, src: Path = SRC) -> Lesson:
    """Read the lesson with this number ("02") or name ("02_batch_normalization").

    Raises BuildError that lists the lessons there are.
    """
    stems = {path.stem: path for path in sorted(Path(src).glob("*.py"))}
    for stem, path in stems.items():
        if name in (stem, stem.partition("_")[0]):
            return read_lesson(path)
    known = ", ".join(stems) or f"none in {src}"
    raise BuildError(f"there is no lesson {name!r}; lessons: {known}")


@cache
def _jupytext():
    import jupytext  # only who builds or grades needs it

    return jupytext


def read_lesson(path: Path) -> Lesson:
    """Read, check and expand one source file.

    Raises BuildError for anything an author can get wrong, with file, line and what to do.
    """
    path, reader = Path(path), _jupytext()
    try:
        text = path.read_text(encoding="utf-8")
        notebook = reader.reads(text, fmt="py:percent")
    except OSError:
        raise
    except Exception as error:  # jupytext has no error of its own: YAML's, Unicode's, ...
        problem = " ".join(str(error).split())
        raise BuildError(f"{shown(path)}: cannot be read as a lesson: {problem}") from None
    header = _read_header(path, notebook.metadata)
    blocks = _read_blocks(path, text, notebook)
    expansion = _Expansion()
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        expansion.add(block, following)
    _require_points(path, expansion)
    return Lesson(
        number=header["lesson"],
        name=path.stem,
        title=header["title"],
        minutes=(header["minutes_core"], header["minutes_all"]),
        cells=tuple(expansion.cells),
        exercises=tuple(expansion.exercises),
    )


def _read_header(path, metadata):
    header = metadata.get("course")
    header = header if isinstance(header, dict) else {}
    wanted = {"lesson": str, "title": str, "minutes_core": int, "minutes_all": int}
    for key, kind in wanted.items():
        if not isinstance(header.get(key), kind):
            raise BuildError(
                f"{shown(path)}: the header needs, under `jupyter:`, a `course:` entry with "
                f"{', '.join(wanted)}; {key} is {header.get(key)!r}, not {kind.__name__}"
            )
    if path.stem.partition("_")[0] != header["lesson"]:
        raise BuildError(
            f"{shown(path)}: the file name must start with its lesson number, "
            f"but the header says lesson {header['lesson']!r}"
        )
    return header


@dataclass(frozen=True)
class _Block:
    """A cell as the author wrote it."""

    kind: str
    role: str
    source: str
    options: dict
    where: str

    def error(self, message):
        return BuildError(f"{self.where}: {message}")


def _read_blocks(path, text, notebook):
    markers = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%", line)]
    counted = len(markers) == len(notebook.cells)
    blocks = []
    for index, cell in enumerate(notebook.cells):
        place = f"line {markers[index]}" if counted else f"cell {index + 1}"
        options = {key: v for key, v in cell.metadata.items() if not key.startswith(LAYOUT)}
        role = options.pop("role", "prose" if cell.cell_type == "markdown" else None)
        block = _Block(cell.cell_type, role, cell.source, options, f"{shown(path)}, {place}")
        _require_valid(block)
        blocks.append(block)
    if not blocks or blocks[0].role != "prose" or not blocks[0].source.startswith("# "):
        raise BuildError(f"{shown(path)}: the first cell must be markdown that starts with # Title")
    return blocks


def _require_valid(block):
    if block.role is None:
        raise block.error(f'a code cell needs role="..." on its line; roles: {", ".join(ROLES)}')
    if block.role not in ROLES:
        raise block.error(f"unknown role {block.role!r}; roles: {', '.join(ROLES)}")
    kind, required, optional = ROLES[block.role]
    if block.kind != kind:
        raise block.error(f'a cell with role="{block.role}" must be a {kind} cell')
    for name in required:
        if name not in block.options:
            raise block.error(f'a cell with role="{block.role}" needs {name}=... on its line')
    for name in block.options:
        if name not in required + optional:
            raise block.error(f'a cell with role="{block.role}" takes no {name}=...; remove it')
    if kind == "code":
        try:
            ast.parse(without_magics(block.source))
        except SyntaxError as error:
            raise block.error(
                f"line {error.lineno} of the cell is not Python: {error.msg}"
            ) from None


def without_magics(source):
    """Return the source with lines that are IPython magics left empty."""
    return re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)


def shown(path: Path) -> Path:
    """Return the path as messages show it: inside the project, relative to its root."""
    path = path.resolve()
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _require_points(path, lesson):
    automatic = _number(sum(e.points for e in lesson.exercises if not e.bonus))
    by_hand = sum(lesson.questions.values())
    wanted = (AUTOMATIC, BY_HAND) if lesson.questions else (AUTOMATIC + BY_HAND, 0)
    if (automatic, by_hand) != wanted:
        raise BuildError(
            f"{shown(path)}: a lesson with{'' if lesson.questions else 'out'} questions has "
            f"{wanted[0]} automatic points and {wanted[1]} by hand, got {automatic:g} from its "
            f"exercises and {by_hand:g} from its questions; change points= of a question or the "
            "points of the checks in autograder/exercises"
        )


# ---------------------------------------------------------------------------------- expansion


@dataclass
class _Expansion:
    """The cells of a lesson as they grow, and what is defined at this point of it."""

    cells: list[Cell] = field(default_factory=list)
    exercises: list[Exercise] = field(default_factory=list)
    questions: dict = field(default_factory=dict)  # id -> points
    names: set = field(default_factory=set)  # what setup cells bind
    bound: dict = field(default_factory=dict)  # function name -> the exercise that wrote it last
    given: dict = field(default_factory=dict)  # helper name -> its source

    def add(self, block, following):
        """Expand one block; `following` is the next one, or None."""
        if block.role == "question" and (following is None or following.role != "answer"):
            raise block.error('a question must be followed by a [markdown] role="answer" cell')
        getattr(self, f"_add_{block.role}")(block)

    def _add_prose(self, block):
        self._append(block, block.source)

    _add_predict = _add_prose

    def _add_setup(self, block):
        self.names |= _imported_names(without_magics(block.source))
        count = sum(cell.role == "setup" for cell in self.cells)
        self._append(block, block.source, _locked("setup" if not count else f"setup-{count + 1}"))

    def _add_experiment(self, block):
        uses = block.options.get("uses", "").split()
        if not uses:
            self._append(block, block.source)
            return
        for name in uses:
            if name not in self.bound:
                written = ", ".join(self.bound) or "none"
                raise block.error(
                    f"uses names {name!r}, which no exercise above this cell writes; written "
                    f"above: {written}"
                )
        self._require_imported(block, "needs")
        self._append(block, _guarded(block, uses))

    def _add_exercise(self, block):
        exercise = self._find(block)
        reference = getattr(import_module(exercise.module), exercise.functions[-1], None)
        if reference is None:
            raise block.error(
                f"{exercise.module} has no function {exercise.functions[-1]}, which "
                f"{exercise.id} asks for; write the reference there"
            )
        self._require_imported(block, "check")
        for helper in exercise.given:
            self._give(block, exercise, helper)
        try:
            texts = [f(reference) for f in (stub_source, solution_source, nbgrader_source_of)]
        except ValueError as error:
            raise block.error(str(error)) from None
        solution = {"grade_id": f"{exercise.grade_id}-solution", "solution": True}
        self._append(block, texts, solution, role="solution")
        self._look(block, exercise)
        arguments = [f'"{exercise.id}"', *exercise.functions]
        check = {
            "grade_id": f"{exercise.grade_id}-check",
            "grade": True,
            "locked": True,
            "points": 0 if exercise.bonus else _number(exercise.points),  # bonus is extra credit
        }
        self._append(block, call("check", arguments), check, role="check")
        self.exercises.append(exercise)

    def _look(self, block, exercise):
        """Add the cell that uses what was just written, and says what to see in the output."""
        self.bound[exercise.function] = exercise
        if exercise.look:
            cell = replace(block, role="experiment", source=exercise.look.rstrip())
            self._require_imported(block, "needs")
            self._append(cell, _guarded(cell, [exercise.function]))

    def _find(self, block):
        """Return the exercise of a block, once what it builds on is known to come before it."""
        name = block.options["exercise"]
        try:
            exercise = exercises.find(name)
        except KeyError as error:
            raise block.error(error.args[0]) from None
        if _without_comments(block.source):
            raise block.error("the build writes the cells of an exercise; leave this one empty")
        if exercise in self.exercises:
            raise block.error(f"exercise {name!r} stands twice in this lesson; keep one")
        for function in exercise.functions[:-1]:
            writer = self.bound.get(function)
            if writer is None or writer.framework != exercise.framework:
                found = f"that of {writer.id}" if writer else "none"
                raise block.error(
                    f"{name} needs the {exercise.framework} {function}, but the last one written "
                    f"above is {found}; move its exercise up"
                )
        return exercise

    def _give(self, block, exercise, helper):
        source = given_source(helper)
        if self.given.get(helper.__name__) != source:
            self.given[helper.__name__] = source
            grade = _locked(f"{exercise.grade_id}-given-{helper.__name__}")
            self._append(block, source, grade, role="given")

    def _add_question(self, block):
        name, points = block.options["id"], block.options["points"]
        if name in self.questions:
            raise block.error(f"question id {name!r} is used twice; give this one its own id")
        if not isinstance(points, int | float) or points <= 0:
            raise block.error(f"points must be a number above 0, got {points!r}")
        self.questions[name] = points
        self._append(block, block.source)

    def _add_answer(self, block):
        if not self.cells or self.cells[-1].role != "question":
            raise block.error("an answer must follow its question directly")
        if not block.source.strip():
            raise block.error("the answer is empty; write a model answer and how to mark it")
        name, points = next(reversed(self.questions.items()))
        grade = {"grade_id": f"{name}-question", "grade": True, "solution": True, "points": points}
        self._append(block, [ANSWER_HERE, block.source, block.source], grade)

    def _require_imported(self, block, name):
        if name not in self.names:
            raise block.error(
                f"this cell calls {name}, which no setup cell above imports; write "
                f"`from autograder.check import {name}` in the setup cell"
            )

    def _append(self, block, texts, grade=None, role=None):
        role = role or block.role
        student, solution, release = [texts] * 3 if isinstance(texts, str) else texts
        identifier = grade["grade_id"] if grade else f"{role}-{_digest(block.source)}"
        taken = [cell.id for cell in self.cells]
        if grade is None and identifier in taken:  # the same words twice
            identifier += f"-{1 + sum(id.startswith(identifier) for id in taken)}"
        if identifier in taken or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier):
            raise block.error(
                f"the cell id {identifier!r} must be unique in the lesson, of letters, digits, "
                "- and _, at most 64 long; choose another name"
            )
        self.cells.append(
            Cell(
                block.kind,
                role,
                identifier,
                student,
                solution,
                release,
                grade,
                claim=_claim(block),
                alt=block.options.get("alt", ""),
                hidden=bool(block.options.get("hide")),
            )
        )


def _claim(block):
    """Return the claim of a block, or None."""
    options = block.options
    parts = [name for name in ("claim", "of", "says") if name in options]
    if not parts and "slide" not in options:
        return None
    if len(parts) < 3:
        raise block.error("a claim needs claim=, of= and says= on its line")
    claim = Claim(options["claim"], options["of"], options["says"], str(options.get("slide", "")))
    try:
        ast.parse(claim.of, mode="eval")
        low, high = claim.bounds or (0, 1)
        if not low < high or not re.fullmatch(r"[a-z0-9-]+", claim.id):
            raise ValueError
    except (SyntaxError, ValueError):
        raise block.error(
            "a claim has an id of small letters, digits and -, an expression in of=, and in says= "
            f'one of {", ".join(SAYINGS)} or bounds such as "0.5 to 0.7"'
        ) from None
    return claim


def _guarded(block, uses):
    last = ast.parse(block.source).body[-1] if _is_python(block.source) else None
    if last is None:
        raise block.error("a cell with uses=... must hold Python and no magics")
    if isinstance(last, ast.Expr) and not isinstance(last.value, ast.Call):
        raise block.error("under `with needs(...)` the last value is not shown; call display(...)")
    try:
        return guarded(block.source, uses)
    except ValueError as error:
        raise block.error(str(error)) from None


def _is_python(source):
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:
        return False


def _without_comments(source):
    return re.sub(r"^\s*#.*$", "", source, flags=re.MULTILINE).strip()


def _imported_names(source):
    imports = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _locked(grade_id):
    return {"grade_id": grade_id, "locked": True}


def _number(points):
    """Return points without the rounding of their sum: 3 for 2.9999999999999996."""
    rounded = round(points, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]
