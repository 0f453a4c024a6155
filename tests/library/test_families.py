"""What every family of techniques keeps to, found by discovery: tags, names and their order."""

import importlib
import inspect
import io
import pkgutil
import re
import tokenize

import pytest

import cs231n_lib
from autograder.answers import GIVEN_FAMILIES
from autograder.lessons.syllabus import SYLLABUS

FAMILIES = [
    module.name
    for module in pkgutil.iter_modules(cs231n_lib.__path__)
    if module.ispkg and module.name not in set(GIVEN_FAMILIES) - {"layers"}
]
TAG = re.compile(r"\b[A-Z][A-Za-z]*\.\d+\b")


def modules_of(family):
    """Return {name: module} of what implements a family: in_numpy, in_torch, shared, ..."""
    package = importlib.import_module(f"cs231n_lib.{family}")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return {name: importlib.import_module(f"cs231n_lib.{family}.{name}") for name in names}


def stated(family):
    """Return the tags (BN.1) of a family's equations, in the order they are stated."""
    text = importlib.import_module(f"cs231n_lib.{family}").__doc__
    return re.findall(rf"\(({TAG.pattern})\)", text)


def cited(source):
    """Return {tag: line} for the tags in comments that follow code on their line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [t for t in tokens if t.type == tokenize.COMMENT]
    return {
        tag: token.line
        for token in comments
        if token.line[: token.start[1]].strip()
        for tag in TAG.findall(token.string)
    }


def test_citing_is_for_lines_with_code():
    source = "x = 1  # (N,) Adam.1, Adam.2\n# Adam.3\ny = 'BN.4'\n"
    assert cited(source).keys() == {"Adam.1", "Adam.2"}


def test_there_are_families():
    assert {"layers", "normalization"} <= set(FAMILIES)
    assert len(stated("normalization")) >= 17


@pytest.mark.parametrize("family", FAMILIES)
def test_each_equation_is_tagged_once_and_numbered_in_order(family):
    numbers = {}
    for tag in stated(family):
        word, number = tag.split(".")
        numbers.setdefault(word, []).append(int(number))
    for word, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), f"{family}: the tags {word}.n"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_equation_is_cited_by_code_and_every_citation_exists(family):
    """In each framework; what needs none stands in `shared` for all of them.

    A family with functions in PyTorch alone cites each equation in one framework or the other.
    """
    citations = {n: cited(inspect.getsource(m)).keys() for n, m in modules_of(family).items()}
    for name, found in citations.items():
        unknown = found - set(stated(family))
        assert not unknown, f"{family}/{name}.py cites {sorted(unknown)}, which nothing states"
    everywhere = citations.get("shared", set())
    if in_torch_alone(family):
        everywhere = set().union(*citations.values())
    for name in [name for name in citations if name.startswith("in_")] or ["shared"]:
        missing = set(stated(family)) - citations.get(name, set()) - everywhere
        assert not missing, f"{family}/{name}.py never cites {sorted(missing)}"


def in_torch_alone(family):
    """Return the names of a family's functions that have no form in NumPy, as the syllabus says."""
    rows = [row for row in SYLLABUS if row.family == family and row.without_numpy]
    named = {name for row in rows for name in row.functions}
    return named & set(functions_of(modules_of(family)["in_torch"])) if named else set()


def functions_of(module):
    """Return the names of the public functions of a module, in their order.

    These are the ones that it defines, and those of another family that its `__all__` passes on.
    """
    passed_on = getattr(module, "__all__", ())
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and name[0] != "_"
        and (value.__module__ == module.__name__ or name in passed_on)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_both_frameworks_have_the_same_names_in_the_same_order(family):
    modules = modules_of(family)
    if "in_torch" not in modules:
        rows = [row for row in SYLLABUS if row.family == family]
        assert rows and all("torch" not in row.frameworks for row in rows)
        return
    alone = in_torch_alone(family)
    ours, theirs = (functions_of(modules[name]) for name in ("in_numpy", "in_torch"))
    assert theirs and not alone & set(ours)
    theirs = [name for name in theirs if name not in alone]
    assert theirs == [name for name in ours if name in theirs]
    for name in theirs:
        signatures = [
            list(inspect.signature(getattr(modules[m], name)).parameters)
            for m in ("in_numpy", "in_torch")
        ]
        assert signatures[0] == signatures[1], name


@pytest.mark.parametrize("family", FAMILIES)
def test_docstrings_cite_a_slide(family):
    for name, module in modules_of(family).items():
        if family == "layers" or not (name.startswith("in_") or name == "shared"):
            continue
        silent = [f for f in functions_of(module) if "lide" not in getattr(module, f).__doc__]
        assert not silent, f"{family}/{name}.py: no slide in the docstring of {silent}"
