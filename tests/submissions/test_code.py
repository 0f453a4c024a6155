"""What submitted code says: names, however they are imported, and code made to be hard to read."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autograder import exercises
from autograder.answers import ROOT
from autograder.quality import accusations
from autograder.quality.styles import styled
from autograder.submissions import code as looking
from autograder.submissions.code import (
    Code,
    TooDeep,
    bindings,
    definitions_below,
    names_of,
    only_definitions,
    parsed,
)
from autograder.submissions.notebook import Step, read
from autograder.submissions.rebuild import read_template, rebuild

FOLD = exercises.find("normalization.fold_batchnorm")
OWN = f"{FOLD.grade_id}-solution"
NORM = "torch.nn.functional.batch_norm"
STUDENTS, SOLUTIONS = ROOT / "notebooks" / "student", ROOT / "notebooks" / "solution"


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
    steps[1] = Step("b", "solution", "own = F.batch_norm", OWN)
    assert Code(steps).shortcuts(FOLD) == [NORM]
    steps[1] = Step("b", "solution", "F = mine\nown = F.batch_norm", OWN)
    assert Code(steps).shortcuts(FOLD) == []


IMPORTED = "from torch.nn.functional import batch_norm"
STAR = "from torch.nn.functional import *"
HELPER = "def batch_norm(x):\n    return x"


@pytest.mark.parametrize(
    ("before", "answer", "costs"),
    [
        ([IMPORTED], "return batch_norm(W)", True),
        ([STAR], "return batch_norm(W)", True),
        ([IMPORTED, HELPER], "return batch_norm(W)", False),
        ([STAR, HELPER], "return batch_norm(W)", False),
        ([f"{STAR}\n{HELPER}"], "return batch_norm(W)", False),
        ([HELPER, IMPORTED], "return batch_norm(W)", True),
        ([HELPER, STAR], "return batch_norm(W)", True),
        ([STAR], "batch_norm = 2 * W\n    return batch_norm", False),
        ([STAR], "inner = lambda batch_norm: batch_norm\n    return inner(W)", False),
        ([STAR], "inner = lambda: batch_norm\n    return inner()(W)", True),
        ([], f"{IMPORTED}\n    return batch_norm(W)", True),
    ],
)
def test_a_function_of_ones_own_may_have_the_name_of_a_library_s(before, answer, costs):
    own = f"def fold_batchnorm(W):\n    {answer}"
    steps = [Step(f"a{number}", "added", text) for number, text in enumerate(before)]
    assert bool(Code([*steps, Step("b", "solution", own, OWN)]).shortcuts(FOLD)) == costs


@pytest.mark.parametrize(
    ("source", "costs"),
    [
        ("{own}\nprint({built_in}(x))", False),  # to compare right below is good practice
        ("helper = {built_in}\n{own}", False),
        ("helper = {built_in}\n{own}\n    return helper(W)", True),
        ("{own}\n    return {built_in}(W)", True),
        ("def fold_batchnorm(W, f={built_in}):\n    return f(W)", True),
        ("import torch\ntimed = torch.no_grad()\nfold_batchnorm = timed(other)", False),
        ("globals()['fold_' + 'batchnorm'] = {built_in}", True),
        ("{own}\n    return torch._refs.native_layer_norm(W)", True),
    ],
)
def test_what_the_function_needs_counts_and_what_stands_beside_it_does_not(source, costs):
    own = "def fold_batchnorm(W):\n    W = 2 * W"
    source = "import torch\n" + source.format(own=own, built_in=NORM)
    beside = f"import torch\ndef other(W):\n    return W\ntorch.allclose({NORM}(x), other(x))"
    steps = [Step("a", "added", beside, "", (OWN,)), Step("b", "solution", source, OWN)]
    assert bool(Code(steps).shortcuts(FOLD)) == costs


BACKWARD = exercises.find("normalization.batchnorm_backward")


@pytest.mark.parametrize(
    ("source", "noted"),
    [
        ("def batchnorm_backward(dout, cache):\n    return batchnorm_forward(dout + 1e-6)", True),
        ("def batchnorm_backward(dout, cache):\n    return (dout + 1e-20j).imag", True),
        ("def slope(f): pass\ndef batchnorm_backward(d, c): slope(batchnorm_forward)", True),
        ("def batchnorm_backward(d, c): return d\nbatchnorm_forward(x + h)", False),
        (
            "def make():\n    def batchnorm_forward(x): pass\n    def batchnorm_backward(d): pass\n"
            "    return batchnorm_forward, batchnorm_backward\n"
            "batchnorm_forward, batchnorm_backward = make()",
            False,
        ),
    ],
)
def test_a_gradient_by_small_steps_is_told_to_the_instructor(source, noted):
    code = Code([Step("a", "solution", source, f"{BACKWARD.grade_id}-solution")])
    assert bool(list(code.by_steps(BACKWARD))) == noted
    assert code.shortcuts(BACKWARD) == []


def test_a_complex_step_of_the_forward_pass_costs_the_exercise():
    source = "def batchnorm_backward(d, c):\n    return batchnorm_forward(c + 1e-20j).imag"
    code = Code([Step("a", "solution", source, f"{BACKWARD.grade_id}-solution")])
    assert code.shortcuts(BACKWARD) == ["complex steps of batchnorm_forward"]


@pytest.mark.slow
def test_honest_answers_are_not_noted_and_cost_nothing():
    """References, other right answers and known mistakes, as they stand and in another style."""
    measured = list(accusations.measure(exercises.all_exercises(), styles=1))
    assert [(source, said) for _, source, said in measured if said] == []
    assert {exercise.id for exercise, _, _ in measured} == {e.id for e in exercises.all_exercises()}


def test_who_is_not_honest_is_accused_in_every_style():
    exercise = exercises.find("normalization.fold_batchnorm")
    source = f"def fold_batchnorm(W, b):\n    first = b * b\n    return {NORM}(W, first)"
    rng = np.random.default_rng(0)
    for text in (source, *(styled(source, rng) for _ in range(5))):
        assert list(accusations.accused(exercise, text)) == [accusations.COSTS]


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


NORMS = "import torch.nn.functional as F\ndef norm(x):\n    return helper(x)\n"
NORMS += "def helper(x):\n    return F.batch_norm(x)\ndef other(x):\n    return x\n"


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("from norms import norm", True),
        ("from norms import norm as n, other", True),
        ("import norms\nf = lambda x: norms.norm(x)", True),
        ("from norms import *\nf = norm", True),
        ("from norms import other", False),
        ("import numpy", False),
    ],
)
def test_what_an_answer_uses_of_files_beside_it_is_looked_at(cell, found):
    steps = [Step("norms.py", "module", NORMS), Step("b", "solution", cell, OWN)]
    assert Code(steps).shortcuts(FOLD) == ([NORM] if found else [])
    deeper = [Step("more.py", "module", cell), *steps[:1], Step("b", "solution", "", OWN)]
    assert Code(deeper).shortcuts(FOLD) == []
    deeper[2] = Step("b", "solution", "from more import *\ng = norm, norms, n, f", OWN)
    assert Code(deeper).shortcuts(FOLD) == ([NORM] if found else [])


LIBRARY = "cs231n_lib.normalization"
THEIRS = f"from {LIBRARY}.in_numpy import fold_batchnorm as theirs"
USES_HELPER = "def fold_batchnorm(W):\n    return helper(W)"
HELPS = "def helper(W):\n    return 2 * W"


@pytest.mark.parametrize(
    ("before", "answer", "noted"),
    [
        # a module beside the notebook
        ({"compare.py": f"{THEIRS}\ndef differs(W):\n    return theirs(W) - W"}, HELPS, True),
        ({"helps.py": f"{THEIRS}\n{HELPS}\nprint(theirs(1))"}, "from helps import helper", True),
        ({"helps.py": f"from {LIBRARY}.in_numpy import *\n{HELPS}"}, "from helps import *", True),
        ({"copy.py": f"import {LIBRARY} as n\ntable = [n.in_numpy]"}, HELPS, True),
        # a cell
        ({"": f"{THEIRS}\nprint(theirs(1) - 1)"}, HELPS, True),
        ({"": f"from {LIBRARY}.in_numpy import *"}, HELPS, True),
        ({"": f"from cs231n_lib import *\nprint(normalization.in_numpy)\n{HELPS}"}, "", True),
        ({"": f"helper = print\nimport {LIBRARY}.in_numpy as lib\nlib.f(1)"}, HELPS, True),
        ({"": f"import torch\nhelper = {NORM}"}, HELPS, False),  # an attempt that was given up
        ({"": f"from {NORM.rpartition('.')[0]} import batch_norm as helper"}, HELPS, False),
        ({"": f"with a:\n    out = {NORM}(1)\n    EPS = 1"}, f"{HELPS} + EPS", False),
        ({"": f"import torch\n{HELPS}\nif a:\n    {NORM}(1)"}, "", False),
        # only a word, or what the kit has as well
        ({"": f"# {LIBRARY}\nprint('{LIBRARY}.in_numpy')"}, HELPS, False),
        ({"": f"from {LIBRARY} import options as helper"}, "", False),
        ({"": f"import {LIBRARY} as lib"}, f"{HELPS} + lib.options(W)", False),
        ({}, f"from torch.nn.functional import batch_norm, relu\n{HELPS} + relu(W)", False),
    ],
)
def test_what_no_answer_needs_costs_nothing(before, answer, noted):
    code = Code(handed_in(before, answer))
    assert code.shortcuts(FOLD) == []
    said = [f"The submitted code names {LIBRARY}, which no answer needs."]
    assert list(code.idle_mentions(FOLD.forbidden, ())) == (said if noted else [])


def handed_in(before, answer):
    """Steps of a submission: files and cells, the answer to FOLD with them, its check, a cell."""
    steps = [Step(name or "a", "module" if name else "added", before[name]) for name in before]
    below = f"import torch\nhelper = fold_batchnorm = {NORM}\nfrom torch.nn.functional import *"
    return [
        *steps,
        Step("b", "solution", f"{answer}\n{USES_HELPER}", OWN),
        Step("c", "check", "check(fold_batchnorm)", f"{FOLD.grade_id}-check"),
        Step("d", "added", below),
    ]


@pytest.mark.parametrize("way", [f"{LIBRARY}.in_numpy.fold_batchnorm", NORM])
@pytest.mark.parametrize(
    ("before", "answer"),
    [
        # a module beside the notebook
        ({"helps.py": "import {package} as p\nhelper = p.{name}"}, "from helps import helper"),
        ({"helps.py": "from {package} import {name} as helper"}, "from helps import *"),
        ({"helps.py": "from {package} import *\nf = {name}"}, "import helps as h\nhelper = h.f"),
        (
            {"a.py": "from {package} import {name} as f", "b.py": "from a import *\nhelper = f"},
            "import b\nn = b\ndef helper(W):\n    return n.helper(W)",
        ),
        # a cell
        ({"": "from {package} import {name} as helper"}, ""),
        ({"": "import {package} as p\nf = p.{name}\ndef helper(W):\n    return f(W)"}, ""),
        ({"": "from {package} import *\nhelper = {name}"}, ""),
        ({"": "import {package} as p\nclass Own:\n    f = p.{name}"}, "helper = Own().f"),
        ({"": "if a:\n    import {package} as p\n    f = p.{name}"}, "def helper(W, f=f): f(W)"),
        ({"": "from {package} import {name} as helper", "helps.py": ""}, "helper = helper"),
    ],
)
def test_the_forbidden_function_costs_by_whatever_way_it_comes(way, before, answer):
    package, _, name = way.rpartition(".")
    before = {key: text.format(package=package, name=name) for key, text in before.items()}
    assert Code(handed_in(before, answer)).shortcuts(FOLD) == [LIBRARY if LIBRARY in way else NORM]


def test_a_name_that_is_given_its_own_value_again_is_what_it_was():
    steps = [
        Step("a", "added", IMPORTED),
        Step("b", "added", "batch_norm = batch_norm"),
        Step("c", "solution", "def fold_batchnorm(W):\n    return batch_norm(W)", OWN),
    ]
    assert Code(steps).shortcuts(FOLD) == [NORM]
    steps[1] = Step("b", "added", HELPER)
    assert Code(steps).shortcuts(FOLD) == []


@pytest.mark.parametrize("lesson", sorted(path.name for path in SOLUTIONS.glob("*.ipynb")))
def test_the_solution_of_no_lesson_is_accused(lesson):
    """It may use what the course's own cells import from a package that has answers as well."""
    rebuilt = rebuild(read_template(STUDENTS / lesson), read(SOLUTIONS / lesson))
    checked = {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}
    found = [checked[step.grade_id] for step in rebuilt.steps if step.role == "check"]
    code = Code(rebuilt.steps)
    assert found and [code.shortcuts(exercise) for exercise in found] == [[]] * len(found)
    forbidden = {name for exercise in found for name in exercise.forbidden}
    assert [*code.notes(), *code.idle_mentions(forbidden, ())] == []


