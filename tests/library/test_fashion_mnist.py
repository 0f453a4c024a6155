"""Fashion-MNIST: its format, where it is looked for, and files that are not the official ones."""

import gzip
import hashlib

import numpy as np
import pytest

from cs231n_lib.data import FOLDER_VARIABLE, fashion_mnist, load, load_fashion_mnist

PIXELS = np.random.default_rng(0).integers(0, 256, (25, 28, 28), np.uint8)
LABELS = np.arange(25, dtype=np.uint8) % 10


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep the tests away from data that this computer may have."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(fashion_mnist, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")


def idx(array):
    """Return an array of bytes in the IDX format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


CONTENTS = dict(
    zip(
        fashion_mnist.FILES,
        map(idx, (PIXELS[:20], LABELS[:20], PIXELS[20:], LABELS[20:])),
        strict=True,
    )
)


def write(folder, packed=True, **changes):
    folder.mkdir(parents=True)
    for name, content in (CONTENTS | changes).items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
def test_images_and_labels_are_read(packed, tmp_path, capsys):
    write(tmp_path / "fashion-mnist", packed)
    sets = load_fashion_mnist(tmp_path)
    assert [len(x) for x in (sets.x_train, sets.x_val, sets.x_test)] == [18, 2, 5]
    assert (sets.name, len(sets.classes), sets.x_train.dtype) == ("fashion-mnist", 10, np.float32)
    x = np.concatenate([sets.x_train, sets.x_val, sets.x_test])
    np.testing.assert_array_equal(np.round(x * 255).reshape(-1, 28, 28), PIXELS)
    assert np.concatenate([sets.y_train, sets.y_val, sets.y_test]).tolist() == LABELS.tolist()
    assert sets.y_train.dtype == np.int64 and sets.images().x_test.shape == (5, 1, 28, 28)
    out = capsys.readouterr().out
    assert "has 20 training and 5 test records" in out and out.count("\n") == 1


@pytest.mark.parametrize("where", ["variable", "debian", "cache"])
def test_where_it_is_looked_for(where, tmp_path, monkeypatch):
    if where == "cache":  # files of a download must be the official ones
        official = {n: ("", hashlib.sha256(c).hexdigest()) for n, c in CONTENTS.items()}
        monkeypatch.setattr(fashion_mnist, "FILES", official)
    place = {"debian": tmp_path / "debian", "cache": tmp_path / "cache" / "fashion-mnist"}
    folder = place.get(where, tmp_path / "mine")
    if where == "variable":
        monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    write(folder)
    assert len(load("fashion-mnist").x_test) == 5


def test_without_it_digits_come_in_one_line(capsys):
    assert load("fashion-mnist").name == "digits"
    out = capsys.readouterr().out
    assert "load_fashion_mnist(download=True) downloads 31 MB" in out and out.count("\n") == 1


IMAGES, ANSWERS = list(fashion_mnist.FILES)[:2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({IMAGES: CONTENTS[IMAGES][:-1]}, "must be a whole IDX file of bytes, got 15695 bytes"),
        ({IMAGES: CONTENTS[IMAGES] + b"x"}, "must be a whole IDX file of bytes"),
        ({IMAGES: b""}, "got 0 bytes that begin with ''"),
        ({IMAGES: b"<html>not found"}, "must be a whole IDX file"),
        ({IMAGES: CONTENTS[IMAGES][:7]}, "must be a whole IDX file"),
        ({ANSWERS: CONTENTS[ANSWERS][:4]}, "must be a whole IDX file"),
        ({IMAGES: b"\0\0\x08\xff" + bytes(99)}, "must be a whole IDX file"),
        ({IMAGES: CONTENTS[ANSWERS]}, "pictures of 28 × 28 pixels with a label each, got arrays"),
        ({ANSWERS: idx(LABELS[:19])}, r"got arrays of shapes \(20, 28, 28\) and \(19,\)"),
        ({ANSWERS: idx(LABELS[:20] + 5)}, "must hold labels from 0 to 9, got 14"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_files_that_are_incomplete_or_others_are_refused(changes, message, packed, tmp_path):
    write(tmp_path / "mine", packed, **changes)
    with pytest.raises(ValueError, match=message):
        load_fashion_mnist(tmp_path / "mine")


def test_training_pictures_are_none_for_testing(tmp_path):
    twice = dict(zip(CONTENTS, list(CONTENTS.values())[:2] * 2, strict=True))
    write(tmp_path / "mine", **twice)
    with pytest.raises(ValueError, match="must hold every picture once, but those for training"):
        load_fashion_mnist(tmp_path / "mine")


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: c[:50] + b"?" + c[51:]])
def test_a_damaged_gz_is_refused(damage, tmp_path):
    write(tmp_path / "mine")
    file = tmp_path / "mine" / f"{IMAGES}.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match="must be a whole IDX file of bytes, got 0 bytes"):
        load_fashion_mnist(tmp_path / "mine")


def test_a_download_that_is_not_the_official_one_is_refused_and_fetched_again(
    tmp_path, monkeypatch
):
    """By fake downloads: each file that is asked for is written as it should be."""
    folder = tmp_path / "cache" / "fashion-mnist"
    official = {n: ("md5", hashlib.sha256(c).hexdigest()) for n, c in CONTENTS.items()}
    monkeypatch.setattr(fashion_mnist, "FILES", official)
    write(folder, **{IMAGES: idx(PIXELS[:20] ^ 1)})
    with pytest.raises(ValueError, match=r"is not as it was downloaded; fetch it again with"):
        load_fashion_mnist()
    fetched = []

    def fake(url, checksum, place, what, instead):
        name = url.rpartition("/")[2]
        fetched.append(name)
        (place / name).write_bytes(gzip.compress(CONTENTS[name.removesuffix(".gz")]))

    monkeypatch.setattr(fashion_mnist, "fetch", fake)
    assert len(load_fashion_mnist(download=True).x_test) == 5
    assert fetched == [f"{name}.gz" for name in CONTENTS]


def test_offline_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "URL", "http://127.0.0.1:9/")  # nobody listens there
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionError, match=r"call again to continue; .* load_fashion_mnist\("):
        load_fashion_mnist(download=True)
