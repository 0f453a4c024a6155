"""Whatever is handed in is read, rebuilt from the template, and reported; nothing raises."""

import copy
import itertools
import json
import os
import random
import re
import socket

import nbformat
import pytest
from all_lessons import all_lessons
from classroom import added, cell, changed, content, index, solution, template
from hypothesis import given
from hypothesis import strategies as st

from autograder.course.cells import name_of
from autograder.lessons import build
from autograder.submissions import notebook as reading
from autograder.submissions import rebuild as rebuilding
from autograder.submissions.notebook import clean_outputs, parse, read
from autograder.submissions.rebuild import rebuild

FORWARD = "batchnorm_forward-solution"


def rebuilt(notebook):
    return rebuild(template(), parse(content(notebook)))


def sources(result):
    return {step.grade_id or step.cell_id: step.source for step in result.steps}


# ---------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"{", "not JSON (line 1, column 2)"),
        (b"\x00\xff\x80binary", "not JSON"),
        (b"[1, 2]", "not an object"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"a": ' * 100_000, "too deep"),
        (b'{"cells": [' + b"9" * 5000 + b"]}", "too deep or too long"),
        (b"PK\x03\x04 a zip", "not JSON"),
    ],
)
def test_a_file_that_is_no_notebook_gives_no_cells_and_one_sentence(data, said):
    result = parse(data)
    assert result.cells == ()
    assert len(result.problems) == 1 and said in result.problems[0]


def test_files_that_are_not_ordinary_are_not_opened(tmp_path):
    real = tmp_path / "real.ipynb"
    real.write_bytes(content(solution()))
    (tmp_path / "link.ipynb").symlink_to(real)
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.ipynb"))
    for name, said in (
        ("link", "symbolic link"),
        ("folder", "not an ordinary file"),
        ("pipe", "not an ordinary file"),
        ("loop", "symbolic link"),
        ("socket", "cannot be opened"),
    ):
        result = read(tmp_path / f"{name}.ipynb")
        assert result.cells == () and said in result.problems[0], name
    assert read(real).cells


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_FILE", 100)
    path = tmp_path / "big.ipynb"
    path.write_bytes(content(solution()))
    assert "at most 100 are read" in read(path).problems[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_read(encoding):
    notebook = solution()
    cell(notebook, FORWARD).source += "\n# größer"
    text = json.dumps(notebook, ensure_ascii=False).encode(encoding, "replace")
    result = parse(text)
    assert any("größer" in c.source for c in result.cells)
    assert bool(result.problems) == (encoding != "utf-8-sig")


def test_zeros_that_a_crash_left_at_the_end_are_left_out():
    submission = parse(content(solution()) + bytes(4_096))
    assert submission.cells == parse(content(solution())).cells
    assert "ends with zeros" in submission.problems[0]


def test_one_damaged_byte_damages_one_letter():
    notebook = solution()
    cell(notebook, FORWARD).source += "\n# größer: σ X"
    damaged = json.dumps(notebook, ensure_ascii=False).encode().replace(b"X", b"\xe9")
    result = parse(damaged)
    assert any("größer: σ \ufffd" in c.source for c in result.cells)
    assert "no text" in result.problems[0]


def test_both_sides_of_a_merge_are_told_by_name():
    lines = json.dumps({"cells": []}, indent=1).replace("[]", "\n<<<<<<< HEAD\n[]\n>>>>>>> mine\n")
    (said,) = parse(lines.encode()).problems
    assert "a merge left both sides in it, between <<<<<<< and >>>>>>>" in said


def test_a_picture_in_the_text_becomes_an_attachment_and_no_word_is_cut():
    pasted = f"![a](data:image/png;base64,{'QUFB' * 40_000}) and ![b](data:image/svg+xml;base64,AA)"
    raw = {"cell_type": "markdown", "metadata": {}, "source": f"{pasted} The words."}
    large = {**raw, "source": pasted.replace("QUFB" * 40_000, "A" * 4_000_000)}
    many = {**raw, "source": "![c](data:image/png;base64,QUFB)" * 42}
    submission = parse(json.dumps({"cells": [raw, large, many]}).encode())
    one, other, most = submission.cells
    assert one.source.startswith("![a](attachment:pasted-0) and ") and one.source.endswith("words.")
    assert one.attachments == {"pasted-0": {"image/png": "QUFB" * 40_000}}
    assert len(other.attachments["pasted-0"]["image/png"]) == 4_000_000
    assert len(most.attachments) == 40 and most.source.endswith("![c](left-out)" * 2)
    (told,) = submission.problems
    assert "left out (2)" in told


def test_format_3_is_read():
    old = {
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "source": ["Title"], "level": 1},
                    {"cell_type": "code", "input": ["a = 1\r\n", "b"], "outputs": []},
                ]
            }
        ],
    }
    result = parse(json.dumps(old).encode())
    assert [(c.kind, c.source) for c in result.cells] == [
        ("markdown", "# Title"),
        ("code", "a = 1\nb"),
    ]
    assert "old format 3" in result.problems[0]


