"""The build: one text file becomes three notebooks that are equal but for the answers."""

import ast
import builtins
import contextlib
import dis
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType

import nbformat
import pytest
import torch
from all_lessons import all_lessons
from nbgrader.validator import Validator
from traitlets.config import Config

from autograder import exercises
from autograder.answers import imports_answers, is_answer_file
from autograder.check import run
from autograder.lessons import build
from autograder.lessons.build import BuildError, OutOfDate, build_all, find_lesson, read_lesson
from autograder.lessons.lesson import without_magics
from autograder.lessons.source import (
    STUB,
    guarded,
    nbgrader_source_of,
    solution_source,
    stub_source,
)

LESSONS = all_lessons()
NAMES = [lesson.name for lesson in LESSONS]
BUILTINS = set(vars(builtins))


@pytest.fixture(params=LESSONS, ids=NAMES)
def lesson(request):
    return request.param


# ---------------------------------------------------------------------------------- a tiny lesson

HEADER = """\
# ---
# jupyter:
#   course: {lesson: "77", title: Tiny, minutes_core: 1, minutes_all: 2}
# ---

# %% [markdown]
# # Tiny

# %% role="setup"
import numpy as np

from autograder.check import check, needs

"""
EXERCISE = '# %% role="exercise" exercise="getting_started.unit_rows"\n\n'
EXPERIMENT = '# %% role="experiment" uses="unit_rows"\nprint(unit_rows(np.eye(2)))\n\n'


@pytest.fixture
def write(tmp_path):
    """Return a function that writes lesson 77 from the text after its header."""

    def write(body, header=HEADER, name="77_tiny.py"):
        path = tmp_path / "src" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(header + body, encoding="utf-8")
        return path

    return write


def question(points=20, id="why"):
    return (
        f'# %% [markdown] role="question" id="{id}" points={points}\n# Why?\n\n'
        '# %% [markdown] role="answer"\n# Because. Rubric: all or nothing.\n\n'
    )


def test_cells_of_a_tiny_lesson_stand_in_order_with_their_roles(write):
    lesson = read_lesson(write(EXERCISE + EXPERIMENT))
    assert [cell.role for cell in lesson.cells] == [
        "prose", "setup", "solution", "experiment", "check", "experiment"
    ]  # fmt: skip
    look = lesson.cells[3]  # of the exercise: what to see before checking
    assert "needs(unit_rows)" in look.student
    assert lesson.number == "77"
    assert lesson.name == "77_tiny"
    assert lesson.minutes == (1, 2)
    assert [exercise.id for exercise in lesson.exercises] == ["getting_started.unit_rows"]
    check = lesson.cells[4]
    assert check.student == 'check("getting_started.unit_rows", unit_rows)'
    assert lesson.cells[5].student == "with needs(unit_rows):\n    print(unit_rows(np.eye(2)))"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (EXERCISE.replace("unit_rows", "unit_row"), "line 14: there is no exercise"),
        (EXERCISE + "x = 1\n\n", "leave this one empty"),
        (EXERCISE + EXERCISE, "line 16: exercise 'getting_started.unit_rows' stands twice"),
        (EXPERIMENT + EXERCISE, "uses names 'unit_rows', which no exercise above this cell writes"),
        (EXERCISE + question(20), "80 automatic points and 20 by hand, got 100"),
        ("", "100 automatic points and 0 by hand, got 0"),
        (EXERCISE + '# %% role="quiz"\n1\n', "line 16: unknown role 'quiz'; roles: prose, setup"),
        (EXERCISE + "# %%\n1\n", 'line 16: a code cell needs role="..." on its line'),
        (EXERCISE + '# %% role="experiment" use="x"\n1\n', "takes no use=...; remove it"),
        (EXERCISE + '# %% role="question" id="a" points=1\n1\n', "must be a markdown cell"),
        ('# %% role="exercise"\n', "needs exercise=... on its line"),
        (EXERCISE + '# %% role="experiment"\nx = (\n', "line 1 of the cell is not Python"),
        (EXERCISE + question().split("# %% [markdown] role=\"answer\"")[0], "must be followed by"),
        (EXERCISE + '# %% [markdown] role="answer"\n# No.\n', "must follow its question directly"),
        (EXERCISE + question().replace("Because. Rubric: all or nothing.", ""), "answer is empty"),
        (EXERCISE + question(10) + question(10), "question id 'why' is used twice"),
        (EXERCISE + question(0), "points must be a number above 0, got 0"),
        (EXERCISE + question(id="a b"), "must be unique in the lesson, of letters, digits"),
        (EXERCISE + question(id="a" * 60), "at most 64 long"),
        (EXERCISE + EXPERIMENT.replace("print", "%time print"), "no magics"),
        (EXERCISE + EXPERIMENT + "np.pi\n", "the last value is not shown; call display"),
    ],
)  # fmt: skip
def test_an_authors_mistake_names_the_file_the_line_and_what_to_do(write, body, message):
    with pytest.raises(BuildError, match=re.escape(message)) as caught:
        read_lesson(write(body))
    assert "77_tiny.py" in str(caught.value)


