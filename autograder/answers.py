"""What counts as an answer, said once: what a student, the kit and the sandbox must not hold.

Answers are all modules of a family but its `__init__`, the runnable misconceptions, and the
notebooks that show solutions. The rest of the packages is support, `GIVEN_FAMILIES` included.
"""

import re
from pathlib import Path, PurePath

ROOT = Path(__file__).resolve().parents[1]
GIVEN_FAMILIES = ("data", "layers", "plotting", "train")  # folders that students do not write

_GIVEN = "|".join(GIVEN_FAMILIES)
_ANSWER_FILE = re.compile(
    rf"cs231n_lib/(?!({_GIVEN})/)\w+/(?!__init__\.py$).+"
    r"|autograder/misconceptions/.+"
    r"|notebooks/(src|solution)/.+"
)
_DOCTEST_IMPORT = re.compile(r"^\s*>>> (?:from|import) cs231n_lib\.(\w+)", re.MULTILINE)


def is_answer_file(path: str | PurePath) -> bool:
    """Return whether `path`, relative to the project's root, is a file that holds answers.

    >>> is_answer_file("cs231n_lib/normalization/in_numpy.py")
    True
    >>> is_answer_file("cs231n_lib/layers/in_numpy.py")
    False
    """
    return _ANSWER_FILE.fullmatch(PurePath(path).as_posix()) is not None


def imports_answers(text: str) -> bool:
    """Return whether a doctest in `text` imports from a family that students write.

    >>> imports_answers("    >>> from cs231n_lib.normalization import batchnorm_forward")
    True
    >>> imports_answers("    >>> from cs231n_lib.data import digits")
    False
    """
    return any(
        (ROOT / "cs231n_lib" / name).is_dir() and name not in GIVEN_FAMILIES
        for name in _DOCTEST_IMPORT.findall(text)
    )
