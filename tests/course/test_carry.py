"""Functions of earlier lessons: which are carried, what stands in for others, what is refused."""

import json
import shutil

import nbformat
import numpy as np
import pytest

from autograder import carry as carrying
from autograder.answers import ROOT
from autograder.carry import CarryError, carry, main
from autograder.cli import main as command_line
from autograder.exercises import find
from cs231n_lib import stand_ins
from cs231n_lib.normalization import in_numpy as normalization
from cs231n_lib.optim import in_numpy as optim
from cs231n_lib.schedules.shared import cosine_restarts
from cs231n_lib.stand_ins import STAND_INS, own_or_framework

RESTARTS = """
import math


def cosine_restarts(t, high, low, period, multiple):
    while t >= period:
        t, period = t - period, period * multiple
    return low + half(high - low) * (1 + math.cos(math.pi * t / period))


def half(x):
    return x / 2  # kept with its comment
"""


def cell(source, kind="code", role=""):
    return {
        "cell_type": kind,
        "metadata": {"course": {"role": role}},
        "source": source.splitlines(keepends=True),
        **({"outputs": [], "execution_count": None} if kind == "code" else {}),
    }


def notebook(path, *cells):
    cells = [one | {"id": f"cell-{k}"} for k, one in enumerate(cells)]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def target(tmp_path):
    return notebook(
        tmp_path / "later.ipynb",
        cell("# Later", "markdown"),
        cell("import numpy as np"),
        cell("rates = [cosine_restarts(t, 1.0, 0.1, 5, 2) for t in range(9)]", role="experiment"),
    )


def carried_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    return [c for c in cells if c.cell_type == "code" and c.source.startswith("# Carried from")]


def run(source):
    space = {"__name__": "later"}
    exec(source, space)
    return space


# ------------------------------------------------------------------ what is carried


def test_a_function_comes_with_what_it_needs_in_its_own_words(target, tmp_path):
    (tmp_path / "mine.py").write_text(RESTARTS)
    carried = carry(target, [tmp_path / "mine.py"])
    (written,) = carried_cells(target)
    assert "kept with its comment" in written.source
    assert carried.report() == "cosine_restarts: yours, from mine.py"
    own = run(written.source)["cosine_restarts"]
    expected = [cosine_restarts(t, 0.9, 0.2, 4, 2) for t in range(40)]
    np.testing.assert_allclose([own(t, 0.9, 0.2, 4, 2) for t in range(40)], expected)


def test_the_cell_stands_below_the_setup_and_is_replaced(target, tmp_path):
    (tmp_path / "mine.py").write_text(RESTARTS)
    for _ in range(2):
        carry(target, [tmp_path / "mine.py"])
        assert [c["cell_type"] for c in json.loads(target.read_text())["cells"]] == [
            "markdown", "code", "code", "code",
        ]  # fmt: skip
        (written,) = carried_cells(target)
        assert (
            json.loads(target.read_text())["cells"][2]["source"][0]
            == written.source.split("\n")[0] + "\n"
        )


def test_a_wrong_function_is_named_and_the_framework_stands_in(target, tmp_path):
    (tmp_path / "mine.py").write_text(RESTARTS.replace("math.pi", "3"))
    report = carry(target, [tmp_path / "mine.py"]).report()
    assert "not carried, it earns" in report and "framework's takes its place" in report
    (written,) = carried_cells(target)
    assert "from cs231n_lib.stand_ins import (\n    cosine_restarts,\n)" in written.source
    assert run(written.source)["cosine_restarts"] is STAND_INS["cosine_restarts"]


def test_what_was_never_written_is_said_to_be_missing(target, tmp_path):
    stub = "def cosine_restarts(t, high, low, period, multiple):\n    raise NotImplementedError\n"
    (tmp_path / "mine.py").write_text(stub)
    assert (
        "cosine_restarts: missing in these files" in carry(target, [tmp_path / "mine.py"]).report()
    )


def test_of_a_course_notebook_the_definition_before_the_check_counts(target, tmp_path):
    """In the PyTorch half the name means another function."""
    source = notebook(
        tmp_path / "06.ipynb",
        cell(RESTARTS),
        cell('check("schedules.cosine_restarts", cosine_restarts)'),
        cell("def cosine_restarts(*settings):\n    return None"),
    )
    assert "cosine_restarts: yours, from 06.ipynb" in carry(target, [source]).report()


def test_experiments_and_magics_are_not_run(target, tmp_path):
    source = notebook(
        tmp_path / "06.ipynb",
        cell("%matplotlib inline\n" + RESTARTS),
        cell("raise SystemExit", role="experiment"),
        cell("raise SystemExit"),
        cell('check("schedules.cosine_restarts", cosine_restarts)'),
    )
    assert carry(target, [source]).functions == {"cosine_restarts": "06.ipynb"}


