"""What a docstring of a public function says: parameters, what comes back, what it raises, example.

A function counts as public when it belongs to a family of techniques, or is in the `__all__` of a
package. One that is "as" another, named between backticks, need not say again what that one says,
and neither does the PyTorch or the tuned form of a function of `in_numpy`.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest

import cs231n_lib

FORMS = ("in_numpy", "in_torch", "shared", "tuned")


def public():
    """Return {name: function} of the library's public functions, plots apart."""
    functions = {}
    for found in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if found.name.startswith("cs231n_lib.plotting"):
            continue  # what they draw is seen, and their titles are arguments
        module = importlib.import_module(found.name)
        form = found.name.rpartition(".")[2] in FORMS
        names = vars(module) if form else getattr(module, "__all__", ())
        for name in names:
            value = getattr(module, name)
            home = getattr(value, "__module__", "")
            own = home == module.__name__ if form else home.startswith("cs231n_lib")
            if inspect.isfunction(value) and own and name[0] != "_":
                functions[f"{home.removeprefix('cs231n_lib.')}.{name}"] = value
    return functions


PUBLIC = public()
SAME_NAME = {}
for _name, _function in PUBLIC.items():
    SAME_NAME.setdefault(_name.rpartition(".")[2], []).append(_function)


def told(function):
    """Return a function's docstring with those that it refers to."""
    text = function.__doc__ or ""
    named = re.findall(r"\bas (?:for )?`(?:\w+\.)*(\w+)`", text)
    parts = inspect.getmodule(function).__name__.split(".")
    if parts[-1] in ("in_torch", "tuned"):
        named.append(function.__name__)
    others = [other for name in named for other in SAME_NAME.get(name, []) if other is not function]
    return "\n".join([text, *(other.__doc__ or "" for other in others)])


def lacking(function):
    """Return what the docstring of a function does not say."""
    text, own = told(function), function.__doc__ or ""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    inner = [n for n in ast.walk(tree) if n is not tree and isinstance(n, ast.FunctionDef)]
    nodes = set(ast.walk(tree)) - {below for node in inner for below in ast.walk(node)}
    lacks = [
        f"the parameter {name}"
        for name in inspect.signature(function).parameters
        if not re.search(rf"\b{name}\b", text)
    ]
    returns = any(isinstance(n, ast.Return) and n.value for n in nodes)
    says = "Returns" in text or re.match(r"(Return|Yield|The |One )", own)
    if returns and not says:
        lacks.append("what it returns")
    if any(isinstance(n, ast.Raise) and n.exc for n in nodes) and "aises" not in text:
        lacks.append("what it raises")
    answer = re.search("separating_|_breaking_", function.__name__)  # an example would give it away
    if ">>>" not in own and not answer:
        lacks.append("an example")
    return lacks


def test_it_finds_functions_and_what_they_lack():
    assert len(PUBLIC) > 200

    def bare(x, eps):
        """As it is: x."""
        if eps:
            raise ValueError
        return x

    assert lacking(bare) == [
        "the parameter eps",
        "what it returns",
        "what it raises",
        "an example",
    ]


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_say_what_goes_in_what_comes_out_and_what_is_raised(name):
    assert lacking(PUBLIC[name]) == []
