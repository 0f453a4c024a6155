"""Data sets: their splits, their file formats, and a download that is interrupted."""

import dataclasses
import hashlib
import io
import os
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cs231n_lib.data import (
    FOLDER_VARIABLE,
    batches,
    cifar10,
    digits,
    downloads,
    faces,
    load,
    load_cifar10,
    load_fashion_mnist,
    photograph_patches,
)

ANIMALS = ["bird", "cat", "deer", "dog", "frog", "horse"]
CLASSES = ["airplane", "automobile", *ANIMALS, "ship", "truck"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep the tests away from data that this computer may have."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(cifar10, "cache", lambda: tmp_path / "cache")


# --------------------------------------------------------------------------- digits


def test_digits_are_split_without_overlap_or_loss():
    sets = digits()
    parts = [sets.x_train, sets.x_val, sets.x_test]
    assert [part.shape for part in parts] == [(1297, 64), (250, 64), (250, 64)]
    labels = np.concatenate([sets.y_train, sets.y_val, sets.y_test])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    everything = np.concatenate(parts)
    # One of the 1,797 images occurs no second time: so none is in two parts.
    assert len(np.unique(everything, axis=0)) == 1797
    assert (everything.min(), everything.max()) == (0, 1)
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}
    assert labels.dtype == np.int64


def test_the_seed_chooses_the_split():
    np.testing.assert_array_equal(digits(3).x_val, digits(3).x_val)
    assert (digits(3).x_val != digits(4).x_val).any()


def test_images_are_the_rows_in_another_shape():
    rows, images = digits(), digits().images()
    assert images.x_val.shape == (250, 1, 8, 8)
    np.testing.assert_array_equal(images.x_val[5, 0, 1], rows.x_val[5, 8:16])
    np.testing.assert_array_equal(images.flat().x_val, rows.x_val)
    np.testing.assert_array_equal(images.y_val, rows.y_val)


def test_random_labels_reach_only_their_share_of_the_training_examples():
    """Of 30 % random labels of ten classes 27 % are wrong: a binomial number of the 389 drawn."""
    sets = digits()
    for seed in range(20):
        noisy = sets.with_random_labels(0.3, np.random.default_rng(seed))
        wrong = (noisy.y_train != sets.y_train).sum()
        expected, deviation = 389 * 0.9, np.sqrt(389 * 0.9 * 0.1)
        assert abs(wrong - expected) < 4.5 * deviation and wrong <= 389
        np.testing.assert_array_equal(noisy.y_val, sets.y_val)
        np.testing.assert_array_equal(noisy.y_test, sets.y_test)
    assert (sets.y_train == digits().y_train).all()  # the original is as it was
    everything = sets.with_random_labels(1, np.random.default_rng(0)).y_train
    assert np.bincount(everything, minlength=10).min() > 80  # of about 130
    with pytest.raises(ValueError, match="share must be between 0 and 1, got 30"):
        sets.with_random_labels(30, np.random.default_rng(0))


def test_few_are_the_first():
    np.testing.assert_array_equal(digits().few(7).x_train, digits().x_train[:7])
    with pytest.raises(ValueError, match="n must be at most 1297, the examples, got 1298"):
        digits().few(1298)


def test_the_switch(capsys):
    assert load().name == load("digits").name == "digits"
    with pytest.raises(ValueError, match=r"must be 'digits' or .* or 'fashion-mnist', got 'mnist'"):
        load("mnist")
    assert capsys.readouterr().out == ""


# --------------------------------------------------------------------------- CIFAR-10's files