def test_many_cells_that_need_each_other_cost_no_more_than_their_length():
    names = [f"f{number}" for number in range(3_000)]
    halves = ["", ""]
    for number, name in enumerate(names[:-1]):
        halves[number % 2] += f"def {name}(x): return {names[number + 1]}(x)\n"
    files = [f"from b import *\n{halves[0]}", f"from a import *\n{halves[1]}"]
    answer = Step("c", "solution", "def fold_batchnorm(W):\n    return f0(W)", OWN)
    for role, paths in (("added", ("a", "b")), ("module", ("a.py", "b.py"))):
        steps = [Step(path, role, text) for path, text in zip(paths, files, strict=True)]
        start = time.process_time()
        brought = [Step("d", "added", "from a import *")] if role == "module" else []
        assert Code([*steps, *brought, answer]).shortcuts(FOLD) == []
        assert time.process_time() - start < 3


def test_a_cell_that_answers_counts_wherever_it_stands():
    used = "import torch\ndef fold_batchnorm(x):\n    return torch.nn.functional.batch_norm(x)"
    assert Code([Step("a", "added", used)]).shortcuts(FOLD) == [NORM]
    assert Code([Step("a", "added", used, "", (OWN,))]).shortcuts(FOLD) == [NORM]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(x):\n    return x", {"f": True}),
        ("class f:\n    def g(self):\n        raise NotImplementedError", {"f": False}),
        ("def f(x):\n    'text'\n    raise NotImplementedError('later')", {"f": False}),
        ("def f(x):\n    ...", {"f": False}),
        ("f = g", {"f": True}),
        ("if 1:\n    f = lambda x: x\nelse:\n    def g(): pass", {"f": True, "g": False}),
        ("try:\n    import f\nexcept ImportError:\n    f = None", {"f": True}),
        ("!pip install x\n%time y = 1\nf = !ls\nnp.x?\ndef g(): return 1", {"f": True, "g": True}),
        ("def f(x:\n    return", {"f": True}),
        ("%%writefile f.py\ndef f(x):\n    return x", {}),
        ("[f for f in range(3)]\nprint(lambda f: f)", {}),
        ("with open('a') as f, open('b') as (g, h):\n    (i := 2)", dict.fromkeys("fghi", True)),
    ],
)
def test_what_a_cell_binds_and_whether_it_is_written(source, found):
    assert bindings(source) == found


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("import a; slow()", "import a"),
        (
            "x = 3\ny = f(3)\nz: int = -1\nw = [1, (2, 'a')]",
            "x = 3\nz: int = -1\nw = [1, (2, 'a')]",
        ),
        ("for i in range(9):\n    def f(): pass", ""),
        ("with needs(g):\n    def f():\n        return 1\n    f()", "def f():\n    return 1"),
        ("if DEBUG:\n    import a\n    a.run()", "if DEBUG:\n    import a"),
        ("if run():\n    import a", ""),
        ("not python (", ""),
        ("%matplotlib inline\nimport a", "import a"),
    ],
)
def test_only_what_a_cell_defines_is_kept(source, kept):
    assert only_definitions(source).strip() == kept


