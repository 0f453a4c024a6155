"""The benchmarks compare like with like: every contestant gives the same answer."""

import ast
import importlib.util
import json
import random

import numpy as np
import pytest
import torch

from autograder import exercises


@pytest.fixture
def benchmark_module(monkeypatch, request):
    """Import a benchmark by its name; tests have a module `grading` too."""
    folder = request.config.rootpath / "benchmarks"
    monkeypatch.syspath_prepend(folder)

    def load(name):
        path = folder / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


PROBLEMS = {  # small enough to be quick
    "batchnorm": ((6, 4), ()),
    "layernorm": ((6, 4), ()),
    "spatial_batchnorm": ((3, 4, 2, 5), ()),
    "instancenorm": ((3, 4, 2, 5), ()),
    "spatial_groupnorm": ((3, 6, 2, 5), (2,)),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_all_normalizations_that_are_timed_compute_the_same(benchmark_module, kind):
    module = benchmark_module("normalization")
    assert {problem.kind for problem in module.PROBLEMS.values()} == set(PROBLEMS)
    shape, extra = PROBLEMS[kind]
    contestants = module.contestants(module.Problem(kind, shape, {}, extra=extra), compiled=False)
    answers = {name: function() for name, function in contestants.items()}
    assert len(answers) >= 6
    for answer in answers.values():
        for a, b in zip(answer, answers["PyTorch, built in"], strict=True):
            a, b = (torch.as_tensor(t).reshape(-1) for t in (a, b))
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            assert np.ptp(b.numpy()) > 0


def test_all_whitenings_that_are_timed_compute_the_same(benchmark_module):
    answers = [function() for function in benchmark_module("normalization").whiteners(5).values()]
    outs = [np.asarray(answer[0] if isinstance(answer, tuple) else answer) for answer in answers]
    assert len(outs) == 3 and np.ptp(outs[0]) > 1
    for out in outs[1:]:
        np.testing.assert_allclose(out, outs[0], rtol=0, atol=1e-4)  # float32, condition near 100


@pytest.mark.parametrize("sizes", [[7], [3, 1, 4]])
def test_all_optimizers_that_are_timed_take_the_same_steps(benchmark_module, sizes):
    benchmark = benchmark_module("optim")
    assert set(benchmark.GOALS) == set(benchmark.PROBLEMS)
    for name in benchmark.RULES:
        contestants = benchmark.contestants(name, sizes)
        assert len(contestants) >= 6
        for _ in range(3):
            answers = {who: step() for who, step in contestants.items()}
        start, _ = benchmark.problem(sizes)
        for answer in answers.values():
            for w, before, expected in zip(answer, start, answers[benchmark.BASE], strict=True):
                expected = expected.detach().numpy()
                np.testing.assert_allclose(torch.as_tensor(w).detach(), expected, atol=3e-6)
                assert np.abs(expected - before.numpy()).max() > 1e-4


SMALL = {
    "affine": ([(5, 3), (3, 4), (4,)], ()),
    "conv": ([(2, 3, 5, 6), (4, 3, 3, 3), (4,)], ({"stride": 1, "pad": 1},)),
    "max_pool": ([(2, 3, 6, 4)], ({},)),
    "softmax": ([(6, 4)], ()),
}


@pytest.mark.parametrize("kind", SMALL)
def test_all_layers_that_are_timed_compute_the_same(benchmark_module, kind):
    layers = benchmark_module("layers")
    assert {problem[0] for problem in layers.PROBLEMS.values()} == set(SMALL)
    assert layers.GOALS.keys() == layers.PROBLEMS.keys()
    answers = {
        name: [answer] if hasattr(answer := function(), "shape") else list(answer)
        for name, function in layers.contestants(kind, *SMALL[kind]).items()
    }
    expected = answers["PyTorch, built in"]
    assert len(answers) == 3
    for answer in answers.values():
        for a, b in zip(answer, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            assert np.ptp(b.numpy()) > 0


def test_the_table_shows_the_fastest_of_our_forms(benchmark_module):
    table = benchmark_module("table")
    times = {
        "PyTorch, built in": [2.0, 2.0, 2.0],
        "torch.optim, fused": [1.0, 1.0, 1.0],
        "NumPy, readable": [4.0, 4.0, 4.0],
        "NumPy, tuned": [3.0, 3.0, 3.0],
        "NumPy, drawing alone": [0.1, 0.1, 0.1],
        "PyTorch": [2.0, 2.0, 2.0],
    }
    cells, ratios = table.row("a row", times, {"NumPy, tuned": 1.7})
    assert ratios == {"best": 0.5, "NumPy": 1.5, "PyTorch": 1.0}
    assert cells[:5] == ["a row", "2000.00", "0.50 (0.50–0.50)", "1.50 (1.50–1.50)", "1.7"]
    assert len(cells) == len(table.HEAD)
    assert table.summary({"a": {"NumPy": 0.5}, "b": {"NumPy": 2.0}}).startswith("NumPy: 1 of 2 ")
    titles = [title for title, *_ in table.rows(compiled=False)]
    assert len(titles) == len(set(titles)) >= 23


def test_all_lbfgs_directions_that_are_timed_are_the_same(benchmark_module):
    contestants = benchmark_module("second_order").contestants(size=50)
    answers = {name: np.asarray(function()) for name, function in contestants.items()}
    assert len(answers) == 5 and np.ptp(answers["PyTorch, built in"]) > 0
    for answer in answers.values():  # float32, ten pairs one after another
        np.testing.assert_allclose(answer, answers["PyTorch, built in"], rtol=1e-3, atol=1e-3)


def test_minimizers_are_counted_on_the_same_problem(benchmark_module):
    second_order = benchmark_module("second_order")
    ours, theirs = second_order.compared(*second_order.PROBLEMS["Rosenbrock, D = 2"])
    assert ours.reason == "flat" and theirs.success
    assert ours.evaluations <= second_order.MOST * theirs.nfev


def test_all_augmentations_that_are_timed_do_the_same(benchmark_module):
    """What is drawn differs, so crops are looked for among all windows, and jitter is undone."""
    benchmark = benchmark_module("augmentation")
    x, _ = benchmark.images(5, 8)
    tasks = benchmark.contestants(5, 8)
    assert {task for task, _ in benchmark.GOALS} == set(tasks)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0))), (8, 8), axis=(1, 2)
    )
    for name, function in tasks["pad-crop"].items():
        windows_of = np.moveaxis(windows, 3, -1)  # (5, 9, 9, 8, 8, 3)
        difference = np.abs(windows_of - last(function())[:, None, None]).max(axis=(3, 4, 5))
        assert (difference.min(axis=(1, 2)) == 0).all(), name
    for name, function in tasks["colour jitter"].items():
        for image, out in zip(x, last(function()), strict=True):
            inside = (out > 0) & (out < 1)
            slope, shift = np.polyfit(image[inside], out[inside], 1)
            np.testing.assert_allclose(out, (slope * image + shift).clip(0, 1), atol=1e-5)
            assert 0.7 <= slope <= 1.3, name
    rotated = [last(function()) for function in tasks["rotation"].values()]
    assert len(rotated) == 3 and np.abs(rotated[0] - x).max() > 0.1
    for out in rotated[1:]:
        np.testing.assert_allclose(out, rotated[0], atol=1e-5)