def test_a_guard_or_a_check_that_is_not_imported_is_refused(write):
    without = HEADER.replace("check, needs", "check")
    with pytest.raises(BuildError, match="this cell calls needs, which no setup cell"):
        read_lesson(write(EXERCISE + EXPERIMENT, without))
    with pytest.raises(BuildError, match="this cell calls check"):
        read_lesson(write(EXERCISE, HEADER.replace("check, needs", "needs")))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "77_tiny.py"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match=r"77_tiny.py: cannot be read as a lesson: 'utf-8' codec"):
        read_lesson(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"77"', '"77', "cannot be read as a lesson: while scanning a quoted scalar"),
        ('{lesson: "77", title: Tiny, minutes_core: 1, minutes_all: 2}', "77", "lesson is None"),
        ("lesson: ", "number: ", "the header needs, under `jupyter:`, a `course:` entry"),
        ("minutes_core: 1", "minutes_core: one", "minutes_core is 'one', not int"),
        ('"77"', '"78"', "the file name must start with its lesson number"),
        ("# # Tiny", "# Tiny", "the first cell must be markdown that starts with # Title"),
    ],
)
def test_a_header_that_is_incomplete_is_refused(write, old, new, message):
    with pytest.raises(BuildError, match=re.escape(message)):
        read_lesson(write(EXERCISE, HEADER.replace(old, new)))


def test_the_same_words_twice_get_different_cell_ids(write):
    lesson = read_lesson(write(EXERCISE + EXPERIMENT * 3))
    _look, *ids = [cell.id for cell in lesson.cells if cell.role == "experiment"]
    assert ids[1:] == [f"{ids[0]}-2", f"{ids[0]}-3"]


def test_lessons_are_found_by_number_and_by_name():
    assert find_lesson("00").name == find_lesson("00_getting_started").name == "00_getting_started"
    with pytest.raises(BuildError, match="there is no lesson '2'; lessons: 00_getting_started"):
        find_lesson("2")


def test_an_empty_folder_of_sources_is_said_to_be_empty(tmp_path):
    with pytest.raises(BuildError, match="no lesson in"):
        build_all(tmp_path, tmp_path / "a", tmp_path / "b")


# ---------------------------------------------------------------------------------- stubs, guards


def noted(function):
    return function


@noted
@noted
def example(x, *, scale=1.0):
    """Scale x.

    >>> example(2)
    2.0

    >>> import numpy as np
    >>> from cs231n_lib.normalization import in_numpy
    >>> in_numpy.debias_running(np.ones(1), 0.5, 1)
    array([2.])
    """

    # scaled
    y = x * scale

    return y


HEAD = '''\
def example(x, *, scale=1.0):
    """Scale x.

    >>> example(2)
    2.0
    """'''


def test_a_stub_is_signature_docstring_and_one_line():
    assert stub_source(example) == f"{HEAD}\n    {STUB}"


def test_a_solution_is_the_function_itself_without_its_decorators():
    body = "    # scaled\n    y = x * scale\n\n    return y"
    assert solution_source(example) == f"{HEAD}\n{body}"
    marked = f"{HEAD}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
    assert nbgrader_source_of(example) == marked


def test_a_function_without_docstring_cannot_be_an_exercise():
    with pytest.raises(ValueError, match="needs a docstring and a body"):
        stub_source(noted)


