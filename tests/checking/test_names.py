"""What a name needs, and what a message says beside it."""

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

from autograder import exercises, expectations, misconceptions
from autograder.check import run
from autograder.checking.diagnose import ANOTHER_DEFAULT
from autograder.checking.judge import told_apart
from autograder.checking.settings import Settings

MOMENTUM = exercises.find("optim.sgd_momentum")
FORWARD = exercises.find("normalization.batchnorm_forward")
PIPELINE = exercises.find("schedules.train_with_schedule")


def edited(exercise, *edits):
    """Return the report on the reference with some words replaced by others."""
    text = misconceptions.reference_source(exercise, exercise.function)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    functions = misconceptions.assembled(exercise, {exercise.function: text}, "edited")
    return run(exercise, functions)


def messages(report):
    return " ".join(row.message for row in report.rows)


# ---------------------------------------------------------------------------------- defaults

RATE, SHARE = 'config.get("learning_rate", 1e-2)', 'config.get("momentum", 0.9)'


@pytest.mark.parametrize("rate", ["1e-3", "7e-3", "0.1", "2.0"])
def test_another_default_rate_is_named_whatever_its_size(rate):
    report = edited(MOMENTUM, (RATE, RATE.replace("1e-2", rate)))
    assert report.misconceptions == ("another default learning rate",)


@pytest.mark.parametrize("share", ["0.5", "0.8", "0.99"])
def test_another_default_momentum_is_named_whatever_its_size(share):
    report = edited(MOMENTUM, (SHARE, SHARE.replace("0.9", share)))
    (name,) = report.misconceptions  # one check asks for all defaults, and cannot tell which
    assert name.startswith(ANOTHER_DEFAULT)


def test_two_defaults_at_once_are_named_as_such():
    report = edited(
        MOMENTUM, (RATE, RATE.replace("1e-2", "3e-2")), (SHARE, SHARE.replace("0.9", "0.7"))
    )
    (name,) = report.misconceptions
    assert name.startswith(ANOTHER_DEFAULT)


# ---------------------------------------------------------------------------------- settings


def test_settings_that_are_never_looked_up_are_said_once():
    report = edited(MOMENTUM, ('"learning_rate"', '"lr"'), ('"momentum"', '"mu"'))
    said = messages(report)
    assert said.count("never looks up 'learning_rate', 'momentum'") == 1
    assert "never" not in messages(edited(MOMENTUM, (RATE, f"2 * {RATE}")))


@pytest.mark.parametrize(
    "read",
    [
        'config["learning_rate"]',
        'config.get("learning_rate")',
        'config.pop("learning_rate")',
        'config.setdefault("learning_rate", 1)',
        '"learning_rate" in config',
        "dict(config)",
        "{**config}",
        "config | {}",
        "{} | config",
        "config.copy()",
        "list(config.items())",
        "list(config.values())",
        "sorted(config)",
        "copy.deepcopy(config)",
        "copy.copy(config)",
        "pickle.loads(pickle.dumps(config))",
    ],
)
def test_every_way_to_read_counts(read):
    asked = {}
    config = Settings({"learning_rate": 1.0}, asked)
    assert isinstance(config, dict) and not asked["learning_rate"]
    eval(read, {"config": config, "copy": copy, "pickle": pickle})
    assert asked["learning_rate"]


# ---------------------------------------------------------------------------------- evidence


def test_nothing_is_named_against_a_passed_check():
    """A rate of 1e-3 looks like dampening where the default is used, and only there."""
    report = edited(MOMENTUM, (RATE, RATE.replace("1e-2", "1e-3")))
    passed = {row.check for row in report.rows if row.earned == row.points}
    assert passed and "dampen" not in " ".join(report.misconceptions)


def test_a_yes_or_no_names_only_what_shows_nothing_else():
    report = edited(FORWARD, ("raise ValueError(", "raise RuntimeError("))
    assert [row.message for row in report.rows if row.message] == [
        "expected ValueError, got RuntimeError"
    ]


# ---------------------------------------------------------------------------------- messages


