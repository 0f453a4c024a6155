"""What a lesson's checks expect of graded submissions, kept between one grading and the next.

To run the references and all known answers takes seconds, and PyTorch; the arrays that they show,
and the texts of the two answers with known marks, take a few milliseconds to read. They hold for
one key (the software, the template, the secret) and lie on the trusted side, behind a code that
only who has the secret can make.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path

from autograder.checking.diagnose import Known
from autograder.checking.judge import Expected
from autograder.checking.spec import Check, Exercise
from autograder.checking.traces import Trace
from autograder.grading.canary import Answers, answers
from autograder.grading.observations import seen_from, stored
from autograder.grading.pack import Packed, taken
from autograder.grading.results import write_atomically

CODE = hashlib.sha256().digest_size  # bytes in front of the content
LENGTH = 8  # bytes that say how long the facts are


class Kept:
    """Answers as `expectations.live` does, from what an earlier grading computed and packed."""

    def __init__(self, packed: bytes):
        self.packed = packed
        begin = CODE + LENGTH
        end = begin + int.from_bytes(packed[CODE:begin], "big")
        self._facts, self._values = json.loads(packed[begin:end]), packed[end:]
        self.expected = cache(self._expected)
        self.misconceptions = cache(self._misconceptions)

    def tags(self, exercise: Exercise) -> tuple[str, ...]:
        """Return the equations that the reference of an exercise cites."""
        return tuple(self._facts[exercise.id]["tags"])

    def answers(self, exercise: Exercise) -> Answers:
        """Return the texts of the answers with known marks."""
        return Answers(**self._facts[exercise.id]["answers"])

    def _arrays(self, entries):
        return {key: taken(self._values, entry) for key, entry in entries.items()}

    def _expected(self, exercise: Exercise, check: Check) -> Expected:
        found = self._facts[exercise.id]["checks"][check.name]
        variants = tuple((remark, self._arrays(entries)) for remark, entries in found["variants"])
        arrays = self._arrays(found["arrays"])
        return Expected(arrays, found["dtypes"], found["noise"], variants, found["coarsest"])

    def _misconceptions(self, exercise: Exercise) -> tuple[Known, ...]:
        return tuple(
            Known(
                known["name"],
                known["hint"],
                {name: seen_from(one, self._values) for name, one in known["seen"].items()},
                {name: tuple(keys) for name, keys in known["wrong"].items()},
                known["group"],
            )
            for known in self._facts[exercise.id]["known"]
        )

    def traces(self, exercise: Exercise) -> tuple[Trace, ...]:
        """None: nobody's mark waits for answers made by machine."""
        return ()


def read(where: Path | bytes, key: str, secret: bytes) -> Kept | None:
    """Return what was packed under this key, or None where it has to be computed.

    Args:
        where: the file that it was written to, or its content.
    """
    with contextlib.suppress(OSError):
        packed = where if isinstance(where, bytes) else where.read_bytes()
        if hmac.compare_digest(packed[:CODE], _code(secret, key, packed[CODE:])):
            return Kept(packed)
    return None


def pack(key: str, secret: bytes, exercises: Iterable[Exercise], provider) -> bytes:
    """Return what a provider expects, for `read`."""
    values = Packed()
    facts = {exercise.id: _facts_of(exercise, provider, values) for exercise in exercises}
    text = json.dumps(facts).encode()
    content = len(text).to_bytes(LENGTH, "big") + text + values.content()
    return _code(secret, key, content) + content


def write(path: Path, packed: bytes) -> None:
    """Keep it; where that fails, it is computed again next time."""
    with contextlib.suppress(OSError):
        write_atomically(path, packed, through=False)


def _code(secret: bytes, key: str, content: bytes) -> bytes:
    return hmac.digest(secret, key.encode() + content, "sha256")


def _facts_of(exercise: Exercise, provider, values: Packed) -> dict:
    def put(arrays):
        return {key: values.put(array) for key, array in arrays.items()}

    expected = {check.name: provider.expected(exercise, check) for check in exercise.checks}
    return {
        "tags": provider.tags(exercise),
        "answers": asdict(answers(exercise)),
        "checks": {
            name: {
                "arrays": put(one.arrays),
                "dtypes": one.dtypes,
                "noise": one.noise,
                "variants": [[remark, put(arrays)] for remark, arrays in one.variants],
                "coarsest": one.coarsest,
            }
            for name, one in expected.items()
        },
        "known": [
            {
                "name": known.name,
                "hint": known.hint,
                "seen": {name: stored(seen, values) for name, seen in known.seen.items()},
                "wrong": known.wrong,
                "group": known.group,
            }
            for known in provider.misconceptions(exercise)
        ],
    }
