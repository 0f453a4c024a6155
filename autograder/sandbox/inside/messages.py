"""How the grader and a child talk: a line of JSON, then the bytes whose sizes it announces.

    {"do": "observe", "check": …, "seed": …}\n              to the child
    {"arrays": ["out"], "sizes": [1128]}\n<1128 bytes>      and back

Messages are framed here and nowhere else, in both directions. Whoever reads takes no more of a line
than `MAX_LINE`, and looks at every size before it takes a byte of what is announced.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAX_LINE = 8_000_000  # bytes
MAX_PARTS = 200  # of one message
MAX_PART = 9_000_000  # bytes
MAX_ALL = 64_000_000  # bytes of all parts of a message


class Refused(Exception):
    """A message is not as agreed; the text says how, of the one who sent it."""


def framed(message: Mapping[str, Any], parts: Sequence[bytes] = ()) -> bytes:
    r"""Return the bytes of a message and of what it announces.

    >>> framed({"arrays": ["out"]}, [b"abc"])
    b'{"arrays": ["out"], "sizes": [3]}\nabc'
    """
    announced = {"sizes": [len(part) for part in parts]} if parts else {}
    line = json.dumps({**message, **announced}).encode()
    return b"\n".join((line, b"".join(parts)))


def read(receive: Callable[[], bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Return a message and its parts, from bytes as they arrive.

    Raises `Refused` for what is no message, too long, or followed by more than it announces.
    """
    received = bytearray()
    while b"\n" not in received:
        if len(received) > MAX_LINE:
            raise Refused("it produced more output than can be kept")
        received += receive()
    line, _, rest = received.partition(b"\n")
    message = _message(line)
    sizes = _sizes(message)
    while len(rest) < sum(sizes):
        rest += receive()
    if len(rest) > sum(sizes):
        raise Refused("it answered more than it was asked")
    return message, _split(rest, sizes)


def _message(line: bytes | bytearray) -> dict[str, Any]:
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise Refused("its answer was not as agreed")
    return message


def _sizes(message: Mapping[str, Any]) -> list[int]:
    """The sizes of the parts that follow a message, each and together within bounds."""
    sizes = message.get("sizes", [])
    if (
        not isinstance(sizes, list)
        or len(sizes) > MAX_PARTS
        or any(type(size) is not int or not 0 <= size <= MAX_PART for size in sizes)
        or sum(sizes) > MAX_ALL
    ):
        raise Refused("its answer was larger than agreed")
    return sizes


def _split(content: bytes | bytearray, sizes: Sequence[int]) -> list[bytes]:
    parts, start = [], 0
    for size in sizes:
        parts.append(bytes(content[start : start + size]))
        start += size
    return parts
