"""The measurement of the checks: its mutants, its counts, its targets, its command."""

import ast
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from autograder import exercises, expectations, misconceptions
from autograder.checking.judge import matches
from autograder.checking.spec import Check, Exercise
from autograder.quality import measure
from autograder.quality.measure import (
    Quality,
    kinds_of_variables,
    of_misconceptions,
    of_mutants,
    of_variants,
)
from autograder.quality.mutation import mutants

SMALL = "normalization.debias_running"


def lines(body, **kinds):
    text = f'@decorated(1)\ndef f(x, y):\n    """Docstring, 1 + 1."""\n    {body}'
    return [mutant.line for mutant in mutants(text, kinds)]


# ---------------------------------------------------------------------------------- mutants


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x + y", ["return x", "return y", "return x - y"]),
        (
            "return x ** 2",
            ["return x", "return 2", "return x * 2", "return x ** 3", "return x ** 1"],
        ),
        ("return -x", ["return x"]),
        ("return x < 0.5", ["return x <= 0.5", "return x < 1.0", "return x < 0.25"]),
        ("return x == 'train'", ["return x != 'train'", "return x == 'train_'"]),
        ("return np.sqrt(x)", ["return x"]),
        ("return x.T", ["return x"]),
        ("return not True", ["return True", "return not False"]),
        (
            "return x.mean(axis=0)",
            [
                "return x",
                "return x.mean()",
                "return x.sum(axis=0)",
                "return x.mean(axis=1)",
                "return x.mean(axis=-1)",
            ],
        ),
        ("x -= y\n    return x", ["x += y", "left out: x -= y"]),
        ("raise ValueError(1)\n    return x", ["left out: raise ValueError(1)"]),
        ("return x, y", ["return (y, x)"]),
        ("return max(*x)", []),
    ],
)
def test_mutants_of_a_line(body, expected):
    assert sorted(lines(body, x="array")) == sorted(expected)


def test_only_names_of_one_kind_take_each_others_place():
    found = lines("return f(x, y, z)", x=(3,), y=(3,), z=(4,), w=(4,))
    swapped = {"return f(y, y, z)", "return f(x, x, z)", "return f(x, y, w)"}
    exchanged = {"return f(y, x, z)", "return f(x, z, y)"}
    assert swapped | exchanged == set(found) - {"return f"}


def test_mutants_are_programs_that_differ_from_the_original_and_from_each_other():
    exercise = exercises.find("normalization.batchnorm_forward")
    text = misconceptions.reference_source(exercise, exercise.function)
    found = mutants(text, kinds_of_variables(exercise))
    original = ast.parse(text)
    del original.body[0].body[0], original.body[0].decorator_list[:]
    texts = [mutant.text for mutant in found]
    assert len(texts) > 200 and len(set(texts)) == len(texts)
    assert ast.unparse(original) not in texts
    for mutant in found:
        compile(mutant.text, "mutant", "exec")
        shown = mutant.line.removeprefix("left out: ")
        assert ("pass" if shown != mutant.line else shown) in mutant.text
    joined = "\n".join(mutant.line for mutant in found)
    for change in ("np.sqrt(var - eps)", "axis=1", "std = np.sqrt(var)", "1 + momentum", "!="):
        assert change in joined


def test_text_and_tree_are_as_they_were_after_every_mutant():
    body = "if x == 1:\n        y = x + 2\n    else:\n        y = x.sum(axis=0)\n    return y"
    found = lines(body)
    assert "if x != 1:" in found and "y = x.mean(axis=0)" in found
    assert all(line.count("left out") <= 1 for line in found)
    assert lines(body) == found


def test_kinds_are_the_shapes_that_variables_have():
    kinds = kinds_of_variables(exercises.find("normalization.batchnorm_forward"))
    assert kinds["x"] == kinds["x_hat"] == kinds["out"] == (7, 5)
    assert kinds["gamma"] == kinds["mu"] == kinds["running_var"] == (5,)
    assert kinds["eps"] == kinds["momentum"] == "float" and kinds["bn_param"] == "dict"
    torch_kinds = kinds_of_variables(exercises.find("normalization.torch.batchnorm_forward"))
    assert torch_kinds == kinds


# ---------------------------------------------------------------------------------- counts


def test_counts_of_a_good_exercise():
    exercise = exercises.find(SMALL)
    total = of_misconceptions(exercise) + of_variants(exercise, 3) + of_mutants(exercise)
    assert total.misconceptions == total.losing == total.named == 8
    assert total.variants == 4 and total.variants_losing == total.diagnosed == 0
    assert total.mutants == total.killed > 5 and total.equivalent == 0
    assert total.exceptions == [] and total.passes
    assert measure.measure(exercise, 3) == total


