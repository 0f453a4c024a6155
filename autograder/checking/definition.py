"""The definition with which a program text begins."""

import ast


def definition_in(tree: ast.Module) -> ast.FunctionDef | ast.ClassDef:
    """Return the function or the class that a parsed program starts with.

    Raises:
        ValueError: when it starts with another statement.

    >>> definition_in(ast.parse("def f(x): return x")).name
    'f'
    """
    first = tree.body[0]
    if not isinstance(first, ast.FunctionDef | ast.ClassDef):
        raise ValueError(
            f"a program must start with a function or a class, got {ast.unparse(first)!r}; "
            "pass the text of one definition"
        )
    return first
