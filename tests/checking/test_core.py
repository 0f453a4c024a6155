"""What stands between a student's function and a mark: observe, judge, name, provide, show."""

import inspect
import json
import sys
import threading
import tracemalloc
from dataclasses import replace
from functools import partial, wraps

import nbformat
import numpy as np
import pytest
import torch
from machines import fixed_generator
from nbclient import NotebookClient
from nbgrader.utils import determine_grade
from providers import provider

from autograder import check as checks
from autograder import exercises, expectations, misconceptions
from autograder.check import check, needs, run
from autograder.checking import shortcuts
from autograder.checking.diagnose import Known, diagnose, judge_exercise, shows_same
from autograder.checking.judge import (
    EPS32,
    Expected,
    agree,
    follow_through,
    keeps_types,
    matches,
    same_dtype,
    verdict_on,
)
from autograder.checking.observe import (
    BadReturn,
    Fault,
    Implementation,
    Seen,
    known_kind,
    observe,
    plain_array,
    quiet,
)
from autograder.checking.report import Report, Row
from autograder.checking.spec import Check, Exercise, Verdict
from cs231n_lib.normalization import in_numpy

EXERCISES = exercises.all_exercises()
RNG = fixed_generator(0)
X = RNG.normal(size=(4, 3))


def exercise(*cases, framework="numpy", returns=("out",), **options):
    """Return a small exercise whose checks are (name, points, scenario[, judge])."""
    middle = "torch." if framework == "torch" else ""
    return Exercise(
        id=f"family.{middle}f",
        title="A small one",
        functions=("f",),
        returns={"f": returns},
        checks=tuple(Check(*case) for case in cases),
        slide="1",
        **options,
    )


def call(impl, rng):
    return {"out": impl.f(X.copy())}


def expected(noise=1e-7, **arrays):
    return Expected(
        {key: np.asarray(array, float) for key, array in arrays.items()},
        {key: str(np.asarray(array).dtype) for key, array in arrays.items()},
        dict.fromkeys(arrays, noise),
    )


class Provided:
    """A provider with the same expectation for every check and given wrong answers."""

    def __init__(self, expectation, *known):
        self._expectation, self._known = expectation, known

    def expected(self, exercise, check):
        return self._expectation

    def misconceptions(self, exercise):
        return self._known

    def traces(self, exercise):
        return ()


# ---------------------------------------------------------------------------------- observe


def test_scenarios_see_arrays_and_functions_see_tensors():
    received = []

    def f(x, options, label):
        received.extend([x, options["mean"], options["ids"], label])
        options["mean"] = options["mean"] + 1
        options["new"] = x.sum()
        return x * 2

    def scenario(impl, rng):
        options = {"mean": np.zeros(3), "ids": np.arange(3), "mode": "train"}
        out = impl.f(X, options, "text")
        return {"out": out, "mean": options["mean"], "new": options["new"]}

    small = exercise(("one", 1, scenario), framework="torch")
    seen = observe(small, {"f": f}, lambda e, c: 0)["one"]
    assert [type(value) for value in received] == [torch.Tensor] * 3 + [str]
    assert received[2].dtype == torch.int64
    np.testing.assert_array_equal(seen.arrays["out"], 2 * X)
    np.testing.assert_array_equal(seen.arrays["mean"], np.ones(3))
    np.testing.assert_allclose(seen.arrays["new"], X.sum())
    assert all(type(array) is np.ndarray for array in seen.arrays.values())


def test_a_cast_reaches_every_float_and_hides_changes_in_place():
    types = []

    def f(x, options):
        types.extend([x.dtype, options["mean"].dtype, options["ids"].dtype])
        x += 1
        return x

    def scenario(impl, rng):
        x, options = np.zeros(3), {"mean": np.zeros(3), "ids": np.arange(2)}
        return {"out": impl.f(x, options), "x": x}

    small = exercise(("one", 1, scenario))
    cast = observe(small, {"f": f}, lambda e, c: 0, lambda a: a.astype(np.float32))["one"]
    assert types == [np.float32, np.float32, np.int64]
    np.testing.assert_array_equal(cast.arrays["x"], 0)
    seen = observe(small, {"f": f}, lambda e, c: 0)["one"]
    np.testing.assert_array_equal(seen.arrays["x"], 1)


def test_the_seed_decides_the_inputs():
    def scenario(impl, rng):
        return {"out": impl.f(rng.normal(size=3))}

    small = exercise(("one", 1, scenario), ("two", 1, scenario))
    seeds = {"one": 1, "two": 2}
    seen = observe(small, {"f": lambda x: x}, lambda e, c: seeds[c.name])
    for name, seed in seeds.items():
        inputs = fixed_generator(seed).normal(size=3)
        np.testing.assert_array_equal(seen[name].arrays["out"], inputs)


