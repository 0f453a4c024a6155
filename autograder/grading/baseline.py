"""What all submissions to a lesson have in common, kept once for all of them.

Most of what students' functions return is, but for rounding, what the reference returns. So a
submission's values are written as the bits in which they differ from the reference's, one byte of
all values after the other: where they agree there are only zeros, which take no room in a file.
Nothing is lost, and nothing of a student is in what is kept once.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping

import numpy as np

from autograder.grading.pack import Packed, taken

WIDTH = 8  # bytes of most values


class Baseline:
    """What the references of a lesson show, and the texts of its experiments, as one file."""

    def __init__(self, content: bytes):
        self.content = content
        self.digest = hashlib.sha256(content).hexdigest()
        facts, self._values = read_archive(content)
        self.experiments: dict[str, str] = facts["experiments"]
        self._entries: dict[str, dict[str, dict[str, list]]] = facts["entries"]

    @classmethod
    def of(
        cls,
        experiments: Mapping[str, str],
        arrays: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    ) -> Baseline:
        """Make one of the text of each exercise, and the arrays by exercise, check and name."""
        values = Packed()
        entries = {
            exercise: {
                check: {key: values.put(array) for key, array in found.items()}
                for check, found in checks.items()
            }
            for exercise, checks in arrays.items()
        }
        facts = {"experiments": dict(experiments), "entries": entries}
        return cls(archive(facts, values.content()))

    def differences(self, exercise: str, stored: Mapping[str, Mapping], values: bytes) -> bytes:
        """Return the bits in which packed values differ; of these, again, the values.

        Args:
            stored: where they are: by check, what `observations.stored` says.
        """
        mine = np.zeros(len(values), np.uint8)
        for check, known in self._entries.get(exercise, {}).items():
            theirs = stored.get(check, {}).get("arrays", {})
            for key in known.keys() & theirs.keys():
                if known[key][:2] == theirs[key][:2]:
                    *_, order, offset = theirs[key]
                    array = taken(self._values, known[key])
                    flat = np.frombuffer(array.tobytes(order), np.uint8)
                    mine[offset : offset + flat.size] = flat
        return (np.frombuffer(values, np.uint8) ^ mine).tobytes()


def archive(facts: Mapping, values: bytes) -> bytes:
    """Return the content of a .npz of facts, as JSON, and values, which it packs well."""
    rows = math.ceil(len(values) / WIDTH)
    padded = np.frombuffer(values.ljust(rows * WIDTH, b"\0"), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        facts=np.frombuffer(json.dumps({**facts, "bytes": len(values)}).encode(), np.uint8),
        values=padded.reshape(rows, WIDTH).T,
    )
    return file.getvalue()


def read_archive(content: bytes) -> tuple[dict, bytes]:
    """Return the facts and values of an `archive`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        facts = json.loads(found["facts"].tobytes())
        length = facts.get("bytes")  # which an earlier version does not say
        return facts, found["values"].T.tobytes()[:length]