def test_what_cannot_be_written_again_is_replaced():
    raw = {"cells": [{"cell_type": "code", "source": "a = '\ud800\0'"}]}
    (only,) = parse(json.dumps(raw).encode()).cells
    assert only.source == "a = '?\ufffd'"


def test_too_many_and_too_long_cells_are_cut(monkeypatch):
    monkeypatch.setattr(reading, "MAX_CELLS", 2)
    monkeypatch.setattr(reading, "MAX_SOURCE", 5)
    raw = {"cells": [{"cell_type": "code", "source": "x = 1234"}] * 3 + [7]}
    result = parse(json.dumps(raw).encode())
    assert [c.source for c in result.cells] == ["x = 1"] * 2
    assert "4 cells" in result.problems[0] and "cut after 5" in result.problems[1]


def test_of_more_code_than_a_person_writes_the_beginning_is_read(monkeypatch):
    monkeypatch.setattr(reading, "MAX_CODE", 10)
    sources = [
        ("code", "a = 1"),
        ("markdown", "A long text. " * 9),
        ("code", "b = 2"),
        ("code", "c"),
    ]
    raw = [{"cell_type": kind, "metadata": {}, "source": text} for kind, text in sources]
    submission = parse(json.dumps({"cells": raw}).encode())
    assert [cell.source for cell in submission.cells] == [text for _, text in sources[:3]]
    assert "only its first 3 cells were read" in submission.problems[0]


def test_only_harmless_outputs_are_kept():
    raw = [
        {"output_type": "stream", "name": "stderr", "text": ["a", "b"]},
        {"output_type": "display_data", "data": {"text/html": "<script>", "image/png": "aGk="}},
        {"output_type": "display_data", "data": {"application/javascript": "alert()"}},
        {"output_type": "display_data", "data": {"image/png": '"><script>'}},
        {"output_type": "execute_result", "data": {"text/plain": "x" * 50_000}},
        {"output_type": "error", "ename": "E", "evalue": 3, "traceback": ["t", 4]},
        {"output_type": "nonsense"},
        "nonsense",
    ]
    stream, picture, value, error = clean_outputs(raw)
    assert stream["text"] == "ab"
    assert picture["data"] == {"image/png": "aGk="}
    assert len(value["data"]["text/plain"]) < 21_000
    assert error["traceback"] == ["t", ""] and error["evalue"] == ""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(outputs=[stream, picture, value, error])]
    )
    nbformat.validate(nbformat.from_dict(notebook))