@pytest.mark.parametrize(
    ("returns", "value", "text"),
    [
        (("out",), None, "out of f must be a NumPy array, got NoneType"),
        (("dx", "dw"), None, "f must return dx, dw; it returned None"),
        (("dx", "dw"), X, "f must return dx, dw; it returned ndarray"),
        (("dx", "dw"), (X, X, X), "f must return dx, dw; it returned 3 values"),
        (("dx", "dw"), (X, "text"), "dw of f must be a NumPy array, got str"),
    ],
)
def test_a_wrong_return_value_is_described(returns, value, text):
    def scenario(impl, rng):
        impl.f(X)
        return {}

    small = exercise(("one", 1, scenario), returns=returns)
    seen = observe(small, {"f": lambda x: value}, lambda e, c: 0)["one"]
    assert seen.fault == Fault("wrong return value", text)


@pytest.mark.parametrize("value", [3, 2.5, np.float32(2), np.int64(7), np.array(1.5)])
def test_a_number_may_come_without_an_array_around_it(value):
    small = exercise(("one", 1, call))
    seen = observe(small, {"f": lambda x: value}, lambda e, c: 0)["one"]
    assert seen.arrays["out"].shape == () and seen.arrays["out"] == value


def test_a_number_is_asked_for_where_there_is_no_framework():
    small = exercise(("one", 1, call), shared=True)
    seen = observe(small, {"f": lambda x: "3"}, lambda e, c: 0)["one"]
    assert seen.fault.text == "out of f must be a number or an array, got str"


def test_tensors_are_asked_for_where_tensors_are_due():
    small = exercise(("one", 1, call), framework="torch")
    seen = observe(small, {"f": lambda x: x.numpy()}, lambda e, c: 0)["one"]
    assert seen.fault.text == "out of f must be a tensor, got ndarray"


def test_a_cache_passes_through_untouched():
    cache = object()

    def scenario(impl, rng):
        out, passed = impl.f(X)
        assert passed is cache
        return {"out": out}

    small = exercise(("one", 1, scenario), returns=("out", "cache"))
    assert observe(small, {"f": lambda x: (x, cache)}, lambda e, c: 0)["one"].fault is None


def test_plain_arrays_are_copies_of_plain_numbers():
    array = np.ma.masked_array(np.arange(3.0))
    plain = plain_array("out", array)
    assert type(plain) is np.ndarray
    array[0] = 9
    assert plain[0] == 0
    for value in ("text", None, [1, "a"], np.zeros(2, complex), np.zeros(2, "M8[s]")):
        with pytest.raises(BadReturn, match="real numbers"):
            plain_array("out", value)
    with pytest.raises(BadReturn, match="must be small"):
        plain_array("out", np.broadcast_to(0.0, (10**5, 10**5)))


def test_the_innermost_line_of_the_students_own_code_is_named():
    namespace = {"np": np}
    source = "def f(x):\n    return helper(x)\ndef helper(x):\n    return np.linalg.inv(x)\n"
    exec(compile(source, "<cell 3>", "exec"), namespace)
    seen = observe(exercise(("one", 1, call)), namespace, lambda e, c: 0)["one"]
    assert seen.fault.kind == "raised ValueError"  # LinAlgError, by its built-in name
    assert seen.fault.text.startswith("LinAlgError: ")
    assert "in helper, line 4" in seen.fault.text


def test_a_fault_from_a_students_process_says_nothing_but_its_kind():
    kinds = ("not written yet", "wrong return value", "shortcut", "raised KeyError")
    assert [known_kind(kind) for kind in kinds] == list(kinds)
    for kind in ("raised x_is_3", "raised len", "raised ", "KeyError", "x is 3", ""):
        assert known_kind(kind) == "stopped"


def test_quiet_swallows_and_restores(capsys):
    with quiet():
        print("out")
        print("err", file=sys.stderr)
        np.log(np.zeros(1))
    print("after")
    assert capsys.readouterr() == ("after\n", "")


def test_underscore_names_are_no_functions():
    impl = Implementation({"f": len}, exercise(("one", 1, call)))
    with pytest.raises(AttributeError):
        _ = impl._secret
    with pytest.raises(AttributeError):
        _ = impl.__wrapped__


class _Called:
    def __call__(self, x):
        return x

    def method(self, x):
        return x


@pytest.mark.parametrize(
    "function",
    [call, partial(partial(call)), wraps(call)(partial(call)), _Called(), _Called().method],
)
def test_whatever_can_be_called_sees_the_names_of_where_it_was_written(function):
    impl = Implementation({"f": function}, exercise(("one", 1, call)))
    assert impl.namespace("f") is globals()
    assert Implementation({"f": len}, exercise(("one", 1, call))).namespace("f") == {}


# ---------------------------------------------------------------------------------- judge