def test_digits_are_shown_until_two_numbers_differ():
    assert told_apart(0.417371, 0.5) == ("0.417371", "0.5")
    first, second = told_apart(0.41737112345, 0.41737112344)
    assert first != second and float(first) != float(second)
    assert told_apart(1.0, 1.0)[0] == told_apart(1.0, 1.0)[1]


@pytest.mark.parametrize(("strange", "said"), [("np.nan", "is NaN"), ("np.inf", "is infinite")])
def test_nan_and_infinity_are_said_as_such(strange, said):
    assert said in messages(edited(FORWARD, ("gamma * x_hat", f"{strange} * x_hat * x_hat")))


def test_a_crash_says_how_the_function_was_called():
    def sgd_momentum(w, dw, config):
        return w - config["learning_rate"] * dw, config

    report = run(MOMENTUM, {"sgd_momentum": sgd_momentum})
    assert "(called with config=None)" in " ".join(row.detail for row in report.rows)
    assert "config=None" not in str(report.public())


# ---------------------------------------------------------------------------------- right answers


@pytest.mark.parametrize(
    "way",
    [
        "{k: v.clone() for k, v in model.state_dict().items()}",
        "{k: v.detach().cpu().clone() for k, v in model.state_dict().items()}",
        "{k: v.detach().cpu().numpy().copy() for k, v in model.state_dict().items()}",
        "{k: v.copy() for k, v in model.state_dict().items()}",
        "{k: np.array(v) for k, v in model.state_dict().items()}",
        "copy.deepcopy(model.state_dict())",
        "copy.deepcopy(dict(model.state_dict()))",
    ],
)
@pytest.mark.parametrize("torch_is_loaded", [True, False])
def test_every_way_to_keep_the_best_weights_is_right(way, torch_is_loaded, monkeypatch):
    if not torch_is_loaded:
        run(PIPELINE, expectations.reference(PIPELINE))  # expectations are computed with torch
        monkeypatch.delitem(sys.modules, "torch")
    text = misconceptions.reference_source(PIPELINE, PIPELINE.function)
    text = text.replace("copy.deepcopy(model.state_dict())", way)
    report = run(PIPELINE, functions_from(text))
    assert report.score == report.points, str(report)


def functions_from(text):
    namespace = {"np": np, "copy": copy, "math": math}
    exec(text[text.index("def ") :], namespace)
    return {PIPELINE.function: namespace[PIPELINE.function]}


def test_a_step_counted_in_float32_is_right_in_pytorch():
    exercise = exercises.find("optim.torch.adam")
    report = edited(
        exercise,
        ('t = config.get("t", 0) + 1', 't = torch.tensor(float(config.get("t", 0) + 1))'),
    )
    assert report.score == report.points, str(report)


def test_lists_stand_for_arrays():
    exercise = exercises.find("optim.separating_gradients")
    reference = expectations.reference(exercise)

    def separating_gradients():
        return reference["separating_gradients"]().tolist()

    report = run(exercise, reference | {"separating_gradients": separating_gradients})
    assert report.score == report.points


def test_a_list_stands_for_a_tensor_and_a_number_for_one_without_axes():
    finetune, penalty = map(
        exercises.find, ("transfer.torch.finetune", "regularization.torch.l2_penalty")
    )
    listed = ("losses = torch.zeros(epochs)", "losses = [0.0] * epochs")
    assert edited(finetune, listed).score == finetune.points
    report = edited(penalty, ("reg * torch.sum(W**2)", "reg * torch.sum(W**2).item()"))
    assert report.score == penalty.points


def test_a_list_with_rows_of_several_lengths_is_none():
    exercise = exercises.find("optim.separating_gradients")
    report = run(
        exercise,
        expectations.reference(exercise) | {"separating_gradients": lambda: [[1.0], [1.0, 2.0]]},
    )
    assert "not equally long" in report.rows[0].detail