def test_a_guard_leaves_the_inside_of_strings_as_it_stands():
    body = 'a = """\nleft\n  """\n\nif a:\n    b = f"""{a}\n{a!r}\n"""  # end\nprint(b)'
    text = guarded(body, ["f", "g"])
    assert text.startswith("with needs(f, g):\n    a = ")
    plain, inner = {}, {"needs": lambda *_: contextlib.nullcontext(), "f": 1, "g": 2}
    exec(body, plain)
    exec(text, inner)
    assert inner["a"] == plain["a"] == "\nleft\n  "
    assert inner["b"] == plain["b"]


def test_a_guard_is_laid_out_for_reading():
    body = 'def f():\n    return """a\n\n\nb"""\n\n\nprint(f())'
    expected = '    def f():\n        return """a\n\n\nb"""\n\n    print(f())'
    assert guarded(body, ["g"]) == f"with needs(g):\n{expected}"
    names = ["a" * 60, "b" * 60]
    assert guarded("1", names) == f"with needs(\n    {names[0]},\n    {names[1]},\n):\n    1"


def test_a_string_continued_by_a_backslash_keeps_its_value():
    assert "\nno indent'" in guarded("a = 'one \\\nno indent'", ["f"])


def test_what_is_an_answer():
    assert is_answer_file("cs231n_lib/schedules/shared.py")
    assert is_answer_file("cs231n_lib/normalization/tuned.py")
    assert is_answer_file("autograder/misconceptions/normalization.py")
    assert is_answer_file("notebooks/solution/02_batch_normalization.ipynb")
    for support in ("layers/in_torch.py", "data/dataset.py", "normalization/__init__.py"):
        assert not is_answer_file(f"cs231n_lib/{support}")
    assert not is_answer_file("autograder/check.py")
    assert imports_answers(">>> import cs231n_lib.normalization.in_numpy")
    assert not imports_answers(">>> from cs231n_lib.layers import in_numpy")


# ---------------------------------------------------------------------------------- built notebooks


def test_committed_notebooks_equal_a_fresh_build():
    build_all(check=True)


@pytest.mark.slow
def test_a_rebuild_writes_the_same_bytes_and_then_nothing(tmp_path):
    student, solution = tmp_path / "student", tmp_path / "solution"
    written = build_all(student=student, solution=solution)
    assert len(written) == 2 * len(LESSONS)
    for path in written:
        committed = build.NOTEBOOKS / path.parent.name / path.name
        assert path.read_bytes() == committed.read_bytes()
    assert build_all(student=student, solution=solution) == []


def test_differences_are_listed_by_cell(tmp_path, write):
    write(EXERCISE + EXPERIMENT)
    folders = tmp_path / "src", tmp_path / "student", tmp_path / "solution"
    with pytest.raises(OutOfDate, match=r"student/77_tiny.ipynb: missing"):
        build_all(*folders, check=True)
    build_all(*folders)
    build_all(*folders, check=True)

    path = tmp_path / "student" / "77_tiny.ipynb"
    notebook = json.loads(path.read_text())
    check = next(cell for cell in notebook["cells"] if cell["id"].endswith("-check"))
    check["source"] = ["check()"]
    check["outputs"] = [{"output_type": "stream"}]
    del notebook["cells"][1]
    path.write_text(json.dumps(notebook))
    (tmp_path / "solution" / "76_old.ipynb").write_text("{}")
    with pytest.raises(OutOfDate) as caught:
        build_all(*folders, check=True)
    lines = "\n".join(caught.value.differences)
    assert "77_tiny.ipynb, cell setup: missing" in lines
    assert "cell getting_started-unit_rows-check: different outputs, source" in lines
    assert "76_old.ipynb: has no source" in lines
    assert "run `autograder build`" in str(caught.value)

    path.write_text("{")
    with pytest.raises(OutOfDate, match="not a notebook of this build"):
        build_all(*folders, check=True)
    (tmp_path / "solution" / "76_old.ipynb").unlink()
    build_all(*folders)
    build_all(*folders, check=True)