def test_below_a_line_each_definition_is_attempted_by_itself():
    source = "import a\nx = f(\n    3)\nimport absent\n\ndef g():\n    return 3"
    for line in (1, 3):
        namespace = {}
        exec(definitions_below(line, source), namespace)
        assert namespace["g"]() == 3 and "a" not in namespace and "x" not in namespace
    assert definitions_below(9, source) == ""


def test_many_modules_and_many_names_cost_no_more_than_their_length():
    names = "\n".join(f"name_{i}.part" for i in range(6_000))
    for made in ("from m{} import *", "import m{} as name_1", "import m{0} as name_{0}"):
        source = "\n".join(made.format(i) for i in range(4_000)) + f"\n{names}"
        start = time.process_time()
        assert names_of(source).uses([NORM] * 60) == []
        assert time.process_time() - start < 2


def test_lines_of_ipython_cost_no_more_than_their_length():
    for line in (" " * 90_000 + "x y", "a" * 90_000, "a=" * 45_000 + "!", "%a \\\n" * 20_000):
        start = time.process_time()
        bindings(f"({line}")
        assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("below", "needed"),
    [
        ("out = F.batch_norm(x)", False),  # a name that the function has of its own
        ("def own(v):\n    return F.batch_norm(v)", False),
        ("helper = F.batch_norm", True),
        ("def helper(v):\n    return inner(v)\ninner = F.batch_norm", True),
        ("default = F.batch_norm", True),
        ("kept = F.batch_norm", True),  # by a global statement
        ("Base = F.batch_norm", True),
    ],
)
def test_what_a_function_needs_is_found_by_the_rules_of_scope(below, needed):
    source = (
        "def answer(x, way=default):\n    global kept\n    out = own = x\n    class Mine(Base):\n"
        "        pass\n    def nested():\n        return [helper(out) for out in kept(own)]\n"
        "    kept = kept or None\n    return nested()\n"
    )
    parts = looking.parts_of(looking.parsed(source + below).body, ["answer"])
    assert ("F" in {use.partition(".")[0] for use in looking.names_in(parts).used}) == needed