def test_tolerance_is_ten_times_the_noise_with_a_floor():
    single = Expected({"a": np.full(3, 2.0)}, {"a": "float32"}, {"a": 1e-3})
    assert single.tolerance("a", np.float32) == pytest.approx(1e-2)
    assert single.tolerance("a", np.float64) == pytest.approx(1e-2)
    double = replace(single, dtypes={"a": "float64"})
    eps = np.finfo(float).eps
    assert double.tolerance("a", np.float64) == pytest.approx(1e-2 * eps / EPS32)
    assert double.tolerance("a", np.float32) == pytest.approx(1e-2)
    quiet_one = replace(double, noise={"a": 0.0})
    assert quiet_one.tolerance("a", np.float64) == pytest.approx(10 * 16 * eps * 2)


def test_coarse_types_are_given_no_more_room_than_float32():
    one = expected(a=np.ones(3))
    assert one.tolerance("a", np.float16) == one.tolerance("a", np.float32) < 1e-4


DIFFERENCES = [
    ({}, "out is missing", ""),
    ({"out": X[0]}, "out must have shape (4, 3)", "out has shape (3,)"),
    ({"out": X * np.nan}, "out is NaN, not a number", "got nan"),
    ({"out": 0 * X}, "out is zero everywhere", "12 of 12 places"),
    ({"out": -X}, "out has the opposite sign", "12 of 12 places"),
    ({"out": 3 * X}, "out is off by one constant factor", "12 of 12 places"),
    ({"out": X + 1}, "out differs everywhere", "out[0, 0]: expected 0.12573, got 1.12573"),
    ({"out": np.where(X > 0, X, 5)}, "out differs in some places", "places)"),
]


@pytest.mark.parametrize(("seen", "message", "detail"), DIFFERENCES)
def test_a_difference_is_put_in_words_without_numbers_and_details_have_them(seen, message, detail):
    verdict = matches(seen, expected(out=X))
    assert (verdict.fraction, verdict.message, verdict.wrong) == (0, message, ("out",))
    assert detail in verdict.detail
    allowed = message.replace("(4, 3)", "")
    assert not any(character.isdigit() for character in allowed)


def test_what_rounding_explains_is_no_difference():
    target = expected(noise=1e-6, out=X)
    tolerance = target.tolerance("out", np.float64)
    assert matches({"out": X + 0.9 * tolerance}, target) == Verdict(1)
    assert matches({"out": X + 1.1 * tolerance}, target).fraction == 0


def test_working_material_is_not_compared():
    assert matches({"out": X}, expected(out=X, _secret=X)).fraction == 1


def test_a_variant_is_accepted_key_by_key_with_its_remark_once():
    target = replace(
        expected(a=X, b=X, c=X), variants=(("Other way.", {"a": 2 * X, "b": 3 * X, "c": X}),)
    )
    assert matches({"a": 2 * X, "b": 3 * X, "c": X}, target) == Verdict(1, remark="Other way.")
    assert matches({"a": 2 * X, "b": X, "c": X}, target).remark == "Other way."
    assert matches({"a": X, "b": X, "c": 2 * X}, target).wrong == ("c",)


def test_precision_may_be_gained_and_not_lost():
    single = X.astype(np.float32)
    target = expected(out=single)
    assert same_dtype({"out": single}, target) == Verdict(1)
    gained = same_dtype({"out": single.astype(float)}, target)
    assert gained.fraction == 1 and "more memory" in gained.remark
    for lost in (single.astype(np.float16), single.astype(int)):
        verdict = same_dtype({"out": lost}, target)
        assert verdict.fraction == 0 and verdict.message == "out must be float32"
    assert same_dtype({"out": single}, expected(out=X)).message == "out must be float64"
    assert same_dtype({}, target).message == "out is missing"


def test_types_are_judged_whatever_the_values_are():
    x, out = X.astype(np.float32), 2 * X.astype(np.float32)
    target = expected(**{"out": out, "x after the call": x})

    def verdict(out, x=x):
        return keeps_types({"out": out, "x after the call": x}, target)

    assert verdict(out) == verdict(5 * out) == verdict(out[:1]) == Verdict(1)
    assert "more memory" in verdict(out.astype(float)).remark
    refused = {
        "out must be float32": verdict(out.astype(np.float16)),
        "x after the call differs": verdict(out, x + 1),
        "out is the same number everywhere": verdict(0 * out),
        "out is x, as it came": verdict(x),
        "out is missing": keeps_types({"x after the call": x}, target),
    }
    for message, found in refused.items():
        assert found.fraction == 0 and message in found.message


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ([1, 2], [1, 2.05], True),
        ([1, 2], [1, 2.2], False),
        ([1, 2], [[1, 2]], False),
        ([np.nan, 1], [np.nan, 1], True),
        ([np.nan, 1], [1, 1], False),
        ([np.inf, 1], [np.inf, 1], True),
        ([np.inf, 1], [-np.inf, 1], False),
    ],
)
def test_agreement_includes_nan_and_infinity(a, b, same):
    assert agree(np.array(a, float), np.array(b, float), 0.1) is same
    assert agree(np.array(b, float), np.array(a, float), 0.1) is same