@pytest.mark.parametrize("sign", ["outputs", "code", "an answer", "not a notebook"])
def test_a_build_never_overwrites_somebodys_work(tmp_path, write, sign):
    write(EXERCISE)
    folders = tmp_path / "src", tmp_path / "student", tmp_path / "solution"
    build_all(*folders)
    path = tmp_path / "student" / "77_tiny.ipynb"
    notebook = json.loads(path.read_text())
    solution = next(c for c in notebook["cells"] if c["id"].endswith("-solution"))
    if sign == "outputs":
        solution["execution_count"] = 3
    elif sign == "code":
        solution["source"] = ["def unit_rows(x):\n", "    return x\n"]
    elif sign == "an answer":
        solution["metadata"]["course"]["role"] = "answer"
    path.write_text("my notes" if sign == "not a notebook" else json.dumps(notebook))
    for count, kept in enumerate(["77_tiny-yours.ipynb", "77_tiny-yours-2.ipynb"]):
        mine = path.read_bytes()
        assert [p.name for p in build_all(*folders)] == [kept, "77_tiny.ipynb"], count
        assert path.with_name(kept).read_bytes() == mine
        build_all(*folders, check=True)
        path.write_bytes(mine)


FORMS = {
    "student": build.student_notebook,
    "solution": build.solution_notebook,
    "release": build.nbgrader_source,
}


@pytest.mark.parametrize("form", FORMS)
def test_notebooks_are_valid_and_free_of_outputs_and_versions(lesson, form):
    notebook = FORMS[form](lesson)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", cell.id)
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.language_info


def test_the_forms_differ_in_nothing_but_answers(lesson):
    student, solution = build.student_notebook(lesson), build.solution_notebook(lesson)
    differing = []
    for mine, theirs in zip(student.cells, solution.cells, strict=True):
        assert {**mine, "source": ""} == {**theirs, "source": ""}
        if mine.source != theirs.source:
            differing.append(mine.id)
    answered = [cell.id for cell in lesson.cells if cell.role in ("solution", "answer")]
    assert differing == answered
    assert len(differing) >= len(lesson.exercises) > 0


def test_nbgrader_metadata_says_what_each_cell_is(lesson):
    wanted = {
        "setup": (False, True, False),
        "given": (False, True, False),
        "solution": (False, False, True),
        "check": (True, True, False),
        "answer": (True, False, True),
    }
    points = {"check": 0, "answer": 0}
    bonus = {f"{e.grade_id}-check" for e in lesson.exercises if e.bonus}
    for cell, built in zip(lesson.cells, build.student_notebook(lesson).cells, strict=True):
        marks = built.metadata.get("nbgrader")
        if cell.role not in wanted:
            assert marks is None
            continue
        assert (marks.grade, marks.locked, marks.solution) == wanted[cell.role]
        assert marks.schema_version == 3
        assert marks.grade_id == built.id
        assert ("points" in marks) == (cell.role in points)
        if cell.role in points and built.id not in bonus:
            points[cell.role] += marks.points
    assert sum(points.values()) == pytest.approx(100)
    assert points["answer"] in (0, 20)


def test_every_exercise_stands_in_exactly_one_lesson():
    placed = [exercise.id for lesson in LESSONS for exercise in lesson.exercises]
    assert sorted(placed) == sorted(exercise.id for exercise in exercises.all_exercises())


# ---------------------------------------------------------------------------------- answers


def code_objects(written):
    """Code of a function, or of all methods of a class, with what is defined inside."""
    functions = vars(written).values() if isinstance(written, type) else [written]
    found = [function.__code__ for function in functions if hasattr(function, "__code__")]
    for code in found:
        found += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found


def global_names(function):
    """Names that the function looks up outside itself, in every branch."""
    return {
        instruction.argval
        for code in code_objects(function)
        for instruction in dis.get_instructions(code)
        if instruction.opname == "LOAD_GLOBAL"
    }


def test_references_are_self_contained(lesson):
    """A solution uses setup cells, given cells and the functions its exercise names; no more."""
    exercise_of = {f"{exercise.grade_id}-solution": exercise for exercise in lesson.exercises}
    shared, written = {}, {}
    for cell in lesson.cells:
        if cell.role in ("setup", "given"):
            exec(without_magics(cell.solution), shared)
        elif cell.role == "solution":
            exercise = exercise_of[cell.id]
            namespace = dict(shared)
            for name in exercise.functions[:-1]:
                exec(written[name], namespace)
            exec(cell.solution, namespace)
            written[exercise.function] = cell.solution
            functions = {name: namespace[name] for name in exercise.functions}
            missing = global_names(functions[exercise.function]) - set(namespace) - BUILTINS
            assert not missing, f"{exercise.id} uses {missing}, which the notebook does not have"
            assert run(exercise, functions).score == exercise.points
    assert set(exercise_of) <= {cell.id for cell in lesson.cells}