def blind(exercise):
    """Return the exercise with checks that look at shapes only."""

    def scenario(impl, rng):
        return {"shape": abs(impl.debias_running(rng.uniform(1, 2, 5), 0.5, 2)) > -1}

    return remade(exercise, Check("blind", 1, scenario))


def strict(exercise):
    """Return the exercise with a check that demands the last bit."""

    def scenario(impl, rng):
        return {"debiased": impl.debias_running(rng.uniform(1, 2, 5), 0.7, 3)}

    def judge(seen, expected):
        exact = (seen["debiased"] == expected.arrays["debiased"]).all()
        verdict = matches({}, expected)
        return verdict if not exact else matches(seen, expected)

    return remade(exercise, Check("strict", 1, scenario, judge))


def remade(exercise, check):
    values = {name: getattr(exercise, name) for name in exercise.__dataclass_fields__}
    return Exercise(**values | {"checks": (check,)})


def test_a_check_that_sees_nothing_is_measured_as_such():
    exercise = blind(exercises.find(SMALL))
    found = of_misconceptions(exercise)
    assert found.misconceptions == 8 and found.losing == found.named == 0
    assert "'momentum times steps' loses no points" in "\n".join(found.exceptions)
    assert not found.passes
    found = of_mutants(exercise)
    assert found.killed < found.mutants / 2 and not found.passes
    assert f"{SMALL}: a mutant passes: return running * (1 - momentum ** steps)" in found.exceptions


def test_a_check_that_is_too_strict_is_measured_as_such():
    found = of_variants(strict(exercises.find(SMALL)), 3)
    assert 0 < found.variants_losing < found.variants
    assert all("loses points with seed" in line for line in found.exceptions)
    assert not found.passes


def test_a_stale_entry_of_the_table_is_reported(monkeypatch):
    table = {"return nothing": "it is not there", "return ...": "anything goes"}
    monkeypatch.setattr(misconceptions, "equivalent_of", lambda exercise_id: table)
    found = of_mutants(blind(exercises.find(SMALL)))
    assert found.killed + found.equivalent == found.mutants
    assert [line for line in found.exceptions if "nothing" in line and "take it out" in line]
    assert len(found.exceptions) == 1


def test_seeds_are_the_public_ones_and_then_others():
    exercise = exercises.find(SMALL)
    check = exercise.checks[0]
    assert measure.seeded(0) is expectations.public_seed
    assert len({measure.seeded(n)(exercise, check) for n in range(50)}) == 50


GOOD = dict(misconceptions=100, losing=100, named=97, variants=5, mutants=110, equivalent=10)


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"losing": 99}, False),
        ({"named": 96}, False),
        ({"variants_losing": 1}, False),
        ({"killed": 97}, False),
        ({"diagnosed": 1}, False),
    ],
)
def test_targets(change, passes):
    assert Quality(**GOOD | {"killed": 98} | change).passes is passes


# ---------------------------------------------------------------------------------- the command


def command(*arguments):
    app = measure.typer.Typer()
    app.command()(measure.main)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_the_command_shows_a_table_and_succeeds():
    result = command("--exercise", SMALL, "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert SMALL.rpartition(".")[2] in result.output and "8/8" in result.output
    assert "8 wrong answers: 100.0% caught (target 100.0%)" in result.output
    assert "The targets are met." in result.output


def test_the_table_fits_80_columns_and_names_everything_in_full():
    many = Quality(
        misconceptions=99, losing=99, named=99, variants=99, mutants=999, equivalent=99, killed=900
    )
    everything = exercises.all_exercises()
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(measure.table({exercise.id: many for exercise in everything}))
    lines = console.export_text().splitlines()
    assert all(exercise.id.rpartition(".")[2] in "\n".join(lines) for exercise in everything)
    assert "normalization.torch" in map(str.strip, lines) and "…" not in "".join(lines)
    words = " ".join(lines[:5]).split()
    assert all(word in words for head in measure.HEADS for word in head.split())


def test_the_command_fails_when_a_target_is_missed(monkeypatch):
    missed = Quality(variants=3, variants_losing=1, exceptions=["'a loop' is right and loses"])
    monkeypatch.setattr(measure, "measure", lambda *args: missed)
    result = command("--family", "normalization")
    assert result.exit_code == 1
    assert "'a loop' is right and loses" in result.output
    assert "The targets are not met." in result.output


def test_the_command_names_the_nearest_exercise():
    result = command("--exercise", "normalization.debias_runing")
    assert result.exit_code == 2 and "did you mean 'normalization.debias_running'" in result.output


def test_the_command_names_the_families_there_are():
    result = command("--family", "nonsense")
    assert result.exit_code == 2 and "normalization" in result.output