DIRECTIONS = RNG.normal(size=(2, 4, 3))
OWN = X + np.array([1.0, 0, 0])  # the gradient of a student's own wrong forward


SLOPES = np.tensordot(DIRECTIONS, OWN, axes=2)


BENT, STRAIGHT = np.array([1.0, 2.0]), np.array([2.0, 2.0])  # slopes here and far away


def followed(gradient=OWN, out=1.1 * X, slopes=SLOPES, apart=BENT, right=BENT, again=None):
    shown = {"_measured_directions_dx": DIRECTIONS, "_measured_slopes_dx": SLOPES}
    target = expected(dx=X, _out=X, _measured_slopes_apart=right, **shown)
    measured = shown | {
        "_measured_out": out if again is None else again,
        "_measured_slopes_dx": slopes,
        "_measured_slopes_apart": apart,
    }
    return follow_through({"dx": gradient, "_out": out} | measured, target)


def test_follow_through():
    assert followed(X).fraction == 1
    half = followed()
    assert half.fraction == 0.5 and "right for your own forward pass" in half.message
    assert half.wrong == ("dx",)
    assert followed(apart=STRAIGHT, right=STRAIGHT).fraction == 0.5  # as the right one
    for verdict in (
        followed(OWN + 0.01),
        followed(OWN[0]),
        followed(OWN * np.nan),
        followed(out=np.zeros((4, 3))),
        followed(out=np.full((4, 3), 2.0)),
        followed(apart=STRAIGHT),
        followed(out=X[0]),
        followed(out=X * np.nan),
        followed(out=X),  # a right forward pass has one right gradient
        followed(0 * X, slopes=0 * SLOPES),  # a forward pass that remembers its last answer
        followed(again=1.2 * X),  # another forward pass than the one that was measured
        followed(again=X),
        followed(again=X[0]),
        followed(slopes=np.full(2, np.nan)),
    ):
        assert verdict.fraction == 0


def test_judging_says_nothing_on_stderr_whatever_was_seen(recwarn, capfd):
    strange = {"dx": X * np.inf, "_out": X + np.inf, "_measured_out": X + np.inf}
    one = Check("one", 1, call, follow_through)
    target = expected(dx=X, _out=X)
    verdict = verdict_on(one, Seen(strange), exercise(("one", 1, call)), Provided(target))
    assert verdict.fraction == 0
    assert not recwarn.list and capfd.readouterr() == ("", "")


# ---------------------------------------------------------------------------------- reports

ROWS = (
    Row("first", 2, 2, remark="Other way."),
    Row("second", 1, 0.5, "x < y", "x[0]: expected 3", "Think & try.", misconception="m"),
    Row("third", 1, 0, "raised ValueError", "boom"),
)
REPORT = Report("family.f", "A title", ROWS)


def test_a_report_adds_up_and_survives_json():
    assert (REPORT.score, REPORT.points) == (2.5, 4.0)
    assert type(REPORT.score) is float and REPORT.misconceptions == ("m",)
    assert [row.status for row in ROWS] == ["passed", "partly", "failed"]
    data = json.loads(json.dumps(REPORT.to_dict()))
    assert data["score"] == 2.5
    assert Report.from_dict(data) == REPORT
    for row in data["rows"]:  # as a result is kept: what is empty is left out
        for name in [name for name, value in row.items() if value == ""]:
            del row[name]
    again = Report.from_dict(data)
    assert again == REPORT and hash(again) == hash(REPORT) and again.to_dict() == REPORT.to_dict()


@pytest.mark.parametrize("row", [{"check": "a", "points": 1}, vars(ROWS[0]) | {"other": 1}])
def test_a_row_that_is_none_is_refused(row):
    with pytest.raises(TypeError):
        Report.from_dict({"exercise_id": "f", "title": "t", "rows": [row]})


def test_a_score_is_never_more_than_the_points():
    thirds = tuple(Row(str(i), 1 / 3, 1 / 3) for i in range(3))
    report = Report("f", "t", thirds)
    assert report.score == report.points == 1.0


def test_the_public_report_has_no_details():
    assert "expected 3" in str(REPORT) and "expected 3" in REPORT._repr_html_()
    public = REPORT.public()
    assert "expected 3" not in str(public) + public._repr_html_() + json.dumps(public.to_dict())
    assert "Think & try." in str(public)


def test_text_and_html_say_the_same():
    text, page = str(REPORT), REPORT._repr_html_()
    assert text.splitlines()[0] == "family.f: 2.5 of 4 points"
    for mark in ("✓ first", "◐ second", "✗ third"):
        assert mark in text
    assert "hint: Think & try." in text and "remark: Other way." in text
    for part in ("passed", "partly", "failed", "x &lt; y", "Think &amp; try.", "Other way."):
        assert part in page
    assert "x < y" not in page and page.count("<tr>") == 4