def test_two_meanings_of_one_helper_are_refused(target, tmp_path):
    (tmp_path / "a.py").write_text(RESTARTS)
    decay = "def step_decay(t, rate, factor, every):\n    return rate * factor ** half(t, every)\n"
    (tmp_path / "b.py").write_text(decay + "def half(t, every):\n    return t // every\n")
    carried = carry(target, [tmp_path / "a.py", tmp_path / "b.py"])
    assert "helper half" in carried.failing["step_decay"]
    assert list(carried.functions) == ["cosine_restarts"]


def test_a_whole_solution_is_carried(target, tmp_path):
    source = ROOT / "notebooks" / "solution" / "06_learning_rates.ipynb"
    carried = carry(target, [shutil.copy(source, tmp_path)])
    assert {"step_decay", "cosine_restarts", "exponential_decay"} <= carried.functions.keys()
    assert not carried.failing
    run(carried.cell())


def test_the_exercises_of_the_target_are_left_out(tmp_path):
    lesson = notebook(
        tmp_path / "06.ipynb",
        cell("import math"),
        cell('check("schedules.cosine_restarts", cosine_restarts)'),
    )
    (tmp_path / "mine.py").write_text(RESTARTS)
    with pytest.raises(CarryError, match="passes its checks"):
        carrying.carry(notebook(tmp_path / "empty.ipynb", cell("1")), [lesson])
    assert "cosine_restarts" not in carry(lesson, [tmp_path / "mine.py"]).functions


# ------------------------------------------------------------------ from lesson to lesson

COUNTING_ADAM = """
USED = []


def moment(old, new, beta):
    return beta * old + (1 - beta) * new


def adam(w, dw, config=None):
    config = {} if config is None else config
    USED.append(w.shape)
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    config["t"] = t = config.get("t", 0) + 1
    config["m"] = moment(config.get("m", np.zeros_like(w)), dw, beta1)
    config["v"] = moment(config.get("v", np.zeros_like(w)), dw**2, beta2)
    m_hat, v_hat = config["m"] / (1 - beta1**t), config["v"] / (1 - beta2**t)
    root = np.sqrt(v_hat) + config.get("epsilon", 1e-8)
    return w - config.get("learning_rate", 1e-3) * m_hat / root, config
"""


def student_lesson(folder, name, **own):
    """Return a lesson as a student hands it in: all cells written, some in words of one's own."""
    path = shutil.copy(ROOT / "notebooks" / "student" / f"{name}.ipynb", folder)
    solution = nbformat.read(ROOT / "notebooks" / "solution" / f"{name}.ipynb", as_version=4)
    answers = {c.id: c.source for c in solution.cells if c.cell_type == "code"}
    mine = nbformat.read(path, as_version=4)
    for one in mine.cells:
        if one.id.endswith("-solution"):
            one.source = own.get(one.id, answers[one.id])
    nbformat.write(mine, path)
    return path


def executed(path, last):
    """Run the cells of a notebook up to the one that says `last`; return the names it binds."""
    space = {"__name__": "__main__", "display": lambda *shown: None}
    for one in nbformat.read(path, as_version=4).cells:
        if one.cell_type == "code" and not one.source.startswith("check("):
            exec(compile(one.source, one.id, "exec"), space)
            if last in one.source:
                return space
    raise AssertionError(f"no cell says {last}")


def test_the_capstone_trains_with_the_adam_of_a_whole_lesson(tmp_path, capsys):
    """Written in lesson 05, checked, carried and used; what lesson 05 does not have is named."""
    lesson = student_lesson(
        tmp_path, "05_adaptive_methods", **{"optim-adam-solution": COUNTING_ADAM}
    )
    capstone = shutil.copy(ROOT / "notebooks/student/13_capstone.ipynb", tmp_path)
    assert main([str(capstone), str(lesson)]) == 0
    said = capsys.readouterr().out
    assert "adam: yours, from 05_adaptive_methods.ipynb" in said
    for name in STAND_INS.keys() - {"adam"}:
        assert f"{name}: missing in these files; the framework's takes its place" in said
    lesson_13 = executed(capstone, "RECIPE = ")
    own, used = lesson_13["own"], lesson_13["USED"]
    assert own.adam is lesson_13["adam"] and own.log_uniform is STAND_INS["log_uniform"]
    lesson_13["trained"](lesson_13["RECIPE"], 0, own, steps=3)
    assert len(used) == 3 * 6 and (64, 48) in used  # two layers and a batch norm, two arrays each


LOG_UNIFORM = """
import numpy as np


def log_uniform(low, high, size, rng):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))
"""
LATER = [
    path for path in sorted((ROOT / "notebooks" / "student").glob("*.ipynb")) if path.name > "03"
]


