"""What the inside of a sandbox does in its own way comes to the same as the libraries' way."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TokenTransformBase, TransformerManager

from autograder.answers import ROOT
from autograder.sandbox.inside.child import _file_of, _Transformers, is_python
from autograder.sandbox.process import read_array

# Its own warning of a line separator in a string, after which it goes on as without one.
pytestmark = pytest.mark.filterwarnings("ignore:`make_tokens_by_line`:UserWarning")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
ODD = [
    "",
    "\n\n  \nx = 1\n",
    "    x = 1\n    y = 2",
    ">>> x = 1\n>>> x\n1",
    "In [1]: x = 1\n   ...: y = 2",
    "In[0]: int = 3",
    's = """\n>>> f(1)\n2\n"""',
    'def f():\n    """Double.\n\n    >>> f()\n    2\n    """\n    return 2',
    "x = (7\n % 2)",
    "%%time\nx = 1",
    "%%bash\nls",
    "%matplotlib inline\nx = 1",
    "x = %pwd",
    "files = !ls\nfiles",
    "a != b",
    "!ls",
    "print?",
    "??print",
    "x = 1  # why?",
    "x = 'why?'",
    "/f 1",
    ",f a b",
    "f\n;g",
    "x = 1; y = 2",
    "x = 1 \\\n    + 2",
    "x = '\\d'",
    "for i in range(3):\n    %time i",
    "if True:\n    !ls\n",
    "def f(:\n",
    "x = 'unfinished",
    "await x",
    "x = 1\x0cy = 2",
    "x = '\u2028'\ny = 1",
    "x = 1\r\ny = 2\r\n",
    "x\x00y",
    "(" * 300,
]


def cells(path):
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"])


def transformed(manager, source):
    try:
        return manager().transform_cell(source)
    except SyntaxError as error:
        return type(error)


@pytest.mark.parametrize("source", ODD)
def test_a_cell_becomes_what_ipython_makes_of_it(source):
    assert transformed(_Transformers, source) == transformed(TransformerManager, source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_so_does_every_cell_of_the_course(path):
    for source in cells(path):
        assert _Transformers().transform_cell(source) == TransformerManager().transform_cell(source)


@given(
    st.lists(st.sampled_from([*ODD, "%", "!", "?", "=", "\n", " ", "#", "'", '"""']), max_size=6)
)
def test_so_does_whatever_stands_one_beside_the_other(parts):
    source = "".join(parts)
    if is_python(source):
        assert transformed(_Transformers, source) == transformed(TransformerManager, source)


class Doubled(TokenTransformBase):
    """What an extension may add to IPython: it changes a cell that is Python already."""

    @classmethod
    def find(cls, tokens_by_line):
        found = (token for line in tokens_by_line for token in line if token.string == "half")
        return next((cls(token.start) for token in found), None)

    def transform(self, lines):
        return [line.replace("half", "0.5") for line in lines]


def test_a_notebook_may_add_a_transformer_of_its_own():
    manager = _Transformers()
    assert manager.transform_cell("x = half") == "x = half\n"
    manager.token_transformers.append(Doubled)
    assert manager.transform_cell("x = half") == "x = 0.5\n"


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?", ">f8"])
def test_an_array_is_sent_as_numpy_saves_it(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for sent in (array, array.T, array[:, ::2], array[:0], array[0, 0], np.ones((2, 1, 3), dtype)):
        for _ in range(2):  # its header is made once
            file = io.BytesIO()
            np.save(file, np.asarray(sent, order="C"))
            assert _file_of(sent) == file.getvalue()


def test_what_is_longer_than_float64_is_sent_as_it():
    large = np.full((2, 3), np.finfo(np.longdouble).max)
    with np.errstate(all="raise"):
        for sent in (np.arange(6, dtype=np.longdouble).reshape(2, 3).T, large, large[0, 0]):
            with np.errstate(all="ignore"):
                plain = np.asarray(sent).astype(float)
            np.testing.assert_array_equal(read_array(_file_of(sent)), plain, strict=True)