def test_statistics_with_the_axes_of_a_mean_cost_one_check():
    report = edited(
        FORWARD,
        ('bn_param["running_mean"] = ', 'bn_param["running_mean"] = np.ones((1, 1)) * '),
        ('bn_param["running_var"] = ', 'bn_param["running_var"] = np.ones((1, 1)) * '),
    )
    failed = [row.check for row in report.rows if row.earned < row.points]
    assert failed == ["running statistics after three batches"]


# ---------------------------------------------------------------------------------- conventions


KNOWN = [known for one in exercises.all_exercises() for known in misconceptions.of(one.id)]
CONVENTIONS = [known for known in KNOWN if known.judged_by]


@pytest.mark.parametrize("known", CONVENTIONS, ids=lambda known: known.exercise)
def test_a_convention_costs_the_one_check_that_asks_for_it(known):
    exercise = exercises.find(known.exercise)
    report = run(exercise, misconceptions.functions_of(known))
    lost = [row for row in report.rows if row.earned < row.points]
    assert [(row.check, row.misconception) for row in lost] == [(known.judged_by, known.name)]


def test_a_variance_over_one_number_less_is_a_convention_wherever_it_is_known():
    over_less = {
        k.exercise for k in KNOWN if k.name in ("unbiased variance", "unbiased covariance")
    }
    assert len(over_less) > 10 and over_less == {known.exercise for known in CONVENTIONS}


def test_a_mistake_keeps_its_name_where_the_statement_leaves_a_convention_open():
    def rows_of_an_unbiased_covariance(x):
        eigenvalues, U = np.linalg.eigh(np.cov(x.reshape(-1, x.shape[-1]).T))
        return eigenvalues, U.T

    components = exercises.find("augmentation.color_components")
    report = run(components, {"color_components": rows_of_an_unbiased_covariance})
    assert [name.partition(",")[0] for name in report.misconceptions] == ["components in rows"]


def test_whole_numbers_written_as_floats_change_no_name():
    boundaries = exercises.find("regularization.pooling_boundaries")

    def u_outside(n_in, n_out, u):
        return np.array([math.ceil(n_in / n_out * i + u) - math.ceil(u) for i in range(n_out + 1)])

    report = run(boundaries, {"pooling_boundaries": u_outside})
    assert report.misconceptions == ("u outside the product",)


# ---------------------------------------------------------------------------------- classes

SIGNATURES = {
    "optim.torch.Momentum": ("lr=1e-2", "lr=2e-3"),
    "optim.torch.Adam": ("lr=1e-3", "lr=4e-3"),
    "second_order.torch.LBFGS": ("memory=10", "memory=4"),
    "normalization.torch.BatchNorm": ("eps=1e-5", "eps=1e-2"),
    "normalization.torch.GroupNorm": ("eps=1e-5", "eps=1e-2"),
}


@pytest.mark.parametrize("exercise_id", SIGNATURES)
def test_a_default_in_a_signature_costs_one_check_and_is_named(exercise_id):
    report = edited(exercises.find(exercise_id), SIGNATURES[exercise_id])
    (lost,) = (row for row in report.rows if row.earned < row.points)
    assert lost.misconception.startswith(ANOTHER_DEFAULT)


@pytest.mark.parametrize("function", ["freeze", "unfreeze", "replace_head"])
def test_what_comes_back_is_looked_at_where_a_model_is_changed_in_place(function):
    exercise = exercises.find(f"transfer.torch.{function}")
    functions = expectations.reference(exercise)
    written = functions[function]
    report = run(exercise, functions | {function: lambda *args: [written(*args)]})
    (lost,) = (row for row in report.rows if row.earned < row.points)
    assert "comes back" in lost.check


# ---------------------------------------------------------------------------------- no PyTorch


def test_a_check_of_an_array_exercise_of_lesson_12_imports_no_torch():
    program = """
import sys
from autograder import exercises
from autograder.check import run
exercise = exercises.find("transfer.standardize")
report = run(exercise, {"standardize": lambda x_train, x: (x - x.mean(0)) / x.std(0)})
assert report.misconceptions == ("standardized by its own statistics",)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
