"""What goes between the grader and a child is announced, bounded, and framed in one place."""

import ast
from pathlib import Path

import pytest

from autograder.sandbox import process
from autograder.sandbox.inside import messages
from autograder.sandbox.inside.messages import MAX_ALL, MAX_LINE, MAX_PART, MAX_PARTS, Refused
from autograder.submissions import notebook, uploads

CHUNK = 1 << 16
SANDBOX = Path(process.__file__).parent


class Taken:
    """Hands out some bytes in chunks, and counts how many were taken."""

    def __init__(self, content, chunk=CHUNK):
        self.content, self.chunk, self.count = content, chunk, 0

    def __call__(self):
        if self.count >= len(self.content):
            raise ConnectionError
        start, self.count = self.count, self.count + self.chunk
        return self.content[start : self.count]


@pytest.mark.parametrize("chunk", [1, 7, CHUNK])
@pytest.mark.parametrize("parts", [[], [b""], [b"a\nb", b"", b"\x00" * 50]])
def test_a_message_is_read_as_it_was_framed(chunk, parts):
    message, found = messages.read(Taken(messages.framed({"é": [1]}, parts), chunk))
    assert (message["é"], found) == ([1], parts)


@pytest.mark.parametrize(
    "sizes",
    [
        [MAX_PART + 1],
        [MAX_PART] * (MAX_ALL // MAX_PART) + [MAX_ALL % MAX_PART + 1],
        [0] * (MAX_PARTS + 1),
        [-1, 1],
        [True],
        [1.0],
        "12",
        {"0": 1},
    ],
    ids=["one", "all", "count", "negative", "bool", "float", "text", "object"],
)
def test_no_byte_is_taken_of_what_is_announced_larger_than_agreed(sizes):
    taken = Taken(messages.framed({"sizes": sizes}) + bytes(4 * CHUNK))
    with pytest.raises(Refused, match="larger than agreed"):
        messages.read(taken)
    assert taken.count <= CHUNK


@pytest.mark.parametrize("sizes", [[MAX_PART], [1] * MAX_PARTS], ids=["one", "count"])
def test_what_is_within_the_bounds_is_taken(sizes):
    _, parts = messages.read(Taken(messages.framed({}, [bytes(size) for size in sizes])))
    assert [len(part) for part in parts] == sizes


def test_a_line_without_an_end_is_left_as_soon_as_it_is_too_long():
    taken = Taken(b"x" * (MAX_LINE + 4 * CHUNK))
    with pytest.raises(Refused, match="more output than can be kept"):
        messages.read(taken)
    assert taken.count <= MAX_LINE + CHUNK


def test_nothing_may_follow():
    for parts in ([], [b"ab"]):
        with pytest.raises(Refused, match="more than it was asked"):
            messages.read(Taken(messages.framed({}, parts) + b"c"))


def test_whatever_can_be_handed_in_fits_a_request():
    """JSON writes a character with six bytes at most."""
    assert 6 * max(notebook.MAX_SOURCE, uploads.MAX_CODE) + 1000 < MAX_LINE


def test_messages_are_framed_in_one_place():
    """Nobody else writes to a child's connection; `control`, to the warm process, keeps packets."""
    sent = 0
    for path in SANDBOX.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="makefile")):
                    raise AssertionError(f"{path.name}:{node.lineno} reads past the bounds")
                case ast.Call(func=ast.Attribute(value=to, attr="sendall"), args=[what]):
                    where = f"{path.name}:{node.lineno}"
                    framed = ast.unparse(what).startswith("messages.framed(")
                    assert framed or ast.unparse(to) == "control", where
                    sent += framed
    assert sent > 3