def last(images):
    """Return images as an array with the channels last."""
    return np.moveaxis(images.numpy(), 1, 3) if isinstance(images, torch.Tensor) else images


def test_ratios_are_taken_round_by_round(benchmark_module):
    machine = benchmark_module("machine")
    assert machine.ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == (2.0, 2.0, 2.5)
    calls = []
    functions = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = machine.interleaved(functions, rounds=20)
    assert [len(times) for times in seconds.values()] == [20, 20]
    rounds = ["".join(calls[first : first + 2]) for first in range(2, len(calls), 2)]
    assert len(rounds) == 20 and set(rounds) == {"ab", "ba"}  # nobody is always the first


def test_every_answer_whose_latency_is_measured_is_runnable(benchmark_module):
    answers = benchmark_module("check_latency").answers
    exercise = exercises.find("normalization.debias_running")
    named = answers(exercise)
    assert len(named) > 3
    assert all(set(functions) == set(exercise.functions) for functions in named.values())


def test_the_first_check_is_timed_for_wrong_numbers_and_inputs_as_they_were(benchmark_module):
    latency = benchmark_module("check_latency")
    arrays = {name: np.ones(3) for name in ("out", "x after the call", "_x")}
    moved = latency.off(arrays | {"count": np.arange(3)})
    assert [name for name in arrays if (moved[name] != 1).any()] == ["out"]
    assert (moved["count"] == np.arange(3)).all() and latency.off(None) == {}
    assert latency.first(exercises.find("normalization.debias_running")) > 0


@pytest.mark.slow
def test_graders_that_are_compared_get_the_same_submissions(benchmark_module, tmp_path):
    grading = benchmark_module("grading")
    course, _ = grading.make_course(tmp_path / "a", 3, experiments=False)
    paths = sorted((course.root / "submitted").rglob("*.ipynb"))
    contents = [json.loads(path.read_text()) for path in paths]
    assert len({json.dumps(content) for content in contents}) == len(paths) == 3
    cells = [cell for content in contents for cell in content["cells"]]
    assert not [c for c in cells if c["metadata"].get("course", {}).get("role") == "experiment"]
    assert [path.parts[-3][0] for path in paths] == ["a", "a", "b"]
    grading.without_our_parts(course)
    assert "configure(c)" not in course.config.read_text()
    compile(course.config.read_text(), "nbgrader_config.py", "exec")


def test_rates_are_compared_with_plain_nbgrader(benchmark_module, capsys):
    benchmark_module("grading").print_rates({"one": [2.0, 4.0], "two": [6.0], "ours": [60.0]})
    assert capsys.readouterr().out.splitlines()[-1].split()[-2:] == ["20.0x", "10.0x"]


def test_what_every_benchmark_imports_of_the_course_exists(request):
    imports = {
        ast.unparse(node)
        for path in (request.config.rootpath / "benchmarks").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("autograder.")
    }
    assert imports
    for line in imports:
        exec(line, {})


# ------------------------------------------------------------------------------------- deadlines


def test_the_page_has_the_table_of_cores_that_is_printed(benchmark_module, request, capsys):
    benchmark_module("deadline").main([])
    page = (request.config.rootpath / "docs" / "scale.md").read_text("utf-8")
    assert capsys.readouterr().out in page


@pytest.mark.parametrize("seed", range(20))
def test_the_cores_of_a_deadline_meet_it_and_one_less_does_not(benchmark_module, seed):
    deadline = benchmark_module("deadline")
    rng = random.Random(seed)
    times = rng.choices(deadline.TIMES, k=300)
    alone = deadline.minutes(times, 1, 0.0, 0.0)
    assert alone == pytest.approx(sum(times) / 60)
    assert deadline.minutes(times, 1, 30.0, 0.0) == pytest.approx(alone + 0.5)
    asked = alone / rng.uniform(1.0, 6.0)
    cores = deadline.cores_for(times, asked, 0.0, 0.0)
    assert deadline.minutes(times, cores, 0.0, 0.0) <= asked
    assert cores == 1 or deadline.minutes(times, cores - 1, 0.0, 0.0) > asked
    assert deadline.cores_for(times, asked, 0.0, write=61 * asked / 300) is None