def test_columns_of_the_text_stand_below_each_other():
    points = (0.375, 0.1875), (10, 0), (0.5, 0.25)
    rows = tuple(Row("c" * n, p, e, "came") for n, (p, e) in enumerate(points, start=1))
    lines = str(Report("f", "t", rows)).splitlines()[1:]
    assert len({line.index("came") for line in lines}) == 1


def test_one_row_stands_for_all_that_were_stopped_alike():
    same = tuple(Row(str(i), 1, 0, "not written yet") for i in range(5))
    assert str(Report("f", "t", same)).count("not written yet") == 1
    assert "all 5 checks" in Report("f", "t", same)._repr_html_()
    assert str(Report("f", "t", same[:1])).count("all") == 0
    perfect = tuple(replace(row, earned=1, message="") for row in same)
    assert len(str(Report("f", "t", perfect)).splitlines()) == 6


def test_what_did_not_come_back_earns_nothing():
    small = exercise(("one", 2, call), ("two", 1, call))
    report = judge_exercise(small, {"one": Seen({"out": X})}, Provided(expected(out=X)))
    assert report.score == 2 and report.rows[1].message == "nothing came back"


# ---------------------------------------------------------------------------------- diagnose


def known(name, wrong=("out",), **arrays):
    return Known(name, f"Think of {name}.", {"one": Seen(arrays)}, {"one": wrong})


def named_by(seen, *answers, keys=("out",)):
    """Return the names that the diagnosis of one check gives."""
    small = exercise(("one", 1, call))
    target = expected(**dict.fromkeys(("out", "other"), X))
    verdicts = {"one": Verdict(0, wrong=keys)}
    found = diagnose(small, {"one": Seen(seen)}, verdicts, Provided(target, *answers))
    return found["one"].name if found else None


def test_the_known_answer_that_shows_the_same_is_named():
    doubled, negative = known("doubled", out=2 * X, other=X), known("negative", out=-X, other=X)
    assert named_by({"out": -X, "other": X}, doubled, negative) == "negative"
    assert named_by({"out": 5 * X, "other": X}, doubled, negative) is None


def test_the_answer_that_contradicts_least_is_named():
    both = known("both", ("out", "other"), out=2 * X, other=3 * X)
    one = known("one", out=2 * X, other=X)
    assert named_by({"out": 2 * X, "other": X}, both, one) == "one"
    keys = ("out", "other")
    assert named_by({"out": 2 * X, "other": 3 * X}, one, both, keys=keys) == "both"


def test_being_right_there_explains_nothing():
    harmless = known("harmless", (), out=X.astype(np.float32), other=X)
    assert named_by({"out": X.astype(np.float32), "other": X}, harmless) is None


def test_two_mistakes_are_named_one_after_the_other():
    names = ("one", "two", "three")
    small = exercise(*((name, 1, call) for name in names))

    def seen(*factors):
        return {name: Seen({"out": f * X}) for name, f in zip(names, factors, strict=True)}

    def named(*factors):
        report = judge_exercise(small, seen(*factors), Provided(expected(out=X), first, second))
        return [row.misconception for row in report.rows]

    first = Known("first", "", seen(2, 2, 1), {"one": ("out",), "two": ("out",), "three": ()})
    second = Known("second", "", seen(1, 1, 3), {"one": (), "two": (), "three": ("out",)})
    assert named(2, 2, 3) == ["first", "first", "second"]
    assert named(2, 2, 5) == ["first", "first", ""]
    assert named(2, 5, 3) == ["", "", ""]  # no known answer explains most of the checks
    assert named(2, 1, 1) == ["", "", ""]  # the first one would have failed the second check too


def test_a_hint_is_given_once():
    small = exercise(("one", 1, call), ("two", 1, call))
    seen = dict.fromkeys(("one", "two"), Seen({"out": 2 * X}))
    answer = Known("doubled", "Half of it.", seen, dict.fromkeys(seen, ("out",)))
    report = judge_exercise(small, seen, Provided(expected(out=X), answer))
    assert [row.hint for row in report.rows] == ["Half of it.", ""]
    assert report.misconceptions == ("doubled",)


def test_the_same_fault_is_recognised_but_not_an_empty_stub():
    small = exercise(("one", 1, call))
    text = "ValueError: shapes (7,5) (7,)"
    for fault, same in (
        (Fault("raised ValueError", f"{text} (in f, line 3: x - mu)"), True),
        (Fault("raised ValueError", "ValueError: other"), False),
        (Fault("raised TypeError", text), False),
    ):
        answer = Known(
            "axis", "", {"one": Seen(fault=Fault("raised ValueError", text))}, {"one": ("fault",)}
        )
        report = judge_exercise(
            small, {"one": Seen(fault=fault)}, Provided(expected(out=X), answer)
        )
        assert report.misconceptions == (("axis",) if same else ())
    empty = Seen(fault=Fault("not written yet"))
    answer = Known("empty", "", {"one": empty}, {"one": ("fault",)})
    report = judge_exercise(small, {"one": empty}, Provided(expected(out=X), answer))
    assert report.misconceptions == ()


