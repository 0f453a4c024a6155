"""The state of a training in two files, so that it can go on bit for bit: no pickle.

What is saved is a tree of dicts, lists, tuples, numbers, text, None and arrays or tensors. The tree
goes into a JSON file; arrays and tensors go into one .npz and leave their key in the tree.
"""

import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

FORMAT = 1
PLAIN = (bool, int, float, str, type(None))
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)  # what another content leads to


def save_state(path, step, tree):
    """Write the tree as `path`.json and `path`.STEP.npz, and remove the .npz of the step before.

    The JSON file is replaced last and as a whole, so an interruption leaves the old state complete.

    Raises:
        TypeError: for a value that such a file cannot hold.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_state(f"{folder}/run", 7, {"w": np.eye(2), "betas": (0.9, 0.999)})
    ...     load_state(f"{folder}/run")
    (7, {'w': array([[1., 0.],
           [0., 1.]]), 'betas': (0.9, 0.999)})
    """
    path, arrays = Path(path), {}
    content = {"format": FORMAT, "step": step, "state": _encoded(tree, arrays, "state")}
    before = _arrays_of(path)
    new = path.with_name(f"{path.name}.{step}.npz")
    with _replacing(new) as file:
        np.savez(file, **arrays)
    with _replacing(path.with_name(f"{path.name}.json")) as file:
        file.write(json.dumps(content).encode() + b"\n")
    for old in before - {new}:
        old.unlink()


def rehearse(path, tree):
    """Refuse at once what `save_state` would refuse later: a tree, or a path to write to.

    Raises:
        TypeError: for a value that such a file cannot hold.
        OSError: when no file can be written there.
    """
    _encoded(tree, {}, "state")
    require_writable(Path(path), f"{Path(path).name}.json")


def require_writable(path, name):
    """Refuse a path where no file of this name, nor one beside it, can be written."""
    file, trial = path.with_name(name), path.with_name(f"{path.name}.new")
    try:
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder")
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise type(error)(
            f"the path must be in a folder that exists and can be written to, got {path}: {error}"
        ) from None


def load_state(path):
    """The (step, tree) that `save_state` wrote; None where there is no file.

    Raises:
        ValueError: when the files hold something else, or one of them is missing.
    """
    path = Path(path)
    file = path.with_name(f"{path.name}.json")
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError
        step = content["step"]
        with (
            open(path.with_name(f"{path.name}.{step}.npz"), "rb") as archive,
            np.load(archive, allow_pickle=False) as arrays,
        ):
            return step, _decoded(content["state"], arrays)
    except (*UNREADABLE, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ValueError(
            f"{file} and the .npz beside it must hold a training as `fit(save=...)` writes it; "
            "remove them to start anew, or choose another path"
        ) from None


def _encoded(value, arrays, place):
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if type(value) in PLAIN:
        return value
    if isinstance(value, list):
        return {"list": [_encoded(v, arrays, f"{place}[{k}]") for k, v in enumerate(value)]}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(v, arrays, f"{place}[{k}]") for k, v in enumerate(value)]}
    if isinstance(value, dict):
        items = value.items()
        return {"dict": [[_key(k, place), _encoded(v, arrays, f"{place}.{k}")] for k, v in items]}
    key = f"a{len(arrays)}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        arrays[key] = value.copy()
        return {"array": key}
    if hasattr(value, "is_floating_point"):
        return _encoded_tensor(value, arrays, key)
    raise TypeError(
        f"{place} must be a number, text, None, an array, or a list, tuple or dict of such, to be "
        f"saved; got {type(value).__name__}"
    )


def _key(key, place):
    if type(key) not in PLAIN:
        raise TypeError(f"a key of {place} must be a number or text to be saved, got {key!r}")
    return key


def _encoded_tensor(tensor, arrays, key):
    import torch

    tensor = tensor.detach().cpu().clone()
    kind = str(tensor.dtype).removeprefix("torch.")
    arrays[key] = (tensor.view(torch.int16) if kind == "bfloat16" else tensor).numpy()
    return {"tensor": key, "dtype": kind}


def _decoded(value, arrays):
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        import torch

        tensor = torch.from_numpy(arrays[value["tensor"]].copy())
        return tensor.view(torch.bfloat16) if value["dtype"] == "bfloat16" else tensor
    if "array" in value:
        return arrays[value["array"]]
    if "dict" in value:
        return {key: _decoded(entry, arrays) for key, entry in value["dict"]}
    kind = list if "list" in value else tuple
    return kind(_decoded(entry, arrays) for entry in value[kind.__name__])


def _arrays_of(path):
    """The .npz files beside a saved state: one, or none."""
    return {
        file
        for file in path.parent.glob(f"{path.name}.*.npz")
        if file.name[len(path.name) + 1 : -len(".npz")].isdigit()
    }


class _replacing:
    """A file to write that takes its name when it is complete."""

    def __init__(self, path):
        self.path, self.new = path, path.with_name(f"{path.name}.new")

    def __enter__(self):
        self.file = open(self.new, "wb")
        return self.file

    def __exit__(self, kind, *error):
        self.file.close()
        try:
            if kind is None:
                os.replace(self.new, self.path)
        finally:
            self.new.unlink(missing_ok=True)
