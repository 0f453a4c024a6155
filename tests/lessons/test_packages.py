"""Copies of the packages: compiled code comes along where it is the source's, answers never do."""

import os
import py_compile
from importlib.machinery import SourceFileLoader

import pytest

from autograder.lessons.packages import copy_compiled, copy_packages

SUPPORT, ANSWER = "autograder/check.py", "cs231n_lib/normalization/in_numpy.py"


class Loader(SourceFileLoader):
    """Loads what is compiled, and does not compile."""

    def source_to_code(self, *arguments, **options):
        raise AssertionError("it would be compiled again")


@pytest.fixture
def root(tmp_path):
    for name in (SUPPORT, ANSWER):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True)
        path.write_text("a = 1\n")
        os.utime(path, (1e9, 1e9))
        py_compile.compile(path)
    return tmp_path / "root"


def copied(root):
    folder = root.parent / "copy"
    copy_packages(folder, root)
    copy_compiled(folder, root)
    return folder


def test_a_copy_has_the_compiled_code_of_its_source_and_of_no_answer(root):
    folder = copied(root)
    assert Loader("check", str(folder / SUPPORT)).get_code("check").co_consts[0] == 1
    assert [path.stem.partition(".")[0] for path in folder.rglob("*.pyc")] == ["check"]
    assert not (folder / ANSWER).exists()


def test_what_was_compiled_of_another_source_is_not_taken(root):
    (root / SUPPORT).write_text("a = 2\n")  # of the same length, but not of the same time
    with pytest.raises(AssertionError, match="compiled again"):
        Loader("check", str(copied(root) / SUPPORT)).get_code("check")