# ---------------------------------------------------------------------------------- provider


def content(arrays, left_out="_"):
    """What arrays hold, without the working material of judges."""
    kept = {key: a for key, a in arrays.items() if not key.startswith(left_out)}
    return {key: (a.dtype, a.shape, a.tobytes()) for key, a in kept.items()}


def with_its_words(known):
    return known.name, known.hint, known.wrong, known.group


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(e, id=e.id, marks=[pytest.mark.slow] * (i % 16 > 0))
        for i, e in enumerate(EXERCISES)
        if i % 4 == 0  # recording is the same code for all of them
    ],
)
def test_recorded_answers_as_live_does(one, tmp_path):
    expectations.record([one], tmp_path, provider())
    recorded = expectations.recorded(tmp_path)
    for mine, theirs in zip(
        provider().misconceptions(one), recorded.misconceptions(one), strict=True
    ):
        assert with_its_words(mine) == with_its_words(theirs)
        assert shows_same(one, mine.seen, theirs.seen, provider())
    for check_ in one.checks:
        mine, theirs = provider().expected(one, check_), recorded.expected(one, check_)
        assert (mine.dtypes, mine.noise) == (theirs.dtypes, theirs.noise)
        assert content(mine.arrays, "__") == content(theirs.arrays, "__")
        assert [(remark, content(arrays)) for remark, arrays in mine.variants] == [
            (remark, content(arrays)) for remark, arrays in theirs.variants
        ]
    variant = misconceptions.functions_of(misconceptions.variants_of(one.id)[0])
    answers = [known.seen for known in provider().misconceptions(one)[:2]]
    for seen in (*answers, observe(one, variant, expectations.public_seed)):
        assert judge_exercise(one, seen, recorded) == judge_exercise(one, seen, provider())


def test_recording_twice_gives_the_same_bytes(tmp_path):
    few = EXERCISES[::60]
    expectations.record(few, tmp_path / "once", provider())
    afresh = expectations.live(expectations.public_seed, derives=True)
    expectations.record(few, tmp_path / "twice", afresh)
    names = sorted(path.name for path in (tmp_path / "once").iterdir())
    assert len(names) == 2 * len(few)
    for name in names:
        once, twice = (tmp_path / folder / name for folder in ("once", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_a_missing_recording_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="unpack the student kit again"):
        expectations.recorded(tmp_path).expected(EXERCISES[0], EXERCISES[0].checks[0])


def test_a_reference_that_fails_its_own_check_is_a_loud_error(monkeypatch):
    def broken(impl, rng):
        raise RuntimeError("broken scenario")

    one = exercises.find("normalization.debias_running")
    broken_check = Check("broken", 1, broken)
    with pytest.raises(RuntimeError, match="fails its own check 'broken'"):
        provider().expected(replace(one, checks=(broken_check,)), broken_check)


# ---------------------------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "takes 1 functions"),
        ((len, len), "takes 1 functions"),
        ((3.0,), "debias_running must be a function, got float; pass the function itself"),
    ],
)
def test_a_wrong_call_shows_the_right_one(arguments, message):
    with pytest.raises(TypeError, match=message) as caught:
        check("normalization.debias_running", *arguments)
    assert 'check("normalization.debias_running", debias_running)' in str(caught.value)


def test_check_prints_on_stdout_only_and_returns_a_float(capfd):
    score = check("normalization.debias_running", in_numpy.debias_running)
    assert type(score) is float and score == 3.0
    out, err = capfd.readouterr()
    assert err == "" and out.startswith("normalization.debias_running: 3 of 3 points")


def test_a_recorder_takes_the_functions_and_nothing_runs(monkeypatch, capfd):
    kept = []
    monkeypatch.setattr(checks, "recorder", lambda *args: kept.append(args))

    def function(*args):
        pytest.fail("it was called")

    assert check("normalization.debias_running", function) == 0.0
    assert kept == [(exercises.find("normalization.debias_running"), {"debias_running": function})]
    assert capfd.readouterr() == ("", "")


def test_an_experiment_waits_for_what_is_not_written(capsys):
    def unwritten():
        raise NotImplementedError("not written yet")

    def other():
        return 1

    with needs(unwritten, other):
        unwritten()
    assert "waits for unwritten, other" in capsys.readouterr().out
    with needs(other):
        print(other())
    assert capsys.readouterr().out == "1\n"
    with pytest.raises(ZeroDivisionError), needs(other):
        _ = other() / 0


