"""Program text that the build derives: stubs and solutions from a function, guards around a cell.

Nothing here is typed twice: signature, docstring and body all come from the library function.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Callable, Sequence

from autograder.answers import imports_answers
from autograder.checking.definition import definition_in
from autograder.checking.observe import STUB_MESSAGE

STUB = f'raise NotImplementedError("{STUB_MESSAGE}")'
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's markers
INDENT = "    "
LINE = 100  # characters


def stub_source(function: Callable) -> str:
    """Return what a student starts from: signature, docstring, and a body that only raises.

    Of a class, every method is such a stub.

    >>> import textwrap
    >>> print(stub_source(textwrap.dedent).splitlines()[-1].strip())
    raise NotImplementedError("not written yet")
    """
    return _with_bodies(function, lambda body, indent: f"{indent}{STUB}")


def solution_source(function: Callable) -> str:
    """Return the function as a solution cell shows it: without the line that validates input."""
    return _with_bodies(function, lambda body, indent: body)


def undecorated(source: str) -> str:
    """Return a definition without its decorators, and without lines that validate arguments.

    >>> undecorated('@validated(x="N D")\\ndef f(x):\\n    return x')
    'def f(x):\\n    return x'
    """
    definition = definition_in(ast.parse(source))
    inner = [d for node in definition.body for d in getattr(node, "decorator_list", ())]
    dropped = {
        line
        for decorator in (*definition.decorator_list, *filter(_validates, inner))
        for line in range(decorator.lineno, decorator.end_lineno + 1)
    }
    lines = enumerate(source.splitlines(), start=1)
    return "\n".join(line for number, line in lines if number not in dropped)


def nbgrader_source_of(function: Callable) -> str:
    """Return the solution between nbgrader's markers, so that a release keeps the docstring."""
    return _with_bodies(function, lambda body, indent: f"{indent}{BEGIN}\n{body}\n{indent}{END}")


def given_source(function: Callable) -> str:
    """Return the whole source of a helper that students are given."""
    return textwrap.dedent(inspect.getsource(function)).rstrip()


def _with_bodies(function, written):
    """Return the source of a function or class, each body replaced by `written(body, indent)`."""
    pieces = _split(function)
    return "\n\n".join(f"{head}\n{written(body, indent)}" for head, body, indent in pieces)


def _split(function):
    """Return (signature and docstring, body, indent of the body) of a function, or of each method.

    The decorators of the whole are left out, and the lines that validate arguments; the first
    method comes with the head of its class.
    """
    source = textwrap.dedent(inspect.getsource(function))
    definition = definition_in(ast.parse(source))
    if ast.get_docstring(definition) is None or len(definition.body) < 2:
        raise ValueError(
            f"{function.__module__}.{function.__qualname__} needs a docstring and a body: its "
            "stub is the signature with the docstring; write both in the library"
        )
    lines = source.splitlines()
    if isinstance(definition, ast.FunctionDef):
        return [_piece(lines, definition, definition.lineno, len(lines))]
    methods = [node for node in definition.body if isinstance(node, ast.FunctionDef)]
    starts = [min([m.lineno, *(d.lineno for d in m.decorator_list)]) for m in methods]
    shown = [
        start + sum(map(_validates, m.decorator_list))
        for start, m in zip(starts, methods, strict=True)
    ]
    ends = [*(start - 1 for start in starts[1:]), len(lines)]
    pieces = [_piece(lines, *m) for m in zip(methods, shown, ends, strict=True)]
    top = "\n".join(lines[definition.lineno - 1 : starts[0] - 1]).rstrip()
    (first, *rest), *others = pieces
    return [(f"{_without_answer_examples(top)}\n\n{first}", *rest), *others]


def _validates(decorator):
    """Return whether a decorator is the one line that checks arguments."""
    return ast.unparse(decorator).startswith("validated(")


def _piece(lines, definition, first, last):
    """Return (signature and docstring, body, indent) of the function on these lines."""
    statement = definition.body[0]
    documented = ast.get_docstring(definition) is not None
    end = statement.end_lineno if documented else statement.lineno - 1
    head = "\n".join(lines[first - 1 : end])
    body = "\n".join(lines[end:last]).strip("\n").rstrip()
    return _without_answer_examples(head), body, " " * statement.col_offset


def _without_answer_examples(head):
    """Drop the paragraphs of a docstring whose doctest imports reference functions."""
    parts = head.split("\n\n")
    kept = [part for part in parts if not imports_answers(part)]
    text = "\n\n".join(kept)
    return text if parts[-1] in kept else f'{text}\n{INDENT}"""'


def guarded(body: str, names: Sequence[str]) -> str:
    """Put `body` under ``with needs(...):``, leaving the inside of long strings as it stands.

    >>> print(guarded("total = f(1)\\nprint(total)", ["f"]))
    with needs(f):
        total = f(1)
        print(total)
    """
    inside, lines = _lines_inside_strings(body), [_opening(names)]
    for number, line in enumerate(body.splitlines(), start=1):
        if number in inside:
            lines.append(line)
        elif line.strip():
            lines.append(INDENT + line)
        elif lines[-1]:  # one blank line is enough inside a block
            lines.append("")
    text = "\n".join(lines)
    blocks = [block.body for block in ast.parse(text).body if isinstance(block, ast.With)]
    if list(map(_dump, blocks)) != [_dump(ast.parse(body).body)]:
        raise ValueError(
            "this cell changes its meaning when it is indented; "
            "do not continue a line inside a string with a backslash"
        )
    return text


def _opening(names):
    return call("with needs", names) + ":"


def call(function: str, arguments: Sequence[str]) -> str:
    """Return a call on one line, or with an argument on each where one line is too long.

    >>> call("check", ['"family.f"', "f"])
    'check("family.f", f)'
    """
    line = f"{function}({', '.join(arguments)})"
    if len(line) < LINE:
        return line
    return "\n".join([f"{function}(", *(f"{INDENT}{argument}," for argument in arguments), ")"])


def _lines_inside_strings(body):
    """Return the numbers of the lines that begin inside a string token."""
    inside: set[int] = set()
    starts: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(body).readline):
        kind = tokenize.tok_name[token.type]  # since Python 3.12: FSTRING_START … FSTRING_END
        if kind.endswith("STRING_START"):
            starts.append(token.start[0])
        first = starts.pop() if kind.endswith("STRING_END") else token.start[0]
        if kind == "STRING" or kind.endswith("STRING_END"):
            inside.update(range(first + 1, token.end[0] + 1))
    return inside


def _dump(statements):
    return [ast.dump(statement) for statement in statements]
