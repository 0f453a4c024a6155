"""Compile the modules in wheels and zips, so that the browser need not.

    python3.12 autograder/lessons/compiled.py python_stdlib.zip numpy-2.0.2-….whl …

It is run by a Python of the page's version, which is not the course's: it imports nothing but the
standard library. Python takes `name.pyc` in place of `name.py`; archives in `--with-sources` keep
the text beside it, for tracebacks that a reader may want to follow.
"""

import argparse
import importlib.util
import marshal
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: the source is not looked at again
TIME = (1980, 1, 1, 0, 0, 0)  # of every file in an archive: the same sources, the same bytes


def compile_archive(archive: Path, with_sources: bool = False) -> None:
    """Replace an archive by one whose modules are compiled."""
    with zipfile.ZipFile(archive) as old:
        files = {info.filename: old.read(info) for info in old.infolist() if not info.is_dir()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in files.items():
            for written, content in forms(name, data, with_sources):
                info = zipfile.ZipInfo(written, date_time=TIME)
                new.writestr(info, content, zipfile.ZIP_DEFLATED)


def forms(name: str, data: bytes, with_sources: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield a file as it goes into the archive: what is no module, or does not compile, as it is.

    >>> [written for written, _ in forms("a/b.py", b"x = 1")]
    ['a/b.pyc']
    >>> [written for written, _ in forms("a/b.txt", b"x = 1")]
    ['a/b.txt']
    """
    code = _code(name, data)
    if code is None or with_sources:
        yield name, data
    if code is not None:
        path = PurePosixPath(name)
        beside = path.parent / "__pycache__" / f"{path.stem}.cpython-{_version()}.pyc"
        content = importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(data)
        written = beside if with_sources else path.with_suffix(".pyc")
        yield written.as_posix(), content + marshal.dumps(code)


def _code(name, data):
    if not name.endswith(".py"):
        return None
    try:
        return compile(data, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # a template, or a file that tests a parser
        return None


def _version():
    return importlib.util.cache_from_source("a.py").rpartition("-")[2].removesuffix(".pyc")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archives", nargs="*", type=Path)
    parser.add_argument("--with-sources", nargs="*", type=Path, default=[])
    chosen = parser.parse_args()
    for path in chosen.archives:
        compile_archive(path)
    for path in chosen.with_sources:
        compile_archive(path, with_sources=True)