def test_stubs_score_nothing(lesson):
    namespace = {"torch": torch}  # whose Module a class may be built on
    stubs = [cell.student for cell in lesson.cells if cell.role == "solution"]
    for stub, exercise in zip(stubs, lesson.exercises, strict=True):
        exec(stub, namespace)
        report = run(exercise, {name: namespace[name] for name in exercise.functions})
        assert report.score == 0
        assert {row.message for row in report.rows} == {"not written yet"}


def telling_statements(source):
    """The statements of a function that say how it is done: two operations or calls, at least."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.value is not None:
            work = [n for n in ast.walk(node.value) if isinstance(n, ast.BinOp | ast.Call)]
            if len(work) >= 2:
                yield ast.unparse(node)
                yield ast.unparse(node.value)


def squashed(text):
    return re.sub(r"\s+", "", text)


def test_the_student_notebook_holds_no_answer(lesson):
    solution = build.solution_notebook(lesson)
    student = build.student_notebook(lesson)
    texts = [squashed(cell.source) for cell in student.cells]
    for cell in student.cells:
        if cell.cell_type == "code":
            nodes = ast.walk(ast.parse(without_magics(cell.source)))
            statements = [n for n in nodes if isinstance(n, ast.stmt)]
            texts += [squashed(ast.unparse(statement)) for statement in statements]
    checked = 0
    for mine, theirs in zip(student.cells, solution.cells, strict=True):
        if mine.metadata.course.role == "solution":
            assert STUB in mine.source
            for statement in telling_statements(theirs.source):
                checked += 1
                assert not any(squashed(statement) in text for text in texts), statement
        elif mine.metadata.course.role == "answer":
            assert mine.source == build.ANSWER_HERE
            for line in theirs.source.splitlines():
                assert len(line) < 30 or not any(squashed(line) in text for text in texts), line
    assert checked


# ---------------------------------------------------------------------------------- nbgrader

RELEASE = """
import json, sys
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

names, settings, root = json.loads(sys.argv[1])
config = Config(settings)
config.CourseDirectory.root = root
config.CourseDirectory.course_id = "course"
api = NbGraderAPI(config=config)
for name in names:
    result = api.generate_assignment(name)
    assert result["success"], result
"""


def release(lessons, root):
    """Return the notebooks as nbgrader's own generate_assignment releases them, by lesson name."""
    names = [lesson.name for lesson in lessons]
    for lesson in lessons:
        path = root / "source" / lesson.name / f"{lesson.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(build.notebook_text(build.nbgrader_source(lesson)), encoding="utf-8")
    arguments = json.dumps([names, build.nbgrader_settings(), str(root)])
    command = [sys.executable, "-c", RELEASE, arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for alembic
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PATH": path}, cwd=root
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: root / "release" / name / f"{name}.ipynb" for name in names}


@pytest.mark.slow
def test_an_nbgrader_release_is_the_student_notebook(tmp_path):
    released = release(LESSONS, tmp_path)
    for lesson in LESSONS:
        given = nbformat.read(released[lesson.name], as_version=4)
        student = build.student_notebook(lesson)
        assert given.metadata == student.metadata
        assert len(given.cells) == len(student.cells)
        graded = 0
        for theirs, mine in zip(given.cells, student.cells, strict=True):
            if "nbgrader" in theirs.metadata:
                graded += theirs.metadata.nbgrader.pop("checksum") != ""
            assert theirs == mine
        assert graded > 2


@pytest.mark.slow
def test_nbgrader_validates_the_first_lesson(tmp_path):
    """The solution passes, and on the student notebook exactly the unwritten exercise is listed.

    The long lessons are validated by `make check-notebooks`.
    """
    lesson = find_lesson("00")
    failed = {}
    for form in ("student", "solution"):
        path = tmp_path / f"{form}.ipynb"
        path.write_text(build.notebook_text(FORMS[form](lesson)), encoding="utf-8")
        results = Validator(config=Config()).validate(str(path))
        assert set(results) <= {"failed"}
        failed[form] = [cell["source"] for cell in results.get("failed", [])]
    assert failed["solution"] == []
    assert failed["student"] == ['check("getting_started.unit_rows", unit_rows)']