def records(labels, seed=0):
    """Return records in CIFAR-10's binary layout with these labels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), np.uint8)
    return np.hstack([np.array(labels, np.uint8)[:, None], pixels])


def write_cifar10(folder, sizes=(12, 8), test_size=5):
    """Write a small CIFAR-10 and return its training records."""
    folder.mkdir(parents=True)
    parts = [records(np.arange(n) % 10, seed) for seed, n in enumerate(sizes)]
    for k, part in enumerate(parts, 1):
        (folder / f"data_batch_{k}.bin").write_bytes(part.tobytes())
    (folder / "test_batch.bin").write_bytes(records([9] * test_size).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")
    return np.concatenate(parts)


def test_cifar10_is_read_record_by_record(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    expected = write_cifar10(folder)
    sets = load_cifar10(folder)
    assert (sets.name, sets.classes) == ("cifar10", tuple(CLASSES))
    assert [len(x) for x in (sets.x_train, sets.x_val, sets.x_test)] == [18, 2, 5]
    x, y = np.concatenate([sets.x_train, sets.x_val]), np.concatenate([sets.y_train, sets.y_val])
    np.testing.assert_array_equal(y, expected[:, 0])
    np.testing.assert_array_equal(np.round(x * 255), expected[:, 1:])
    assert x.dtype == np.float32 and x.max() == 1 and sets.y_test.tolist() == [9] * 5
    # The second row of the green plane starts after 1,024 red and 32 green pixels.
    images = sets.images()
    assert images.x_train.shape == (18, 3, 32, 32)
    np.testing.assert_array_equal(images.x_train[3, 1, 1], x[3, 1056:1088])


@pytest.mark.parametrize("how", ["argument", "parent", "variable", "cache", "switch"])
def test_where_cifar10_is_looked_for(how, tmp_path, monkeypatch, capsys):
    parent = tmp_path / ("cache" if how == "cache" else "elsewhere")
    folder = parent / "cifar-10-batches-bin"
    write_cifar10(folder)
    if how in ("variable", "switch"):
        monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    arguments = {"argument": [folder], "parent": [str(parent)]}.get(how, [])
    found = load("cifar10") if how == "switch" else load_cifar10(*arguments)
    assert len(found.x_test) == 5
    assert capsys.readouterr().out == (
        f"CIFAR-10 in {folder} has 20 training and 5 test records; "
        "the official files have 50,000 training and 10,000 test.\n"
    )


def test_without_cifar10_the_error_says_what_to_do(tmp_path):
    message = re.escape(f"are not in {tmp_path}; pass their folder, load_cifar10('...")
    with pytest.raises(FileNotFoundError, match=message) as caught:
        load_cifar10(tmp_path)
    assert "CS231N_DATA" in str(caught.value) and "download=True" in str(caught.value)


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_a_wrong_folder_in_the_variable_is_no_reason_for_digits(name, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(name)


def test_a_folder_may_begin_with_a_tilde(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(FOLDER_VARIABLE, "~/data")
    assert len(load_cifar10().x_test) == len(load_cifar10("~/data").x_test) == 5


def test_copies_of_a_file_are_refused(tmp_path):
    """A browser's second download, or a renamed copy: validation would hold training images."""
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    content = (folder / "data_batch_1.bin").read_bytes()
    for name, message in [
        ("data_batch_1 (1).bin", r"no copies of them, got 'data_batch_1 \(1\)\.bin'; remove it"),
        ("data_batch_3.bin", "data_batch_1.bin and data_batch_3.bin are the same; remove the copy"),
    ]:
        (folder / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load_cifar10(folder)
        (folder / name).unlink()
    (folder / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"data_batch_1\.bin and test_batch\.bin are the same"):
        load_cifar10(folder)


ODD = {  # what may lie in a folder, made by a function of its path, and what is said
    "data_batch_2.bin~": (lambda path: path.touch(), "no copies of them"),
    "data_batch_3.bin.part": (lambda path: path.touch(), "no copies of them"),
    "data_batch_01.bin": (lambda path: path.touch(), "no copies of them"),
    "data_batch_0.bin": (lambda path: path.touch(), "no copies of them"),
    "data_batch_3.bin": (lambda path: path.mkdir(), "which is no file"),
    "data_batch_4.bin": (lambda path: path.symlink_to("nowhere"), "which is no file"),
    "data_batch_5.bin": (lambda path: path.symlink_to(path), "which is no file"),
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_else_is_named_like_a_file_of_records_is_refused_by_name(name, tmp_path):
    folder, (make, message) = tmp_path / "cifar", ODD[name]
    write_cifar10(folder)
    make(folder / name)
    with pytest.raises(ValueError, match=rf"got '{name}'.*; remove it$") as caught:
        load_cifar10(folder)
    assert message in str(caught.value)


def test_a_file_may_be_a_link(tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    elsewhere = (folder / "data_batch_2.bin").rename(tmp_path / "elsewhere")
    (folder / "data_batch_2.bin").symlink_to(elsewhere)
    assert len(load_cifar10(folder).x_train) == 18


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cat\n" * 10,
        b"a\nb\nc",
        "\n".join(CLASSES).replace("a", "\xe4").encode("latin-1"),
        "\n".join(CLASSES).encode("utf-16"),
    ],
)
def test_names_of_classes_that_are_none_are_refused(content, tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    (folder / "batches.meta.txt").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"batches\.meta\.txt must hold the names of CIFAR-10's ten"
    ):
        load_cifar10(folder)


def test_a_name_of_a_class_may_have_a_space(tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    text = (folder / "batches.meta.txt").read_text().replace(CLASSES[0], "jet plane")
    (folder / "batches.meta.txt").write_text(text.replace("\n", "\r\n"))
    assert load_cifar10(folder).classes == ("jet plane", *CLASSES[1:])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff", b'{"test_batch.bin": 3}'])
def test_a_list_of_checksums_that_is_damaged_is_a_damaged_download(content, tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    (folder / "checksums.json").write_bytes(content)
    with pytest.raises(ValueError, match="is not as it was downloaded; fetch CIFAR-10 again"):
        load_cifar10(folder)


@pytest.mark.parametrize("loader", [load_cifar10, load_fashion_mnist])
def test_the_home_of_nobody_is_a_folder_that_is_not_there(loader):
    with pytest.raises(FileNotFoundError, match="are not in ~nobody-of-this-name/data"):
        loader("~nobody-of-this-name/data")


def test_training_files_are_read_in_the_order_of_their_numbers(tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder, sizes=[3] * 11)
    sets = load_cifar10(folder)
    y = np.concatenate([sets.y_train, sets.y_val])
    assert len(y) == 33
    first = records(np.arange(3), seed=1)[:, 1:]  # of data_batch_2
    np.testing.assert_array_equal(np.round(sets.x_train[3:6] * 255), first)


def test_a_single_record_cannot_be_split(tmp_path):
    write_cifar10(tmp_path / "cifar", sizes=(1,))
    with pytest.raises(ValueError, match="must hold two training records or more, got 1"):
        load_cifar10(tmp_path / "cifar")


def test_without_cifar10_the_switch_says_so_in_one_line_and_goes_on(capsys):
    assert load("cifar10").name == "digits"
    out = capsys.readouterr().out
    assert out.startswith("CIFAR-10 is not on this computer") and out.count("\n") == 1


@pytest.mark.parametrize("size", [0, 3072, 3073 * 3 + 1])
def test_a_partial_record_is_refused(size, tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    (folder / "data_batch_2.bin").write_bytes(bytes(size))
    message = rf"data_batch_2\.bin must hold whole records of 3073 bytes .* got {size} bytes"
    with pytest.raises(ValueError, match=message):
        load_cifar10(folder)


def test_another_layout_is_refused(tmp_path):
    folder = tmp_path / "cifar"
    write_cifar10(folder)
    (folder / "test_batch.bin").write_bytes(records([3, 11]).tobytes())
    with pytest.raises(ValueError, match=r"test_batch\.bin must hold labels from 0 to 9, got 11"):
        load_cifar10(folder)


# --------------------------------------------------------------------------- the download


class Server:
    """A web server for one file; it breaks off the first answers after `breaks` bytes each."""

    def __init__(self, content, breaks=(), ranges=True):
        self.content, self.breaks, self.asked = content, list(breaks), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                outer.asked.append(asked)
                start = int(asked.removeprefix("bytes=").removesuffix("-")) if ranges else 0
                if start >= len(outer.content):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(outer.content) - start))
                self.end_headers()
                sent = outer.breaks.pop(0) if outer.breaks else None
                self.wfile.write(outer.content[start:][:sent])

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}
        )

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/cifar-10-binary.tar.gz"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Return an archive in the official form, which the module takes for the official one."""
    folder = tmp_path / "packed" / "cifar-10-batches-bin"
    write_cifar10(folder)
    (folder / "readme.html").write_text("<html>")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, folder.name)
    content = buffer.getvalue()
    monkeypatch.setattr(cifar10, "CIFAR10_HASH", f"md5:{hashlib.md5(content).hexdigest()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return content


@pytest.fixture
def serve(archive, monkeypatch):
    """Return a function that starts a server for the archive and points the module to it."""
    servers = []

    def start(content=archive, **behaviour):
        server = Server(content, **behaviour)
        servers.append(server.__enter__())
        monkeypatch.setattr(cifar10, "CIFAR10_URL", server.url)
        return server

    yield start
    for server in servers:
        server.__exit__()


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_a_download_ends_in_a_folder_and_nothing_else(serve, tmp_path):
    server = serve()
    assert len(load_cifar10(tmp_path / "new", download=True).x_train) == 18
    folder = "cifar-10-batches-bin"
    names = ["batches.meta.txt", "checksums.json"]
    names += ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
    assert files_in(tmp_path / "new") == [folder, *(f"{folder}/{name}" for name in names)]
    assert server.asked == ["bytes=0-"]
    load_cifar10(tmp_path / "new", download=True)
    assert len(server.asked) == 1  # it was there


def test_an_interrupted_download_is_continued(serve, archive, tmp_path):
    server = serve(breaks=[2 * downloads.CHUNK + 100, downloads.CHUNK])
    for kept in (2 * downloads.CHUNK, 3 * downloads.CHUNK):
        with pytest.raises(ConnectionError, match="what arrived is kept, so call again"):
            load_cifar10(tmp_path, download=True)
        assert (tmp_path / "cifar-10-binary.tar.gz.part").read_bytes() == archive[:kept]
    assert len(load_cifar10(tmp_path, download=True).x_train) == 18
    assert server.asked == [f"bytes={k * downloads.CHUNK}-" for k in (0, 2, 3)]


def test_a_server_that_cannot_continue_starts_again(serve, tmp_path):
    server = serve(breaks=[downloads.CHUNK], ranges=False)
    with pytest.raises(ConnectionError):
        load_cifar10(tmp_path, download=True)
    assert len(load_cifar10(tmp_path, download=True).x_train) == 18
    assert server.asked == ["bytes=0-", f"bytes={downloads.CHUNK}-"]


def test_a_complete_part_is_used(serve, archive, tmp_path):
    serve()
    (tmp_path / "cifar-10-binary.tar.gz.part").write_bytes(archive)
    assert len(load_cifar10(tmp_path, download=True).x_train) == 18


def test_a_damaged_download_is_deleted(serve, archive, tmp_path):
    serve(content=archive[:-4] + b"oops")
    with pytest.raises(ValueError, match="does not match the known hash"):
        load_cifar10(tmp_path, download=True)
    assert not [name for name in files_in(tmp_path) if "packed" not in name]
    serve()
    assert len(load_cifar10(tmp_path, download=True).x_train) == 18


def test_offline_the_error_says_how_to_give_a_folder(archive, tmp_path, monkeypatch):
    with Server(b"") as server:
        url = server.url  # of a server that has gone when it is asked
    monkeypatch.setattr(cifar10, "CIFAR10_URL", url)
    with pytest.raises(ConnectionError, match=r"pass its folder, load_cifar10\('\.\.\.") as caught:
        load_cifar10(tmp_path, download=True)
    assert str(caught.value).count("\n") == 0 and url in str(caught.value)


def test_an_incomplete_folder_is_left_alone(serve, tmp_path):
    serve()
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is there but incomplete; move it away"):
        load_cifar10(tmp_path, download=True)
    assert files_in(folder) == ["mine.txt"]


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_a_damaged_download_is_fetched_again(change, serve, tmp_path):
    server = serve()
    intact = load_cifar10(tmp_path, download=True)
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin"
    content = file.read_bytes()
    changed = {"flip": content[:99] + bytes([content[99] ^ 1]) + content[100:]}
    changed["cut"] = content[: -cifar10.RECORD]  # at a record's border
    if change == "remove":
        file.unlink()
    else:
        file.write_bytes(changed[change])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin is not as it was downloaded; fetch"):
        load_cifar10(tmp_path)
    again = load_cifar10(tmp_path, download=True)
    np.testing.assert_array_equal(again.x_train, intact.x_train)
    assert len(server.asked) == 2


REAL = os.environ.get(FOLDER_VARIABLE)


@pytest.mark.skipif(not REAL, reason="CS231N_DATA does not name a folder with CIFAR-10")
def test_the_real_cifar10():
    sets = load_cifar10(REAL)
    assert sets.classes == tuple(CLASSES)
    assert len(np.unique(sets.y_train)) == 10
    # Photographs: neighbouring pixels are alike, which a wrong layout would not give.
    images = sets.images().x_train[:500]
    assert np.corrcoef(images[..., :-1].ravel(), images[..., 1:].ravel())[0, 1] > 0.9


# --------------------------------------------------------------------------- batches


def test_an_epoch_has_each_example_at_most_once():
    x = np.arange(10.0)[:, None]
    seen = list(batches(x, np.arange(10), 3, np.random.default_rng(0)))
    assert [len(y) for _, y in seen] == [3, 3, 3]
    labels = np.concatenate([y for _, y in seen])
    assert len(set(labels)) == 9 and labels.tolist() != sorted(labels)
    for rows, y in seen:
        np.testing.assert_array_equal(rows[:, 0], y)


def test_batches_that_cannot_be_filled_are_refused_at_once():
    with pytest.raises(ValueError, match="batch_size must be at most 10, the examples, got 11"):
        batches(np.zeros((10, 1)), np.zeros(10), 11, np.random.default_rng(0))
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, got 0"):
        batches(np.zeros((10, 1)), np.zeros(10), 0, np.random.default_rng(0))


def test_every_example_has_a_label():
    data = digits()
    for part in ("train", "val", "test"):
        labels = {f"y_{part}": getattr(data, f"y_{part}")[:-1]}
        with pytest.raises(
            ValueError, match=rf"the examples of {part} must have a label each, got"
        ):
            dataclasses.replace(data, **labels)
    with pytest.raises(ValueError, match="must have a label each, got 250 examples and 249 labels"):
        batches(data.x_val, data.y_val[1:], 5, np.random.default_rng(0))


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
@pytest.mark.parametrize("make", [digits, faces, photograph_patches])
def test_a_seed_is_a_whole_number(make, seed):
    with pytest.raises(
        (TypeError, ValueError), match=r"^seed must be .*a whole number of at least 0"
    ):
        make(seed=seed)
