"""What submitted code says: names, however they are imported, and code made to be hard to read."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder import exercises
from autograder.submissions import code as looking
from autograder.submissions.code import Code, TooDeep, names_of, parsed
from autograder.submissions.submission import Step

FOLD = exercises.find("normalization.fold_batchnorm")
OWN = f"{FOLD.grade_id}-solution"
NORM = "torch.nn.functional.batch_norm"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch\ntorch.nn.functional.batch_norm(x)", True),
        ("import torch.nn.functional as F\nF.batch_norm(x)", True),
        ("from torch.nn import functional\nf = functional.batch_norm", True),
        ("from torch.nn.functional import batch_norm as b", True),
        ("from torch.nn.functional import *\nbatch_norm(x)", True),
        ("%matplotlib inline\nimport torch\ntorch.nn.functional.batch_norm(x)", True),
        ("import torch\nf(torch.nn.functional.batch_norm.__call__, x)[0].a", True),
        ("import torch as t\nnn = t.nn\n", False),
        ("import torch\ntorch.nn.functional.relu(x)", False),
        ("# torch.nn.functional.batch_norm", False),
        ("def batch_norm(x):\n    return x\nbatch_norm(1)", False),
        ("not python (", False),
        ("a null \0", False),
    ],
)
def test_names_are_followed_through_imports(source, found):
    assert names_of(source).uses([NORM]) == ([NORM] if found else [])


def test_whole_packages_are_found():
    names = names_of("from cs231n_lib.normalization.in_numpy import batchnorm_forward")
    assert names.uses(["cs231n_lib.normalization"]) == ["cs231n_lib.normalization"]
    assert names.uses(["cs231n_lib.norm"]) == []


def test_imports_of_other_cells_count_where_they_are_used():
    steps = [Step("a", "added", "import torch.nn.functional as F"), Step("b", "solution", "", OWN)]
    assert Code(steps).shortcuts(FOLD) == []
    steps[1] = Step("b", "solution", "F = 3\nF.batch_norm", OWN)
    assert Code(steps).shortcuts(FOLD) == [NORM]


@pytest.mark.parametrize(
    "deep", ["-" * 90_000 + "1", "(" * 150 + "1" + ")" * 150, "1" + "+1" * 30_000]
)
def test_code_too_deep_for_the_parser_is_named_and_left_out(deep):
    code = Code([Step("a", "added", f"x = {deep}"), Step("b", "added", "y = 1")])
    assert {step.cell_id for step in code.readable} >= {"b"}
    for cell_id, why in code.unread.items():
        assert (cell_id, why) == ("a", looking.TOO_DEEP)
        assert "nested too deeply" in next(code.notes())


def test_what_is_read_in_all_is_bounded():
    line = "x = 1\n" * 15_000
    code = Code([Step(str(i), "added", line) for i in range(6)])
    assert [step.cell_id for step in code.readable] == ["0", "1", "2", "3"]
    (note,) = code.notes()
    assert "that the student added was not executed: more than 400000" in note


def test_long_chains_cost_no_more_than_their_length(monkeypatch):
    looked_at = []
    real = looking.ast.iter_child_nodes
    monkeypatch.setattr(
        looking.ast, "iter_child_nodes", lambda node: looked_at.append(node) or real(node)
    )
    names = names_of("np" + ".a" * 2_000 + "\nnp" + "[0].a" * 700)
    assert names.used == ("np" + ".a" * looking.MAX_PARTS, "np")
    assert len(looked_at) < 2_500


def test_a_sentence_names_only_so_many_replacements():
    source = "import numpy as np\n" + "".join(f"np.a{i}{'b' * 300} = 1\n" for i in range(500))
    (note,) = Code([Step("a", "added", source)]).notes()
    assert "np.a0bbb" in note and "490 more" in note and len(note) < 1_200


def test_parsing_in_threads_while_garbage_is_collected():
    """Two threads in CPython's parser at once end in SystemError."""

    def collected(phase, info):
        time.sleep(0)

    source = "\n".join(f"x{i} = [{i}, ({i}, {i})]" for i in range(2_000))
    gc.callbacks.append(collected)
    try:
        with ThreadPoolExecutor(4) as pool:
            trees = list(pool.map(parsed, [source] * 12))
    finally:
        gc.callbacks.remove(collected)
    assert {len(tree.body) for tree in trees} == {2_000}


def test_a_parser_that_fails_otherwise_is_asked_again(monkeypatch):
    real, calls = looking.ast.parse, []

    def parse(source):
        calls.append(source)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch")
        return real(source)

    monkeypatch.setattr(looking.ast, "parse", parse)
    assert len(parsed("x = 1").body) == 1
    monkeypatch.setattr(looking.ast, "parse", _fail)
    with pytest.raises(TooDeep):
        parsed("x = 1")


def _fail(source):
    raise SystemError