KEYS = (
    *("attachments", "cell_type", "cells", "code", "course", "data", "grade_id", "id", "input"),
    *("metadata", "nbgrader", "output_type", "outputs", "role", "source", "text", "worksheets"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(cells=st.lists(json_values, max_size=4), other=json_values)
def test_any_json_is_rebuilt_into_a_valid_notebook(cells, other):
    for document in (
        {"cells": cells, "nbformat": other},
        {"worksheets": [{"cells": cells}]},
        other,
    ):
        result = rebuild(template(), parse(json.dumps(document).encode()))
        nbformat.validate(result.notebook)
        assert all(isinstance(problem, str) for problem in result.problems)


# ---------------------------------------------------------------------------------- rebuild


def test_an_honest_submission_is_what_it_was():
    result = rebuilt(solution())
    assert result.problems == ()
    assert [c.source for c in result.notebook.cells] == [c.source for c in solution().cells]
    roles = [step.role for step in result.steps]
    assert roles == ["given"] + ["solution", "check"] * 3


def test_experiments_and_answers_are_shown_as_submitted_and_not_executed():
    notebook = solution()
    experiment = next(c for c in notebook.cells if c.source == 'print("an experiment")')
    experiment.source = "print('changed')"
    experiment.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen")]
    cell(notebook, "why-0-question").source = "My answer"
    cell(notebook, "why-0-question").attachments = {"a.png": {"image/png": "aGk="}}
    result = rebuilt(notebook)
    assert not any("changed" in step.source for step in result.steps)
    shown = next(c for c in result.notebook.cells if c.source == "print('changed')")
    assert shown.outputs[0].text == "seen"
    answer = cell(result.notebook, "why-0-question")
    assert answer.source == "My answer" and answer.attachments["a.png"] == {"image/png": "aGk="}


def test_locked_cells_come_from_the_template():
    notebook = solution()
    cell(notebook, "batchnorm_forward-check").source = "100.0"
    cell(notebook, "setup").source = "check = lambda *args: 100.0"
    result = rebuilt(notebook)
    assert sources(result)["setup"] == cell(template(), "setup").source
    assert "100.0" not in "".join(sources(result).values())
    assert sorted(result.problems) == [
        "2 locked cells were changed; the released ones were used: setup, "
        "normalization-batchnorm_forward-check.",
    ]


def formatted(cells):
    """What Black, isort and Quarto do to every cell of code."""
    for one in (c for c in cells if c.cell_type == "code"):
        one.source = f"#| echo: true\n{one.source}"


def relabelled(cells):
    """Every label has other flags."""
    for one in (c for c in cells if "nbgrader" in c.metadata):
        one.metadata.nbgrader.solution = not one.metadata.nbgrader.solution


def kept_from_a_merge(cells):
    """Both sides of a merge, for every answer."""
    for one in [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]:
        if one.cell_type == "code":
            cells.insert(cells.index(one), added(f"{one.source}\n# theirs"))


def pictures_everywhere(cells):
    """A picture of a kind that is not kept, in every text."""
    for one in (c for c in cells if c.cell_type == "markdown"):
        one.attachments = {"a.svg": {"image/svg+xml": "<svg/>"}}


def merged_texts(cells):
    """Each text was merged with the one above it, which keeps its label."""
    for upper, lower in reversed(list(itertools.pairwise(cells))):
        if upper.cell_type == lower.cell_type == "markdown":
            upper.source += f"\n\n{lower.source}"
            cells.remove(lower)


@pytest.mark.parametrize(
    "change", [formatted, relabelled, kept_from_a_merge, pictures_everywhere, merged_texts]
)
def test_what_is_odd_with_many_cells_is_said_in_few_sentences(change):
    notebook = solution()
    change(notebook.cells)
    assert 1 <= len(rebuilt(notebook).problems) <= 2


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_one_cell_may_hold_all_answers_of_a_lesson_to_both_halves(lesson):
    notebook = build.solution_notebook(lesson)
    solutions = [c for c in notebook.cells if name_of(c).endswith("-solution")]
    notebook.cells = [c for c in notebook.cells if c not in solutions]
    notebook.cells.append(added("\n\n\n".join(c.source for c in solutions)))
    assert not misplaced(lesson, solutions, notebook)


def code_of(cell):
    """The code of a cell without its comments and texts."""
    return re.sub(r"(?s)\"\"\".*?\"\"\"|#[^\n]*", "", cell.source)


def function_of(cell):
    """The name of the function that a solution defines."""
    return name_of(cell).removesuffix("-solution").rpartition("-")[2]


def misplaced(lesson, solutions, notebook):
    """The exercises for which something else counts than their own solution."""
    steps = rebuild(build.student_notebook(lesson), parse(content(notebook))).steps
    held = {name: step.source for step in steps for name in step.answers}
    return [name_of(one) for one in solutions if one.source not in held.get(name_of(one), "")]


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_without_labels_answers_are_found_in_any_order(lesson):
    notebook = build.solution_notebook(lesson)
    solutions = [c for c in notebook.cells if name_of(c).endswith("-solution")]
    silent = {function_of(c) for c in solutions if not re.search(r"\b(np|torch)\.", code_of(c))}
    told_apart = [c for c in solutions if function_of(c) not in silent]
    for seed in range(5):
        cells = copy.deepcopy(notebook.cells)
        random.Random(seed).shuffle(cells)
        for one in cells:
            one.metadata, one.id = nbformat.from_dict({}), str(cells.index(one))
        assert not misplaced(lesson, told_apart, changed(notebook, cells=cells))


@pytest.mark.parametrize(
    ("way", "is_named"),
    [
        *(("A{}: it grows", True), ("{}. It grows", True), ("({}) it grows", True)),
        *(
            ("### #{}\n\nIt grows", True),
            ("**Frage {}:** es wächst", True),
            ("问题{}\uff1a大", True),
        ),
        *(("My answer ({}): it grows", True), ("Q. {} it grows", True)),
        *(("I tried {} times", False), ("{}.5 is best", False), ("{}0. It grows", False)),
    ],
)
def test_an_answer_far_from_its_cell_is_named_by_its_number_in_any_way(way, is_named):
    lesson = next(one for one in all_lessons() if one.number == "04")
    notebook = build.student_notebook(lesson)
    notebook.cells[1:1] = [added("An own heading", "markdown"), added(way.format(3), "markdown")]
    problems = rebuild(build.student_notebook(lesson), parse(content(notebook))).problems
    assert ["may hold the answer" in problem for problem in problems] == [True] * is_named


@pytest.mark.parametrize("name", [FORWARD, "batchnorm_forward-check", "setup", "why-1-question"])
def test_a_deleted_cell_is_put_back(name):
    notebook = solution()
    del notebook.cells[index(notebook, name)]
    result = rebuilt(notebook)
    assert cell(result.notebook, name).source == cell(template(), name).source
    assert len(result.problems) == 1 and "is missing" in result.problems[0]


def test_of_a_duplicated_solution_the_last_counts():
    notebook = solution()
    twin = copy.deepcopy(cell(notebook, FORWARD))
    twin.id, twin.source = "twin", twin.source.replace("eps", "epsilon")
    notebook.cells.insert(index(notebook, FORWARD) + 1, twin)
    result = rebuilt(notebook)
    assert sources(result)[f"normalization-{FORWARD}"] == twin.source
    assert "batchnorm_forward is defined in 2 cells; the last" in result.problems[0]
    first = next(step for step in result.steps if step.role == "added")
    assert first.source == cell(solution(), FORWARD).source  # it runs before, as in Jupyter


def test_of_a_split_solution_both_halves_are_executed():
    notebook = solution()
    place = index(notebook, FORWARD)
    helper = copy.deepcopy(notebook.cells[place])
    helper.id, helper.source = "helper", "def my_mean(x):\n    return x.mean(axis=0)"
    notebook.cells.insert(place, helper)
    steps = rebuilt(notebook).steps
    order = [step.source for step in steps if step.role in ("added", "solution")]
    assert order[:2] == [helper.source, cell(solution(), FORWARD).source]


def test_a_duplicated_check_is_dropped():
    notebook = solution()
    twin = copy.deepcopy(cell(notebook, "batchnorm_forward-check"))
    twin.id = "twin"
    notebook.cells.append(twin)
    result = rebuilt(notebook)
    assert len(result.notebook.cells) == len(template().cells)
    assert [s.grade_id for s in result.steps].count("normalization-batchnorm_forward-check") == 1


def test_relabelled_cells_are_found_and_reported():
    notebook = changed(solution())
    found = index(solution(), FORWARD)
    notebook["cells"][found]["metadata"]["nbgrader"] |= {"grade": True, "solution": False}
    notebook["cells"][found]["cell_type"] = "markdown"
    check = index(solution(), "batchnorm_forward-check")
    notebook["cells"][check]["metadata"]["nbgrader"]["points"] = 1000
    result = rebuild(template(), parse(json.dumps(notebook).encode()))
    assert sources(result)[f"normalization-{FORWARD}"] == cell(solution(), FORWARD).source
    assert cell(result.notebook, FORWARD).metadata == cell(template(), FORWARD).metadata
    points = cell(result.notebook, "batchnorm_forward-check").metadata.nbgrader.points
    assert points == cell(template(), "batchnorm_forward-check").metadata.nbgrader.points
    assert "grade, solution, cell type" in result.problems[0]
    assert "points" in result.problems[1]


def test_without_metadata_cells_are_found_by_id():
    notebook = solution()
    for each in notebook.cells:
        each.metadata = {}
    result = rebuilt(notebook)
    assert sources(result) == sources(rebuilt(solution()))


def test_without_metadata_and_ids_cells_are_found_by_what_they_define():
    notebook = changed(solution(), nbformat=4, nbformat_minor=4)
    for each in notebook["cells"]:
        each["metadata"] = {}
        del each["id"]
    result = rebuild(template(), parse(json.dumps(notebook).encode()))
    assert sources(result) == sources(rebuilt(solution()))
    assert result.problems[-1].count("-solution") == 3 and "label was lost" in result.problems[-1]


def test_a_stub_that_is_put_back_does_not_undo_an_answer_elsewhere():
    notebook = solution()
    forward, backward = cell(notebook, FORWARD), cell(notebook, "batchnorm_backward-solution")
    forward.source += "\n\n\n" + backward.source
    notebook.cells.remove(backward)
    executed = "\n".join(step.source for step in rebuilt(notebook).steps)
    assert executed.count("def batchnorm_backward(") == 1
    assert "NotImplementedError" not in executed


def test_added_code_stays_where_it_was():
    notebook = solution()
    notebook.cells.insert(0, added("first = 1"))
    notebook.cells.insert(index(notebook, FORWARD), added("before = 1"))
    notebook.cells.insert(index(notebook, FORWARD) + 1, added("after = 1"))
    notebook.cells.append(added("last = 1"))
    notebook.cells.append(added("**text**", "markdown"))
    result = rebuilt(notebook)
    executed = [step.source.split("(")[0] for step in result.steps]
    assert executed[:6] == [
        "first = 1",
        cell(template(), "setup").source.split("(")[0],
        "before = 1",
        "def batchnorm_forward",
        "after = 1",
        "check",
    ]
    assert result.steps[-1].source == "last = 1"
    assert result.notebook.cells[-1].source == "**text**"
    assert len({c.id for c in result.notebook.cells}) == len(result.notebook.cells)


def test_added_code_is_bounded(monkeypatch):
    monkeypatch.setattr(rebuilding, "MAX_ADDED", 2)
    notebook = solution()
    place = index(notebook, FORWARD)
    notebook.cells[place:place] = [added(f"x{i} = {i}") for i in range(5)]
    cell(notebook, FORWARD).source += "\n\nx1"
    result = rebuilt(notebook)
    executed = [step.source for step in result.steps if step.role == "added"]
    assert executed == ["x1 = 1", "x4 = 4"]  # what the answer needs, then the last
    assert "5 code cells were added; 2 of them were executed" in result.problems[0]
    assert sum(c.source.startswith("x") for c in result.notebook.cells) == 5


def test_cells_in_another_order_are_executed_in_the_template_order():
    notebook = solution()
    notebook.cells.reverse()
    assert sources(rebuilt(notebook)) == sources(rebuilt(solution()))


def test_an_unreadable_file_becomes_the_template():
    result = rebuild(template(), parse(b"{"))
    assert [c.source for c in result.notebook.cells] == [c.source for c in template().cells]
    assert "not JSON" in result.problems[0] and len(result.problems) == 1