KEEPING = "from scipy import stats\nclass Kept: pass\ntable = {}\ndef helper(x): return x\n"
ZSCORE = exercises.find("preprocessing.normalize")


@pytest.mark.parametrize(
    ("line", "body", "what"),
    [
        ("Kept.f = stats.zscore", "Kept.f(x)", "costs"),
        ("np.f = stats.zscore", "np.f(x)", "costs"),
        ("Kept.f = stats.zscore", "getattr(Kept, name)(x)", "is noted"),
        ("setattr(Kept, 'f', stats.zscore)", "Kept.f(x)", "is noted"),
        ("table['f'] = stats.zscore", "table['f'](x)", "is noted"),
        ("table.update(f=stats.zscore)", "table['f'](x)", "is noted"),
        ("for f in [stats.zscore]: table[0] = f", "table[0](x)", "is noted"),
        ("Kept.f = stats.zscore", "helper(x)", ""),
        ("table['f'] = stats.zscore(1)", "helper(np.mean(x))", ""),
        ("np.testing.assert_allclose(helper(1), stats.zscore(1))", "helper(np.mean(x))", ""),
        ("table['eps'] = 1e-5", "helper(x) / table['eps']", ""),
    ],
)
def test_what_was_put_into_something_that_an_answer_uses_is_told(line, body, what):
    own = f"{ZSCORE.grade_id}-solution"
    source = f"def {ZSCORE.function}(x):\n    return {body}"
    given = Step("a", "given", "import numpy as np")
    beside = [
        Step("b", "added", KEEPING),
        Step("c", "added", line),
        Step("d", "solution", source, own),
    ]
    kept = Step("kept.py", "module", f"{KEEPING}import numpy as np\n{line}\n{source}")
    taken = Step("d", "solution", f"from kept import {ZSCORE.function}", own)
    for steps in ([given, *beside], [given, kept, taken]):
        code = Code(steps)
        told = {"costs": code.shortcuts(ZSCORE), "is noted": [*code.put_in(ZSCORE)]}
        assert [way for way, said in told.items() if said] == ([what] if what else [])


@pytest.mark.parametrize(
    "odd", ["return helper", "nonlocal other\nhelper", "def g(a, a): helper", "x: helper = (yield)"]
)
def test_what_python_cannot_compile_is_read_by_every_name_in_it(odd):
    inside = "\n".join(f"    {line}" for line in odd.splitlines())
    body = looking.parsed(f"class answer:\n{inside}\nhelper = F.batch_norm").body
    assert len(looking.parts_of(body, ["answer"])) == 2


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('mo.md(r"""\n    # Why?\n\n      So.\n    """)', "# Why?\n\n  So."),
        ('display(Markdown("a", metadata={1: 2}), Latex("b"))', "a\n\nb"),
        ("%%markdown\nzero", "zero"),
        ('Markdown("a", 1)', ""),
        ("md()", ""),
        ('print("a")', ""),
        ('md("a")\nx = 1', ""),
        ("md(" + "(" * 5_000, ""),
    ],
)
def test_code_that_shows_only_a_text_is_that_text(source, text):
    assert looking.shown_text(source) == text