def test_an_experiment_waits_for_the_names_of_one_that_waits(capsys):
    """A cell that builds on an experiment that did not run finds its names missing."""

    def unwritten(x):
        """Say what x is."""
        raise NotImplementedError

    class Unwritten:
        def step(self):
            raise NotImplementedError

    for missing in (unwritten, Unwritten):
        with needs(missing):
            print(result_of_the_cell_before)  # noqa: F821
        assert f"waits for {missing.__name__}" in capsys.readouterr().out
    with pytest.raises(NameError), needs(len, test_unknown_names_are_still_errors):
        print(result_of_the_cell_before)  # noqa: F821


def test_an_experiment_waits_for_the_results_of_one_that_waits(capsys):
    """It may have begun a table, and have stopped before the entry that is asked for."""

    def unwritten(x):
        raise NotImplementedError

    for begun, key in (({}, "SGD"), ([], 0)):
        with needs(unwritten):
            print(begun[key])
        assert "waits for unwritten" in capsys.readouterr().out
        with pytest.raises(LookupError), needs(len):
            print(begun[key])


def test_unknown_names_are_still_errors():
    with pytest.raises(NameError), needs():
        print(no_such_name)  # noqa: F821


CELLS = {
    "full": ('check("normalization.debias_running", in_numpy.debias_running)', 3),
    "some": ('check("normalization.debias_running", lambda r, m, steps: r / (1 - m))', 1.5),
    "none": ('check("normalization.debias_running", lambda r, m, steps: r)', 0),
    "stub": ('check("normalization.debias_running", stub)', 0),
    "noise": ('check("normalization.debias_running", noisy)', 3),
    "exit": ('check("normalization.debias_running", sys.exit)', 0),
    "nothing passed": ('check("normalization.debias_running")', 0),
    "unknown": ('check("normalization.debias")', 0),
    "thirds": ('check("normalization.torch.batchnorm_forward", in_torch.batchnorm_forward)', 3),
}
SETUP = """
import sys, warnings
from autograder.check import check
from cs231n_lib.normalization import in_numpy, in_torch

def stub(*args):
    raise NotImplementedError("not written yet")

def noisy(*args):
    print("out"); print("err", file=sys.stderr); warnings.warn("careful")
    return in_numpy.debias_running(*args)
"""


