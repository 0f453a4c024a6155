"""Exercises whose answer is a class: its stub, its objects in a scenario, its wrong answers."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch

from autograder import check as checks
from autograder import exercises, expectations, misconceptions
from autograder.check import check, run
from autograder.checking.observe import BadReturn, Implementation, observe_check
from autograder.checking.spec import Misconception
from autograder.lessons.source import (
    STUB,
    nbgrader_source_of,
    solution_source,
    stub_source,
)
from autograder.quality.mutation import mutants

CLASSES = [exercise for exercise in exercises.all_exercises() if exercise.kind == "class"]
for_every_class = pytest.mark.parametrize("exercise", CLASSES, ids=lambda e: e.id)
BATCH_NORM = exercises.find("normalization.torch.BatchNorm")


def methods_of(exercise):
    """Return the methods that the reference of a class writes, by name."""
    written = expectations.reference(exercise)[exercise.function]
    return {name: value for name, value in vars(written).items() if inspect.isfunction(value)}


def defined(source, exercise):
    """Return what a cell with this source defines under the name of the exercise."""
    namespace = {"torch": torch, "copy": copy, "math": math, **expectations.reference(exercise)}
    exec(source, namespace)
    return namespace[exercise.function]


@for_every_class
def test_the_stub_of_a_class_has_every_method_and_none_is_written(exercise):
    reference = expectations.reference(exercise)[exercise.function]
    stub = defined(stub_source(reference), exercise)
    assert stub.__doc__ and stub.__mro__[1:] == reference.__mro__[1:]
    for name, method in methods_of(exercise).items():
        assert inspect.signature(vars(stub)[name]) == inspect.signature(method)
        assert STUB in stub_source(reference).partition(f"def {name}(")[2]
    report = run(exercise, expectations.reference(exercise) | {exercise.function: stub})
    assert report.score == 0 and {row.message for row in report.rows} == {"not written yet"}


@for_every_class
def test_the_solution_of_a_class_is_the_class(exercise):
    functions = expectations.reference(exercise)
    solution = solution_source(functions[exercise.function])
    marked = nbgrader_source_of(functions[exercise.function])
    lines = [line for line in marked.splitlines() if "### " not in line]
    assert lines == solution.splitlines()
    assert marked.count("BEGIN SOLUTION") == len(methods_of(exercise))
    report = run(exercise, functions | {exercise.function: defined(solution, exercise)})
    assert report.score == report.points


@for_every_class
def test_methods_are_short(exercise):
    for name, method in methods_of(exercise).items():
        lines = [line for line in inspect.getsource(method).splitlines() if line.strip()]
        docstring = len((inspect.getdoc(method) or "").splitlines()) if method.__doc__ else 0
        assert len(lines) - docstring <= 16, name  # the line of `def`, and 15 of the body


@for_every_class
def test_autograd_may_be_off_where_the_student_left_it_off(exercise):
    with torch.no_grad():
        report = run(exercise, expectations.reference(exercise))
    assert report.score == report.points


def test_a_scenario_meets_the_very_objects():
    class Layer(torch.nn.Module):
        pass

    impl = Implementation({"BatchNorm": Layer}, BATCH_NORM)
    assert isinstance(impl.BatchNorm(), Layer)
    assert torch.equal(impl.tensor(np.ones(2)), torch.ones(2, dtype=torch.float64))
    assert isinstance(impl.array("out", torch.ones(2, requires_grad=True)), np.ndarray)
    with pytest.raises(BadReturn, match="out must be a tensor, got tuple"):
        impl.array("out", (torch.ones(2), None))


def test_what_is_forbidden_stays_forbidden_with_autograd():
    class Shortcut(torch.nn.Module):
        def __init__(self, features, eps=1e-5, momentum=0.9):
            super().__init__()
            self.inner = torch.nn.BatchNorm1d(features, eps, 1 - momentum)

    impl = Implementation({"BatchNorm": Shortcut}, BATCH_NORM)
    seen = observe_check(impl, BATCH_NORM, BATCH_NORM.checks[0], seed=0)
    assert seen.fault.kind == "shortcut" and "BatchNorm1d" in seen.fault.text


@pytest.mark.parametrize("wrongly", [lambda features: None, torch.nn.Identity()])
def test_an_object_or_a_function_is_no_class(wrongly):
    forward = expectations.reference(BATCH_NORM)["batchnorm_forward"]
    with pytest.raises(TypeError, match=r"BatchNorm must be a class, got .*pass the class itself"):
        check(BATCH_NORM.id, forward, wrongly)
    assert checks.recorder is None


def test_edits_of_a_method_leave_the_others_alone():
    edits = {"BatchNorm.forward": (("self.eps", "0.0"),), "BatchNorm.__init__": (("ones", "rand"),)}
    texts = misconceptions.texts_of(Misconception(BATCH_NORM.id, "name", "hint", edits))
    before = misconceptions.reference_source(BATCH_NORM, "BatchNorm")
    changed = [
        pair
        for pair in zip(before.splitlines(), texts["BatchNorm"].splitlines(), strict=True)
        if pair[0] != pair[1]
    ]
    assert [new.strip() for _, new in changed] == [
        "self.gamma = torch.nn.Parameter(torch.rand(features))",
        '"eps": 0.0,',
    ]


def test_mutants_of_a_class_change_its_methods_and_no_signature():
    text = '''
class Counter(Base):
    """Count."""

    def __init__(self, start=0):
        """Start."""
        self.count = start

    def step(self, by=1):
        self.count = self.count + by
'''
    found = {mutant.line for mutant in mutants(text, {"by": "int"})}
    assert "self.count = self.count - by" in found
    assert {"left out: self.count = start", "left out: self.count = self.count + by"} <= found
    assert all("start=0" in m.text and "by=1" in m.text and "Count." not in m.text
               for m in mutants(text, {}))  # fmt: skip
