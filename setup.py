"""Puts the lessons into the wheel, where they become `autograder/notebooks`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FORMS = {"src": "*.py", "student": "*.ipynb"}


class WithLessons(build_py):
    """Copies the lessons beside the packages."""

    def run(self):
        """Build, then copy; an editable installation reads the lessons where they are."""
        super().run()
        for form, pattern in () if self.editable_mode else FORMS.items():
            target = Path(self.build_lib, "autograder", "notebooks", form)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(Path("notebooks", form).glob(pattern)):
                shutil.copyfile(path, target / path.name)


setup(cmdclass={"build_py": WithLessons})