@pytest.fixture(scope="module")
def executed():
    """A notebook with one check cell for each outcome, run by a real kernel."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_code_cell(SETUP))
    for source, _ in CELLS.values():
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["nbgrader"] = {"grade": True, "solution": False, "points": 4}
        notebook.cells.append(cell)
    return NotebookClient(notebook, allow_errors=True, timeout=120).execute()


def test_nbgrader_reads_the_score_from_every_outcome(executed):
    assert executed.cells[0].outputs == []
    for (name, (_, points)), cell in zip(CELLS.items(), executed.cells[1:], strict=True):
        assert determine_grade(cell) == (points, 4), name
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], name


def test_a_kernel_shows_html_and_text_and_the_score(executed):
    shown, value = executed.cells[1].outputs
    assert shown.output_type == "display_data" and value.output_type == "execute_result"
    assert shown.data["text/plain"].startswith("normalization.debias_running: 3 of 3 points")
    assert "<table" in shown.data["text/html"]
    assert value.data["text/plain"] == "3.0"


# ---------------------------------------------------------------------------------- shortcuts


def test_a_blocked_name_raises_and_comes_back_even_after_an_error():
    original = torch.nn.functional.layer_norm
    with pytest.raises(ZeroDivisionError), shortcuts.blocked(["torch.nn.functional.layer_norm"]):
        with pytest.raises(shortcuts.Forbidden, match="is what this exercise asks you to write"):
            torch.nn.functional.layer_norm(torch.ones(2), (2,))
        _ = 1 / 0
    assert torch.nn.functional.layer_norm is original


KEPT = {
    "table": "def set_up():\n    table['f'] = stats.zscore\nset_up()\nkept = lambda: table['f']",
    "list": "(lambda f: items.append(f))(stats.zscore)\nkept = lambda: items[0]",
    "attribute": "def set_up(): vars(box).update(f=stats.zscore)\nset_up()\nkept = lambda: box.f",
    "setattr": "object.__setattr__(box, 'f', stats.zscore)\nkept = lambda: box.f",
    "globals": "globals().update(f=stats.zscore)\nkept = lambda: f",
    "global": "def set_up():\n    global f\n    f = stats.zscore\nset_up()\nkept = lambda: f",
    "attrgetter": "f = operator.attrgetter('stats.zscore')(scipy)\nkept = lambda: f",
    "spelled": "f = getattr(getattr(scipy, 'sta' + 'ts'), 'z' + 'score')\nkept = lambda: f",
    "imported": "f = importlib.import_module('scipy.stats').zscore\nkept = lambda: f",
    "modules": "f = sys.modules['scipy.stats'].zscore\nkept = lambda: f",
    "namespace": "f = vars(stats)['zscore']\nkept = lambda: f",
    "executed": "exec('f = stats.zscore')\nkept = lambda: f",
    "module": "box.stats = scipy.stats._stats_py\nkept = lambda: box.stats.zscore",
    "method": "kept = lambda scaled=StandardScaler(): scaled.fit_transform",
    "object": "kept = lambda drawn=stats.loguniform(1, 2): lambda x: drawn.rvs()",
    "decorated": "f = scale\nkept = lambda: f",
    "inner": "f = scale.__wrapped__\nkept = lambda: f",
}


@pytest.mark.parametrize("way", KEPT)
def test_a_library_s_function_refuses_wherever_it_was_kept(way):
    scope = {}
    imports = (
        "import importlib, operator, sys, scipy\n"
        "from scipy import stats\n"
        "from sklearn.preprocessing import StandardScaler, scale\n"
        "class Box: pass\n"
        "box, table, items = Box(), {}, []\n"
    )
    exec(imports + KEPT[way], scope)
    names = ["scipy.stats.zscore", "scipy.stats.loguniform"]
    names += ["sklearn.preprocessing.scale", "sklearn.preprocessing.StandardScaler"]
    before = scope["kept"]()(np.eye(2))
    with shortcuts.blocked(names):
        with pytest.raises(shortcuts.Forbidden, match="is what this exercise asks you to write"):
            scope["kept"]()(np.eye(2))
        assert scope["stats"].rankdata([3, 1]).tolist() == [2, 1]
    assert np.shape(scope["kept"]()(np.eye(2))) == np.shape(before)


def test_an_optimizer_and_a_schedule_that_were_made_before_refuse():
    x = torch.nn.Parameter(torch.ones(2))
    optimizer, plain = torch.optim.NAdam([x], lr=0.1), torch.optim.SGD([x])
    schedule = torch.optim.lr_scheduler.StepLR(plain, 2)
    plain.step()
    with shortcuts.blocked(["torch.optim.NAdam", "torch.optim.lr_scheduler.StepLR"]):
        for made in (optimizer, schedule):
            with pytest.raises(shortcuts.Forbidden):
                made.step()
    x.grad = torch.ones(2)
    optimizer.step()
    assert (x < 1).all()


def test_every_forbidden_function_is_itself_again_after_a_block():
    names = sorted({name for exercise in EXERCISES for name in exercise.forbidden})
    owners = [name.rpartition(".") for name in names]
    found = [getattr(sys.modules.get(owner), name, None) for owner, _, name in owners]
    of_python = [value for value in found if isinstance(value, type) or inspect.isfunction(value)]
    assert len(of_python) > 60 and all(any(shortcuts._functions(value)) for value in of_python)
    functions = [function for value in found for function in shortcuts._functions(value)]
    before = [(function.__code__, function.__kwdefaults__) for function in functions]
    with shortcuts.blocked(names):
        assert not any(f.__code__ is code for f, (code, _) in zip(functions, before, strict=True))
    assert before == [(function.__code__, function.__kwdefaults__) for function in functions]
    assert len(functions) > 100


def test_threads_that_are_started_in_a_block_are_asked_and_others_are_not():
    """A grader's thread that begins while an answer is tried must not be refused forever after."""
    said = {}

    def differentiate(name):
        x = torch.ones(1, requires_grad=True)
        try:
            torch.autograd.grad((x * x).sum(), x)
            said[name] = "differentiated"
        except shortcuts.Forbidden:
            said[name] = "refused"

    def run(target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        thread.join()

    class Own(threading.Thread):
        def run(self):
            differentiate("a thread with a run of its own")

    def tried():
        with shortcuts.blocked([], autograd=False):
            started.set()
            run(differentiate, "its thread")
            run(run, differentiate, "a thread of its thread")
            own = Own()
            own.start()
            own.join()
            go_on.wait(60)

    started, go_on = threading.Event(), threading.Event()
    block = threading.Thread(target=tried)
    block.start()
    started.wait(60)
    other = threading.Thread(target=lambda: (go_on.set(), block.join(), differentiate("another")))
    other.start()
    other.join(60)
    assert said == {
        "its thread": "refused",
        "a thread of its thread": "refused",
        "a thread with a run of its own": "refused",
        "another": "differentiated",
    }


def test_names_that_do_not_exist_are_passed_over():
    with shortcuts.blocked(["torch.no_such_thing", "no.such.module"]):
        assert not hasattr(torch, "no_such_thing")


def test_what_is_printed_in_a_scenario_is_not_kept():
    tracemalloc.start()
    try:
        with quiet():
            for _ in range(100):
                print("x" * 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_the_whole_way_with_the_public_seeds():
    one = exercises.find("normalization.fold_batchnorm")
    report = run(one, expectations.reference(one))
    assert report.score == report.points == 4
    assert report.exercise_id == one.id and report.title == one.title
