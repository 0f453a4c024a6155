"""Puts the lessons into the wheel, where they become `autograder/notebooks`; packs the sdist."""

import gzip
import os
import shutil
import tarfile
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))
FORMS = {"src": "*.py", "student": "*.ipynb"}


class WithLessons(build_py):
    """Copies the lessons beside the packages."""

    def run(self):
        """Build, then copy; an editable installation reads the lessons where they are."""
        if not self.editable_mode:  # what an earlier build left may be gone from the sources
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for form, pattern in () if self.editable_mode else FORMS.items():
            target = Path(self.build_lib, "autograder", "notebooks", form)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(Path("notebooks", form).glob(pattern)):
                shutil.copyfile(path, target / path.name)


class SameWheel(bdist_wheel):
    """Packs the same sources into the same bytes, whatever the permissions of a checkout are."""

    def write_wheelfile(self, *args, **options):
        """Write what the wheel says of itself; what will be packed is complete then."""
        super().write_wheelfile(*args, **options)
        for path in Path(self.bdist_dir).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


class SameBytes(sdist):
    """Packs the same sources into the same bytes: in order, without times, owners and umask."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        """Write `base_name`.tar.gz of the folder `base_dir`, and return its path."""
        archive = f"{base_name}.tar.gz"
        paths = [base_dir, *sorted(map(str, Path(base_dir).rglob("*")))]
        with (
            open(archive, "wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=TIME) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in paths:
                tar.add(path, recursive=False, filter=plain)
        return archive


def plain(info):
    """Return a member without what differs from machine to machine."""
    info.mtime, info.uid, info.gid, info.uname, info.gname = TIME, 0, 0, "", ""
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


setup(cmdclass={"build_py": WithLessons, "bdist_wheel": SameWheel, "sdist": SameBytes})