@pytest.mark.parametrize("lesson", LATER, ids=lambda path: path.stem)
def test_every_lesson_from_03_on_takes_carried_functions(lesson, tmp_path):
    target, mine = shutil.copy(lesson, tmp_path), tmp_path / "mine.py"
    mine.write_text(LOG_UNIFORM)
    assert carry(target, [mine]).functions == {"log_uniform": "mine.py"}
    nbformat.validate(nbformat.read(target, as_version=4))
    space = executed(target, "Carried from earlier lessons")
    assert 1 <= space["log_uniform"](1, 10, 3, np.random.default_rng(0)).min() <= 10
    before = {c.id: c.source for c in nbformat.read(lesson, as_version=4).cells}
    after = {c.id: c.source for c in nbformat.read(target, as_version=4).cells}
    assert before.items() <= after.items() and len(after) == len(before) + 1


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (None, "none.py", "There is no file"),
        (None, "none.ipynb", "There is no file"),
        (b"def f(:", "bad.py", "a syntax error in line 1"),
        (b"{}", "bad.ipynb", "is not a notebook"),
        (b"[]", "list.ipynb", "is not a notebook"),
        (b'{"cells": [{"cell_type": 1, "source": ""}]}', "odd.ipynb", "is not a notebook"),
        (b'{"cells": [{"cell_type": "code", "source": [7]}]}', "odd.ipynb", "is not a notebook"),
        (b'{"cells": [{"cell_type": "code", "source": "", "metadata": 3}]}', "odd.ipynb",
         "is not a notebook"),
        (b"\xff\xfe", "bytes.py", "UTF-8"),
        (b"text", "notes.txt", "neither a notebook"),
    ],
)  # fmt: skip
def test_bad_files_are_one_clear_line_and_the_target_stays(
    target, tmp_path, capsys, content, name, why
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = target.read_bytes()
    assert main([str(target), str(tmp_path / name)]) == 2
    assert why in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        command_line(["carry", str(target), str(tmp_path / name)])
    assert left.value.code == 2 and why in " ".join(capsys.readouterr().err.split())
    assert target.read_bytes() == before


def test_the_target_must_be_another_notebook(target, tmp_path):
    with pytest.raises(CarryError, match="is the target"):
        carry(target, [target])
    with pytest.raises(CarryError, match="must be a notebook"):
        carry(tmp_path / "mine.py", [target])
    with pytest.raises(CarryError, match="to carry from"):
        carry(target, [])


# ------------------------------------------------------------------ the stand-ins


def test_stand_ins_are_the_functions_of_the_course():
    x, dout = np.random.default_rng(0).normal(size=(2, 6, 3))
    gamma, beta = np.array([1.0, 2.0, 0.5]), np.array([0.1, 0.0, -1.0])
    ours, theirs = {"mode": "train", "eps": 0.1}, {"mode": "train", "eps": 0.1}
    expected, cache = normalization.batchnorm_forward(x, gamma, beta, ours)
    out, own_cache = stand_ins.batchnorm_forward(x, gamma, beta, theirs)
    np.testing.assert_allclose(out, expected, rtol=1e-10)
    np.testing.assert_allclose(theirs["running_mean"], ours["running_mean"])
    np.testing.assert_allclose(theirs["running_var"], ours["running_var"] * 6 / 5)
    for a, b in zip(
        stand_ins.batchnorm_backward(dout, own_cache),
        normalization.batchnorm_backward(dout, cache),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)

    w, v = np.ones(3), np.ones(3)
    first, second = {"learning_rate": 0.1}, {"learning_rate": 0.1}
    for t in range(5):
        w, first = stand_ins.adam(w, gamma * w + t, first)
        v, second = optim.adam(v, gamma * v + t, second)
    np.testing.assert_allclose(w, v, rtol=1e-7)
    for t in (0, 3, 4, 11, 12.5):
        assert stand_ins.cosine_restarts(t, 0.9, 0.2, 4, 2) == pytest.approx(
            cosine_restarts(t, 0.9, 0.2, 4, 2)
        )
    values = stand_ins.log_uniform(1e-3, 10, 4000, np.random.default_rng(1))
    assert np.log10(values).mean() == pytest.approx(-1, abs=0.1)  # 5 standard errors


def test_own_functions_are_taken_and_halves_stay_together(capsys):
    def own(*settings):
        return 1

    chosen = own_or_framework("adam batchnorm_forward batchnorm_backward",
                              {"adam": own, "batchnorm_forward": own})  # fmt: skip
    assert chosen.adam is own and chosen.batchnorm_forward is STAND_INS["batchnorm_forward"]
    assert "adam: yours" in capsys.readouterr().out
    with pytest.raises(ValueError, match="names must be among"):
        own_or_framework("sgd", {})


@pytest.mark.parametrize("name", ["normalization.batchnorm_forward", "optim.adam"])
def test_no_exercise_accepts_a_stand_in(name):
    assert "cs231n_lib.stand_ins" in find(name).forbidden
