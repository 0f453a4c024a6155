"""Honest work in the states in which people and other tools leave it.

Each situation is a function that changes a solved notebook as plain data, or the folder that is
handed in, and says what the grader must make of it. `test_situations.py` finds them by
themselves: a new one is tested by being written here.
"""

import base64
import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import jupytext
import nbformat
from classroom import solution, template

FORWARD, BACKWARD, FOLD = "batchnorm_forward", "batchnorm_backward", "fold_batchnorm"
TORCH = "torch-batchnorm_forward"
ALL = {FORWARD: 1.0, BACKWARD: 1.0, FOLD: 1.0}
WORDS = "The mean takes the bias out again, so its gradient is zero."
HELPER = "def my_std(v, eps):\n    return np.sqrt(v + eps)"


@dataclass(frozen=True)
class Situation:
    """A state of honest work, and what has to come of it."""

    name: str
    change: Callable
    earned: dict = field(default_factory=lambda: ALL)  # share of the points, by exercise
    answers: tuple = (True,) * 4  # which written answers a person is asked to mark
    told: str = ""  # part of what the instructor reads
    quiet: bool = False  # there is nothing to tell
    slow: bool = False  # takes as long as cells may, or is very large


SITUATIONS: list[Situation] = []


def situation(**expected):
    """Register a function (cells, folder) as a situation."""

    def register(change):
        SITUATIONS.append(Situation(change.__name__, change, **expected))
        return change

    return register


def code(source: str) -> dict:
    """A code cell as people add it."""
    parts = {"metadata": {}, "outputs": [], "execution_count": None}
    return {"cell_type": "code", "source": source, **parts}


def text(source: str) -> dict:
    """A text cell as people add it."""
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def place(cells: list, name: str) -> int:
    """The position of a cell by its label, without the family."""
    labels = [cell["metadata"].get("nbgrader", {}).get("grade_id", "") for cell in cells]
    return next(i for i, label in enumerate(labels) if label in (name, f"normalization-{name}"))


def find(cells: list, name: str) -> dict:
    """A cell by its label."""
    return cells[place(cells, name)]


def released(name: str) -> str:
    """The source of a cell as it was released."""
    return find(template().cells, name).source


def solved(name: str) -> str:
    """The source of a solved cell."""
    return find(solution().cells, name).source


def experiment(cells: list) -> dict:
    """The experiment of the lesson."""
    return next(c for c in cells if c["metadata"].get("course", {}).get("role") == "experiment")


def strip(cells: list) -> None:
    """Take away labels and ids, as Deepnote, Kaggle, Databricks and copying do."""
    for cell in cells:
        cell["metadata"] = {}
        cell.pop("id", None)


def with_helper(source: str) -> str:
    """The forward pass with a helper of the student's own in place of np.sqrt."""
    assert source.count("np.sqrt(var + eps)") == 1
    return source.replace("np.sqrt(var + eps)", "my_std(var, eps)")


def use_helper(cells: list, above: str = "") -> None:
    """Answer the forward pass with the helper, below some lines that bring it."""
    source = with_helper(solved(f"{FORWARD}-solution"))
    find(cells, f"{FORWARD}-solution")["source"] = above + source


# ------------------------------------------------------------------------ nothing is wrong


@situation(quiet=True)
def as_it_should_be(cells, folder):
    """The solved notebook itself."""


@situation(earned={}, answers=(False,) * 4, quiet=True)
def as_it_was_released(cells, folder):
    """Nothing was written."""
    cells[:] = copy.deepcopy(template().cells)


# ----------------------------------------------------------------------- answers in words


@situation(told="was taken for the answer")
def answer_label_lost(cells, folder):
    """Shared case 1: label and id of one written answer are lost."""
    cell = find(cells, "why-0-question")
    cell["metadata"] = {}
    del cell["id"]


@situation(told="was taken for the answer")
def answer_in_a_cell_of_its_own(cells, folder):
    """Shared case 2: the answer is typed below the answer cell."""
    find(cells, "why-1-question")["source"] = released("why-1-question")
    cells.insert(place(cells, "why-1-question") + 1, text(WORDS))


@situation(told="was taken for the answer")
def answer_above_its_cell(cells, folder):
    """The answer is typed between the question and the answer cell."""
    find(cells, "why-1-question")["source"] = released("why-1-question")
    cells.insert(place(cells, "why-1-question"), text(WORDS))


@situation(told="was taken for the answer")
def answer_in_a_code_cell(cells, folder):
    """The answer is typed into a new cell that was left a code cell."""
    find(cells, "why-2-question")["source"] = released("why-2-question")
    cells.insert(place(cells, "why-2-question") + 1, code(WORDS))


@situation(told="was taken for the answer")
def answer_as_a_comment(cells, folder):
    """The answer is a comment in a code cell."""
    find(cells, "why-2-question")["source"] = released("why-2-question")
    cells.insert(place(cells, "why-2-question") + 1, code(f"# {WORDS}"))


def beside(cells: list, cell: dict) -> None:
    """Leave an answer cell as it was released, with another cell below it."""
    find(cells, "why-2-question")["source"] = released("why-2-question")
    cells.insert(place(cells, "why-2-question") + 1, cell)


@situation(told="was taken for the answer")
def answer_as_a_text_of_python(cells, folder):
    """The answer is a text in quotes in a code cell."""
    beside(cells, code(f'"""{WORDS}"""'))


@situation(told="was taken for the answer")
def answer_printed(cells, folder):
    """The answer is printed, or shown as Markdown, by a code cell."""
    beside(cells, code(f'from IPython.display import Markdown\nMarkdown("{WORDS}")\nprint("So.")'))


@situation(told="was taken for the answer")
def answer_in_a_variable(cells, folder):
    """The answer is given a name."""
    beside(cells, code(f'my_answer = "{WORDS}"'))


@situation(told="was taken for the answer")
def answer_put_together_of_texts(cells, folder):
    """The answer is a sum of texts, a list or dictionary of them, or an f-string."""
    half, rest = WORDS[:20], WORDS[20:]
    for number, source in enumerate(
        (
            f'print("{half}" + "{rest}")',
            f'my_answers = ["{half}", "{rest}"]',
            f'my_answers = {{"why": "{WORDS}"}}',
            f'print(f"{WORDS}")',
        )
    ):
        answer = find(cells, f"why-{number}-question")
        answer["source"] = released(f"why-{number}-question")
        cells.insert(cells.index(answer) + 1, code(source))


@situation(told="was taken for the answer")
def answer_is_a_picture_or_page_that_code_shows(cells, folder):
    """A file, HTML or a formula is shown by a code cell."""
    head = "from IPython.display import HTML, Image, Math, display\n"
    shown = ('Image(filename="page.png", width=400)', f'HTML("<p>{WORDS}</p>")')
    for number, call in enumerate((*shown, 'Math(r"\\mu = 0")', 'display(Image("page.png"))')):
        answer = find(cells, f"why-{number}-question")
        answer["source"] = released(f"why-{number}-question")
        cells.insert(cells.index(answer) + 1, code(head + call))
    (folder / "page.png").write_bytes(b"\x89PNG")


@situation(told="was taken for the answer")
def answer_below_a_magic_for_text(cells, folder):
    """%%markdown in a code cell, with a word that Python could read as code."""
    beside(cells, code("%%markdown\nzero"))


@situation(answers=(True, True, False, True), quiet=True)
def code_beside_an_empty_answer(cells, folder):
    """Code that computes and prints is no answer in words."""
    beside(cells, code('lr = "adam"\nprint(f"{lr}", 1 + 1)'))


@situation(told="was taken for the answer")
def texts_as_marimo_writes_them(cells, folder):
    """Marimo keeps Markdown as calls in Python; labels and ids are lost."""
    strip(cells)
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            lines = "\n".join(f"    {line}" for line in cell["source"].splitlines())
            cells[number] = code(f'mo.md(\n    r"""\n{lines}\n    """\n)')
    cells.insert(0, code("import marimo as mo"))


@situation(quiet=True)
def answer_is_a_picture(cells, folder):
    """The answer is a photograph of a page, without a word."""
    answer = find(cells, "why-1-question")
    answer["source"] = "![page.png](attachment:page.png)"
    answer["attachments"] = {"page.png": {"image/png": "iVBORw0KGgo="}}


@situation(told="cell type")
def answer_cell_made_a_code_cell(cells, folder):
    """The answer cell itself was turned into a code cell, or a raw one."""
    for number, kind in ((1, "code"), (2, "raw")):
        cells[place(cells, f"why-{number}-question")]["cell_type"] = kind


@situation(told="which was changed, may hold the answer")
def answer_in_the_question(cells, folder):
    """The answer is typed into the cell of the question."""
    position = place(cells, "why-3-question")
    cells[position]["source"] = released("why-3-question")
    cells[position - 1]["source"] += f"\n\n{WORDS}"


@situation(told="may hold the answer")
def answer_merged_with_the_question_and_the_text_above(cells, folder):
    """Three texts were merged: what is left has the id of the first."""
    cells.insert(place(cells, "why-2-question") - 1, text("My notes."))
    position = place(cells, "why-2-question")
    cells[position]["source"] = WORDS
    merged = [cell["source"] for cell in cells[position - 3 : position + 1]]
    cells[position - 3]["source"] = "\n\n".join(merged)
    del cells[position - 2 : position + 1]


@situation(told="may hold the answer")
def answers_all_at_the_end(cells, folder):
    """The answer cells were deleted and all answers stand in one cell at the end."""
    for number in range(4):
        del cells[place(cells, f"why-{number}-question")]
    cells.append(text("\n\n".join(f"{i}. {WORDS}" for i in range(4))))


@situation(told="may hold the answer")
def answers_at_the_end_below_a_title(cells, folder):
    """Nothing but a title says what the text at the end is."""
    for number in range(4):
        find(cells, f"why-{number}-question")["source"] = released(f"why-{number}-question")
    cells.append(text(f"# Answers to the questions\n\n{WORDS}"))


@situation(answers=(True, False, True, True), told="is missing")
def answer_cell_deleted(cells, folder):
    """One answer cell was deleted and nothing was written anywhere else."""
    del cells[place(cells, "why-1-question")]


@situation(answers=(True, True, False, True), quiet=True)
def notes_far_from_an_empty_answer(cells, folder):
    """The student's own notes do not make an empty answer one for a person."""
    find(cells, "why-2-question")["source"] = released("why-2-question")
    cells.insert(place(cells, f"{FORWARD}-check"), text("I should come back to this."))


@situation(told="is there 2 times")
def answer_cell_copied(cells, folder):
    """The answer stands in the second of two cells with the same label."""
    position = place(cells, "why-0-question")
    cells.insert(position, copy.deepcopy(cells[position]))
    cells[position]["source"] = released("why-0-question")


@situation(told="label was lost")
def all_labels_lost(cells, folder):
    """All labels and ids are lost."""
    strip(cells)


@situation(answers=(True, True, False, True), told="label was lost")
def all_labels_lost_and_one_answer_empty(cells, folder):
    """All labels are lost, and one answer is as it was released."""
    find(cells, "why-2-question")["source"] = released("why-2-question")
    strip(cells)


# ------------------------------------------------------------------ which definition counts


@situation(quiet=True)
def stub_kept_above_the_answer(cells, folder):
    """Shared case 3: a copy of the stub, with the label, stands above the answer."""
    position = place(cells, f"{FORWARD}-solution")
    cells.insert(position, copy.deepcopy(cells[position]))
    cells[position]["source"] = "def batchnorm_forward(x, gamma, beta, bn_param):\n    pass"


@situation(quiet=True)
def stub_kept_below_the_answer(cells, folder):
    """The released stub was copied below the answer."""
    position = place(cells, f"{FORWARD}-solution")
    cells.insert(position + 1, code(released(f"{FORWARD}-solution")))


@situation(told="is defined in 2 cells; the last")
def old_attempt_kept_above(cells, folder):
    """An old attempt in the labelled cell, the answer in a cell of its own."""
    position = place(cells, f"{FORWARD}-solution")
    cells.insert(position + 1, code(cells[position]["source"]))
    cells[position]["source"] = (
        "def batchnorm_forward(x, gamma, beta, bn_param):\n    return x, None"
    )


@situation(quiet=True)
def answer_in_a_cell_of_its_own_below_the_stub(cells, folder):
    """The labelled cell is as released; the function stands in an added cell."""
    position = place(cells, f"{FOLD}-solution")
    cells.insert(position + 1, code(cells[position]["source"]))
    cells[position]["source"] = released(f"{FOLD}-solution")


@situation()
def everything_in_the_first_cell(cells, folder):
    """All functions stand in the first solution cell; the other ones are as released."""
    names = (BACKWARD, FOLD)
    first = find(cells, f"{FORWARD}-solution")
    first["source"] = "\n\n\n".join([first["source"], *(solved(f"{n}-solution") for n in names)])
    for name in names:
        find(cells, f"{name}-solution")["source"] = released(f"{name}-solution")


@situation()
def everything_in_the_last_cell(cells, folder):
    """All functions stand in the last solution cell."""
    names = (FORWARD, BACKWARD)
    last = find(cells, f"{FOLD}-solution")
    last["source"] = "\n\n\n".join([last["source"], *(solved(f"{n}-solution") for n in names)])
    for name in names:
        find(cells, f"{name}-solution")["source"] = released(f"{name}-solution")


@situation()
def work_at_the_end_with_a_helper_above_it(cells, folder):
    """Helper and answer were written below everything else."""
    find(cells, f"{FORWARD}-solution")["source"] = released(f"{FORWARD}-solution")
    cells += [code(HELPER), code(with_helper(solved(f"{FORWARD}-solution")))]


@situation()
def another_name_is_given_to_it(cells, folder):
    """The function has another name first."""
    cell = find(cells, f"{FOLD}-solution")
    cell["source"] = cell["source"].replace(f"def {FOLD}", "def my_fold") + f"\n\n{FOLD} = my_fold"


@situation()
def another_name_in_another_cell_after_labels_were_lost(cells, folder):
    """`name = other` in a cell of its own, without labels."""
    position = place(cells, f"{FOLD}-solution")
    cells[position]["source"] = cells[position]["source"].replace(f"def {FOLD}", "def my_fold")
    cells.insert(position + 1, code(f"{FOLD} = my_fold"))
    strip(cells)


@situation()
def lambda_after_labels_were_lost(cells, folder):
    """The answer is a lambda."""
    cell = find(cells, f"{FOLD}-solution")
    body = cell["source"].replace(f"def {FOLD}", "def my_fold")
    cell["source"] = f"{body}\n\n{FOLD} = lambda *arguments: my_fold(*arguments)"
    strip(cells)


@situation()
def definition_under_if_after_labels_were_lost(cells, folder):
    """The answer is defined under `if`."""
    cell = find(cells, f"{FOLD}-solution")
    lines = "\n".join(f"    {line}" for line in cell["source"].splitlines())
    cell["source"] = f"if True:\n{lines}"
    strip(cells)


@situation(told="label was lost")
def halves_swapped(cells, folder):
    """The second half of the notebook stands before the first, and labels are lost."""
    middle = place(cells, f"{BACKWARD}-solution")
    cells[:] = [cells[0], *cells[middle:], *cells[1:middle]]
    strip(cells)


@situation(told="label was lost")
def answers_in_raw_cells_after_labels_were_lost(cells, folder):
    """An editor made raw cells of code; an old attempt that the student put away is one, too."""
    for name in (FORWARD, BACKWARD):
        find(cells, f"{name}-solution")["cell_type"] = "raw"
    old = {**text(f"def {FOLD}(*arguments):\n    return arguments"), "cell_type": "raw"}
    cells.insert(place(cells, f"{FOLD}-solution") + 1, old)
    strip(cells)


@situation(told="cells are missing")
def check_cells_deleted(cells, folder):
    """All check cells are gone."""
    cells[:] = [c for c in cells if not c["source"].startswith("check(")]


@situation()
def answer_split_in_two_cells(cells, folder):
    """Splitting a cell copies its label to both halves."""
    position = place(cells, f"{FORWARD}-solution")
    helper = copy.deepcopy(cells[position])
    helper["source"] = HELPER
    cells[position]["source"] = with_helper(cells[position]["source"])
    cells.insert(position, helper)


@situation(told="cells are missing")
def answers_merged_with_their_checks(cells, folder):
    """Merging two cells keeps the label of the first."""
    for name in (FORWARD, BACKWARD, FOLD):
        check = cells.pop(place(cells, f"{name}-check"))
        find(cells, f"{name}-solution")["source"] += f"\n\n{check['source']}"


@situation()
def notebook_turned_into_one_script(cells, folder):
    """nbconvert made a script of it, which was pasted into one cell above the texts."""
    head = "#!/usr/bin/env python\n# coding: utf-8\n\nget_ipython().system('pip install numpy')"
    parts = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    texts = [cell for cell in cells if cell["cell_type"] != "code"]
    cells[:] = [code("\n\n\n# In[ ]:\n\n\n".join([head, *parts])), *texts]
    strip(cells)


@situation(quiet=True)
def compared_with_the_framework_in_the_same_cell(cells, folder):
    """A name that the function has of its own is used below it for what the framework gives."""
    find(cells, f"{FORWARD}-solution")["source"] += (
        "\n\n\nimport torch.nn.functional as F\n\nx = torch.ones(8, 3)\n"
        "out = F.batch_norm(x, None, None, training=True)\nmean = var = out.mean(0)"
    )


@situation(quiet=True)
def answers_wrapped_by_a_decorator(cells, folder):
    """A decorator of the student's own measures every function."""
    lines = ("import functools", "", "", "def timed(inner):", "    @functools.wraps(inner)")
    lines += ("    def call(*arguments):", "        return inner(*arguments)", "    return call")
    cells.insert(2, code("\n".join(lines)))
    for name in (FORWARD, BACKWARD, FOLD):
        cell = find(cells, f"{name}-solution")
        cell["source"] = f"@timed\n{cell['source']}"


# ----------------------------------------------------------------- helpers anywhere at all


@situation(quiet=True)
def helper_below_everything(cells, folder):
    """A notebook executed out of order: the helper, and what it needs, are the last cells."""
    use_helper(cells)
    needing = HELPER.replace("v + eps", "v + eps + nothing()")
    cells += [code(f"SCALE = 0\nlate = print\n{needing}"), code("def nothing():\n    return 0")]


@situation(told="label was lost")
def all_of_a_file_imported_after_labels_were_lost(cells, folder):
    """The functions are written in a file beside the notebook, as editors encourage."""
    source = f"import numpy as np\n\n\n{solved(f'{FORWARD}-solution')}\n"
    (folder / "my_layers.py").write_text(source)
    find(cells, f"{FORWARD}-solution")["source"] = "from my_layers import *"
    strip(cells)


@situation(quiet=True)
def helper_in_an_experiment_cell(cells, folder):
    """Shared case 7: a helper is defined in a cell of the course that is not executed."""
    experiment(cells)["source"] += f"\n\n{HELPER}"
    use_helper(cells)


@situation(quiet=True)
def import_and_constant_in_an_experiment_cell(cells, folder):
    """An import and a number that the answer needs stand in an experiment, beside slow work."""
    experiment(cells)["source"] = (
        "from math import prod as product\nTINY = -1 * 0\nimport time\ntime.sleep(60)"
    )
    source = solved(f"{FORWARD}-solution")
    find(cells, f"{FORWARD}-solution")["source"] = source.replace(
        "np.sqrt(var + eps)", "np.sqrt(var + eps * product([1]) + TINY)"
    )


@situation(told="locked cell setup was changed")
def import_in_the_locked_setup_cell(cells, folder):
    """An editor that knows no locks: an import was added to the setup."""
    find(cells, "setup")["source"] += f"\nfrom math import prod as product\n\n\n{HELPER}"
    use_helper(cells)


@situation(quiet=True)
def helper_in_a_file_beside_the_notebook(cells, folder):
    """A module is handed in with the notebook."""
    (folder / "helper.py").write_text(f"import numpy as np\n\n\n{HELPER}\n")
    use_helper(cells, above="from helper import my_std\n\n\n")


@situation(quiet=True)
def helper_in_a_package_beside_the_notebook(cells, folder):
    """A package is handed in with the notebook; one of its parts imports the other."""
    (folder / "tools").mkdir()
    (folder / "tools" / "__init__.py").write_text("from tools.norms import my_std\n")
    (folder / "tools" / "norms.py").write_text(f"import numpy as np\n\n\n{HELPER}\n")
    cells.insert(1, code("import tools"))
    source = with_helper(solved(f"{FORWARD}-solution")).replace("my_std", "tools.my_std")
    find(cells, f"{FORWARD}-solution")["source"] = source


@situation(quiet=True)
def helper_written_by_a_magic(cells, folder):
    """A cell writes the module that a later one imports."""
    position = place(cells, f"{FORWARD}-solution")
    cells[position]["source"] = with_helper(solved(f"{FORWARD}-solution"))
    written = f"%%writefile helper.py\nimport numpy as np\n\n\n{HELPER}"
    cells[position:position] = [code(written), code("from helper import my_std")]


@situation(told="named like a library: numpy.py")
def file_named_like_a_library(cells, folder):
    """A file that would stand in for a library is not imported."""
    (folder / "numpy.py").write_text("raise RuntimeError('not the library')\n")


@situation(earned={FORWARD: 0.5 / 16, FOLD: 1.0}, told="uses my_std, which no cell")
def helper_that_was_not_handed_in(cells, folder):
    """A helper that exists only in the student's own session: the reason is told, by name."""
    use_helper(cells)


@situation(earned={FORWARD: 0.5 / 16, FOLD: 1.0}, told="No module named 'my_own_tools' (line 1)")
def helper_in_another_notebook(cells, folder):
    """The module that is imported was not handed in: the error is told with its line."""
    cells.insert(1, code("from my_own_tools import my_std"))
    use_helper(cells)


# -------------------------------------------------------------------- what Jupyter can do


@situation(quiet=True)
def shell_line_in_the_answer(cells, folder):
    """Shared case 10: `!pip install` stands above the function."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = f"!pip install -q numpy\n{cell['source']}"


@situation(quiet=True)
def magics_of_every_kind_in_the_answer(cells, folder):
    """Magics that Jupyter knows, and some that only other front ends do."""
    lines = (
        *(
            "%pip install -q numpy",
            "%matplotlib inline",
            "%matplotlib widget",
            "%load_ext autoreload",
        ),
        *(
            "%autoreload 2",
            "%conda install x",
            "files = !ls",
            "%tensorflow_version 2.x",
            "np.sqrt?",
        ),
        *("%config InlineBackend.figure_format = 'retina'", "!ls \\\n  -l", "%cd .", "%env A=1"),
    )
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = "\n".join([*lines, cell["source"]])


@situation(quiet=True)
def timed_cell(cells, folder):
    """%%time stands above the function, and a cell of shell commands beside it."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = f"%%time\n{cell['source']}"
    cells.insert(2, code("%%bash\nls -l\necho done"))


@situation(told="No module named 'google")
def imports_of_another_front_end(cells, folder):
    """A cell of Colab's, which fails here."""
    cells.insert(1, code("from google.colab import drive\ndrive.mount('/content/drive')"))


@situation(told="No module named 'google")
def helper_below_lines_of_another_front_end(cells, folder):
    """A cell begins with what only Colab has; what it defines below is defined."""
    lines = "from google.colab import drive\ndrive.mount('/content')\nfrom absent import thing"
    cells.insert(1, code(f"%%time\n{lines}\nimport numpy as np\n\n\n{HELPER}"))
    use_helper(cells)


@situation(told="No module named 'absent'")
def decorators_of_a_compiler_that_is_absent(cells, folder):
    """What only makes a function faster, or measures it, is not there where it is graded."""
    cells.insert(1, code("import absent as nb"))
    above = {
        FORWARD: "@nb.njit",
        BACKWARD: "from absent import njit\n\n\n@njit(cache=True)",
        FOLD: "import functools\n\n\n@functools.cache\ndef one():\n    return 1\n\n\n@profile",
    }
    for name, lines in above.items():
        cell = find(cells, f"{name}-solution")
        cell["source"] = f"{lines}\n{cell['source']}"


@situation(told="EOFError")
def helper_below_questions_at_the_keyboard(cells, folder):
    """A cell asks its reader for something; nobody sits there when it is graded."""
    cells.insert(1, code(f"name = input('Who are you? ')\nN = int(input())\n\n\n{HELPER}"))
    use_helper(cells)


@situation(told="AttributeError")
def helper_below_a_question_to_the_kernel(cells, folder):
    """A cell asks where it runs, and for parts of a kernel that are not there."""
    lines = "where = str(get_ipython())\nget_ipython().run_line_magic('matplotlib', 'inline')\n"
    lines += "if 'google.colab' in where:\n    raise SystemExit\nget_ipython().kernel.comm_manager"
    cells.insert(1, code(f"{lines}\n\n\n{HELPER}"))
    use_helper(cells)


@situation(told="AssertionError")
def own_test_that_fails_below_a_wrapped_answer(cells, folder):
    """What stands above an error is not executed again: the function keeps what it became."""
    find(cells, f"{FOLD}-solution")["source"] = (
        f"def {FOLD}(W, b, *more):\n    return W, b\n\n\nold = {FOLD}\n"
        + solved(f"{FOLD}-solution").replace(f"def {FOLD}", "def right")
        + f"\n\n\n{FOLD} = (lambda inner: lambda *arguments: right(*arguments))(old)"
        + f"\nassert {FOLD} is old, 'my own test'\nimport math"
    )


@situation(quiet=True)
def left_in_the_debugger(cells, folder):
    """What stops for a debugger was left in a cell, and in the answer itself."""
    cells.insert(1, code(f"%pdb on\n%debug\nimport pdb\npdb.set_trace()\n\n\n{HELPER}"))
    use_helper(cells)
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = cell["source"].replace("    mode = ", "    breakpoint()\n    mode = ", 1)
    assert "breakpoint()" in cell["source"]


@situation(quiet=True)
def answers_below_magics_of_absent_extensions(cells, folder):
    """What extensions bring mostly runs the cell and tells something about it."""
    magics = {FORWARD: "%%memit -r 1", BACKWARD: "%%capture\n%%heat", FOLD: "%%wandb"}
    for name, magic in magics.items():
        cell = find(cells, f"{name}-solution")
        cell["source"] = f"{magic}\n%matplotlib inline\n{cell['source']}"
    cells[2:2] = [code("%%R\nx <- c(1, 2)"), code("%%cython\ncpdef f(int x):\n    return x")]


@situation(quiet=True)
def captured_cell_and_cells_of_other_languages(cells, folder):
    """%%capture above the function, and cells that are not for this Python."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = f"%%capture kept\n{cell['source']}"
    cells[2:2] = [
        code("%%python3\nimport sys\nprint(sys.version)"),
        code("%%html\n<b>done</b>"),
        code("%%javascript\nalert(1)"),
        code("%%latex\n$x$"),
    ]


@situation(quiet=True)
def await_at_the_top_level(cells, folder):
    """Jupyter awaits what a cell awaits."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = f"import asyncio\n\nawait asyncio.sleep(0)\n\n\n{cell['source']}"
    cells.insert(2, code("async def slowly():\n    return 3\n\n\nprint(await slowly())"))


@situation(quiet=True)
def settings_of_ones_own(cells, folder):
    """A first cell that sets everything that can be set."""
    lines = (
        *("import os, random, sys, warnings, logging", "import matplotlib", "import torch"),
        *("os.chdir('/')", "os.environ['CUDA_VISIBLE_DEVICES'] = ''", "random.seed(1)"),
        *("torch.set_default_dtype(torch.float64)", "torch.set_grad_enabled(False)"),
        *("torch.set_printoptions(precision=2)", "np.set_printoptions(precision=2)"),
        *("np.seterr(all='raise')", "warnings.simplefilter('error')", "np.random.seed(0)"),
        *("logging.basicConfig(level=logging.DEBUG)", "matplotlib.use('Agg')", "list = sum = 0"),
        *("sys.setrecursionlimit(10_000)", "matplotlib.rcParams['figure.dpi'] = 300"),
    )
    cells.insert(2, code("\n".join(lines)))


@situation()
def progress_bars_and_widgets(cells, folder):
    """Bars and sliders that only a browser shows."""
    bars = "from tqdm.notebook import tqdm, trange\n\nfor _ in tqdm(range(3)):\n    pass"
    sliders = "import ipywidgets as widgets\n\nwidgets.interact(lambda x: x, x=10)"
    cells[2:2] = [code(f"{bars}\n\n\n{HELPER}"), code(sliders)]
    use_helper(cells)


@situation(quiet=True)
def file_run_by_a_magic(cells, folder):
    """A file beside the notebook is run, not imported."""
    (folder / "helper.py").write_text(f"import numpy as np\n\n\n{HELPER}\n")
    use_helper(cells, above="%run helper.py\n\n\n")


@situation(quiet=True)
def helper_under_a_main_guard(cells, folder):
    """Code from a script, with the guard that scripts have."""
    indented = HELPER.replace("\n", "\n    ")
    cells.insert(2, code(f"if __name__ == '__main__':\n    {indented}\n    print(my_std(1, 2))"))
    use_helper(cells)


@situation(told="Operation not permitted", slow=True)
def helper_below_work_in_other_processes(cells, folder):
    """A pool of processes, which cannot be started where work is graded."""
    pool = "from multiprocessing import Pool\nwith Pool(2) as pool:\n    pool.map(abs, [1])"
    cells.insert(2, code(f"{pool}\n\n\n{HELPER}"))
    use_helper(cells)


# ------------------------------------------------------------- unusual forms of a right answer


def another_form(cells: list, name: str, wrap: str) -> None:
    """Write an answer under the name `right`, and make the function of it in another way."""
    cell = find(cells, f"{name}-solution")
    cell["source"] = cell["source"].replace(f"def {name}", "def right") + f"\n\n\n{wrap}"


@situation(quiet=True)
def partial_of_a_general_function(cells, folder):
    """The answers are functions of functools, cached where they can be."""
    lines = "from functools import lru_cache, partial\n\n\n@lru_cache\ndef root(eps):\n    "
    lines += f"return np.sqrt(eps)\n\n\n{FORWARD} = partial(right)"
    another_form(cells, FORWARD, lines)


@situation(quiet=True)
def object_that_can_be_called(cells, folder):
    """A class with `__call__`, and a method that belongs to no object."""
    called = "class Fold:\n    def __call__(self, *arguments):\n        return right(*arguments)"
    another_form(cells, FOLD, f"{called}\n\n\n{FOLD} = Fold()")
    held = f"class Backward:\n    run = staticmethod(right)\n\n\n{BACKWARD} = Backward.run"
    another_form(cells, BACKWARD, held)


@situation(quiet=True)
def functions_made_by_a_function(cells, folder):
    """Two answers come out of one closure, which keeps what they share."""
    sources = [solved(f"{name}-solution") for name in (FORWARD, BACKWARD)]
    inner = "\n\n".join(sources).replace("\n", "\n    ")
    text = f"def make():\n    calls = 0\n\n    {inner}\n\n    return {FORWARD}, {BACKWARD}"
    find(cells, f"{FORWARD}-solution")["source"] = f"{text}\n\n\n{FORWARD}, {BACKWARD} = make()"
    find(cells, f"{BACKWARD}-solution")["source"] = "# written above, in one go"


@situation(quiet=True)
def mode_by_pattern_and_walrus(cells, folder):
    """`match`, `:=`, names for settings in one pattern."""
    source = solved(f"{FORWARD}-solution")
    source = source.replace('    if mode == "train":', '    if (train := mode == "train"):')
    start, end = source.index("    mode = bn"), source.index("    running_mean = ")
    match = (
        '    match bn_param:\n        case {"mode": "train" | "test" as mode}:\n'
        '            pass\n        case {"mode": other}:\n            mode = other\n'
        '        case _:\n            mode = "train"\n'
        "    match dict(eps=1e-5, momentum=0.9) | bn_param:\n"
        '        case {"eps": float(eps) | int(eps), "momentum": momentum, **rest}:\n'
        "            pass\n"
    )
    find(cells, f"{FORWARD}-solution")["source"] = source[:start] + match + source[end:]


@situation(quiet=True)
def cache_in_a_dataclass_with_type_hints(cells, folder):
    """Type hints that are kept as text, a dataclass and a named tuple for what is passed on."""
    hints = (
        "from __future__ import annotations\n\nfrom dataclasses import dataclass\n"
        "from typing import NamedTuple\n\nfrom numpy.typing import NDArray\n\n\n"
        "@dataclass(frozen=True, slots=True)\nclass Cache:\n    x_hat: NDArray[np.float64]\n"
        "    gamma: NDArray\n    std: NDArray\n    note: str | None = None\n\n\n"
        "class Two(NamedTuple):\n    out: NDArray\n    cache: Cache\n\n\n"
    )
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = hints + cell["source"].replace(
        "return out, (x_hat, gamma, std)", "return Two(out, Cache(x_hat, gamma, std))"
    ).replace("bn_param):", "bn_param: dict[str, float | NDArray]) -> tuple[NDArray, Cache]:")
    cell = find(cells, f"{BACKWARD}-solution")
    unpacked = "x_hat, gamma, std = cache.x_hat, cache.gamma, cache.std"
    cell["source"] = cell["source"].replace("x_hat, gamma, std = cache", unpacked)


@situation(quiet=True)
def arguments_of_every_kind(cells, folder):
    """Arguments by position only, stars, defaults, and a generator that is unpacked."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = cell["source"].replace("bn_param):", "bn_param, /, *, np=np, tiny=0.0):")
    cell = find(cells, f"{BACKWARD}-solution")
    cell["source"] = cell["source"].replace(
        "dout, cache):", "*both, **none):\n    dout, cache = both"
    )
    cell["source"] = cell["source"].replace(
        "return dx, dgamma, dbeta", "return [*(g for g in (dx, dgamma, dbeta))]"
    )
    cell = find(cells, f"{FOLD}-solution")
    cell["source"] = (
        cell["source"]
        .replace("bn_param):", "bn_param=None, *more):")
        .replace("return W_folded, b_folded", "return tuple(map(np.asarray, (W_folded, b_folded)))")
    )


@situation(quiet=True)
def everything_imported_from_the_libraries(cells, folder):
    """All names of NumPy and PyTorch, and helpers that happen to have names of theirs."""
    stars = "from numpy import *\nfrom torch import *\nfrom torch.nn.functional import *"
    cells.insert(1, code(stars))
    own = "import numpy as np\n\n\ndef batch_norm(x_mu, std):\n    return x_mu / std"
    cells.insert(2, code(own))
    source = solved(f"{FORWARD}-solution").replace("=float)", "=np.float64)")
    source = source.replace("x_hat = x_mu * (1 / std)", "x_hat = batch_norm(x_mu, std)")
    find(cells, f"{FORWARD}-solution")["source"] = source


@situation(quiet=True)
def helper_named_like_what_it_was_compared_with(cells, folder):
    """A helper of one's own has the name of the framework's function, used to compare before."""
    compared = "from torch.nn.functional import batch_norm\n\nprint(batch_norm(torch.ones(4, 2),"
    cells.insert(2, code(f"{compared} None, None, training=True))"))
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = "def batch_norm(x_mu, std):\n    return x_mu / std\n\n\n" + cell[
        "source"
    ].replace("x_hat = x_mu * (1 / std)", "x_hat = batch_norm(x_mu, std)")


@situation(quiet=True)
def variable_named_like_a_function_of_the_framework(cells, folder):
    """A star import elsewhere, and a local name that PyTorch has for what is to be written."""
    cells.insert(2, code("from torch import *\nimport numpy as np"))
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = (
        cell["source"].replace("x_hat", "batch_norm").replace("=float)", "=np.float64)")
    )


LIBRARY = "cs231n_lib.normalization"
NOTED = f"names {LIBRARY}, which no answer needs"


@situation(told=NOTED)
def file_that_compares_with_the_library(cells, folder):
    """A file beside the notebook brings a helper, and what others wrote to compare with."""
    compares = (
        f"    from {LIBRARY}.in_numpy import batchnorm_forward as theirs\n    return theirs(x)"
    )
    source = f"import numpy as np\n\n\n{HELPER}\n\n\ndef compared(x):\n{compares}\n"
    (folder / "helper.py").write_text(source)
    use_helper(cells, above="from helper import my_std\n\n\n")


@situation(told=NOTED)
def file_copied_from_the_lecture(cells, folder):
    """A file that nobody imports is a copy of code that was shown."""
    (folder / "lecture.py").write_text(f"from {LIBRARY} import *\nprint(batchnorm_forward)\n")


@situation(told=NOTED)
def library_imported_in_an_experiment_cell(cells, folder):
    """An experiment compares with the library, where the student has it."""
    experiment(cells)["source"] += (
        f"\n\ntry:\n    from {LIBRARY}.in_numpy import batchnorm_forward as theirs\n"
        "except ImportError:\n    theirs = batchnorm_forward"
    )


@situation(told=NOTED)
def compared_with_the_library_in_a_cell(cells, folder):
    """A cell between an answer and its check compares the two, under names that answers have."""
    compares = f"import {LIBRARY}.in_numpy as lib\n    x = mean = lib.batchnorm_forward"
    added = code(f"try:\n    {compares}\nexcept ImportError:\n    pass")
    cells.insert(place(cells, f"{FORWARD}-solution") + 1, added)


@situation(quiet=True)
def library_named_in_words(cells, folder):
    """A comment and a text name the library."""
    words = f'# as {LIBRARY} does\nWHERE = "{LIBRARY}.in_numpy"\n\n\n'
    find(cells, f"{FORWARD}-solution")["source"] = words + solved(f"{FORWARD}-solution")


@situation(quiet=True)
def given_parts_of_a_package_that_has_answers_too(cells, folder):
    """What the student kit has of the library may be used."""
    above = f"from {LIBRARY} import options\n\n\n"
    source = solved(f"{FORWARD}-solution").replace("x_mu / std", "x_mu / (options and std)")
    find(cells, f"{FORWARD}-solution")["source"] = above + source


@situation(quiet=True)
def answers_defined_in_blocks(cells, folder):
    """Definitions under `with`, `try`, a loop and a pattern."""
    blocks = {
        FORWARD: "with np.errstate(all='ignore'):",
        BACKWARD: "for once in range(1):",
        FOLD: "try:",
    }
    for name, head in blocks.items():
        cell = find(cells, f"{name}-solution")
        body = "\n".join(f"    {line}" for line in cell["source"].splitlines())
        tail = "\nfinally:\n    pass" if head == "try:" else ""
        cell["source"] = f"{head}\n{body}{tail}"


@situation(quiet=True)
def state_in_globals(cells, folder):
    """The cache is a global name, and the functions count how often they were called."""
    cell = find(cells, f"{FORWARD}-solution")
    cell["source"] = "calls, last = 0, None\n\n\n" + cell["source"].replace(
        "    return out, (x_hat, gamma, std)",
        "    global calls, last\n    calls, last = calls + 1, (x_hat, gamma, std)\n"
        "    return out, last",
    )


@situation(quiet=True)
def answer_from_a_text(cells, folder):
    """The definition stands in a text that is executed, or is put among the globals."""
    cell = find(cells, f"{FOLD}-solution")
    source = cell["source"].replace('"""', "'''")
    cell["source"] = f'exec(r"""\n{source}\n""")'
    another_form(cells, BACKWARD, f"globals()['{BACKWARD}'] = right")


@situation(quiet=True)
def answers_written_by_a_magic(cells, folder):
    """%%writefile, in the labelled cell, and an import of all that it wrote below."""
    cell = find(cells, f"{FORWARD}-solution")
    position = place(cells, f"{FORWARD}-solution")
    written = f"%%writefile bn.py\nimport numpy as np\n\n\n{cell['source']}"
    cells.insert(position, code(written))
    cell["source"] = f"from bn import {FORWARD}"


@situation(quiet=True)
def talkative_functions(cells, folder):
    """Functions that print, warn, log, assert and plot."""
    cell = find(cells, f"{FORWARD}-solution")
    talk = "    import logging, warnings\n    warnings.warn('look')\n    logging.warning('x')\n"
    talk += "    print('shape', x.shape, end='')\n    assert x.ndim == 2, x.shape\n    mode = "
    cell["source"] = cell["source"].replace("    mode = ", talk, 1)


@situation(quiet=True)
def kernel_that_ran_many_times(cells, folder):
    """Executed again and again: counts out of order, errors left in outputs."""
    error = {"output_type": "error", "ename": "NameError", "evalue": "x", "traceback": ["x"]}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            cell["execution_count"] = 97 - number
            cell["outputs"] = [error, {"output_type": "stream", "name": "stdout", "text": ["1"]}]


@situation(quiet=True)
def metadata_of_other_front_ends(cells, folder):
    """Colab, Deepnote, VS Code, Kaggle, SageMaker and Databricks leave their own marks."""
    marks = {
        "id": "aBcDeF123456",
        "colab": {"base_uri": "https://localhost:8080/", "height": 34},
        "outputId": "f00",
        "deepnote_cell_type": "code",
        "source_hash": None,
        "execution_start": 1717171717171,
        "vscode": {"languageId": "python"},
        "trusted": True,
        "application/vnd.databricks.v1+cell": {"inputWidgets": {}, "nuid": "1-2-3"},
        "jupyter": {"outputs_hidden": True, "source_hidden": True},
        "scrolled": "auto",
        "tags": ["remove-cell", ""],
    }
    for cell in cells:
        cell["metadata"] |= marks
        cell.pop("id", None)


@situation()
def answers_moved_to_the_top(cells, folder):
    """All answers were dragged above the setup, which imports what they use."""
    names = [f"{name}-solution" for name in (FORWARD, BACKWARD, FOLD)]
    moved = [cells.pop(place(cells, name)) for name in names]
    cells[:0] = moved


@situation()
def answers_moved_below_their_checks(cells, folder):
    """Each answer was dragged below the check that needs it."""
    for name in (FORWARD, BACKWARD, FOLD):
        cell = cells.pop(place(cells, f"{name}-solution"))
        cells.insert(place(cells, f"{name}-check") + 1, cell)


@situation(told="SystemExit")
def names_that_the_notebook_had(cells, folder):
    """The student's own variables have names of the course, of Python and of the answers."""
    cells.insert(2, code("check = needs = print\nlist = dict = len = None\nnumpy = torch"))
    cells.insert(place(cells, f"{FORWARD}-check"), code("np = __import__('numpy')\ncheck = 1"))
    cells.append(code(f"del {FORWARD}, {BACKWARD}, {FOLD}\nimport sys\nsys.exit()"))


@situation(quiet=True)
def forms_and_comments_of_colab(cells, folder):
    """Form fields, a title, and a cell that only has a comment."""
    cells.insert(2, code("#@title Settings { run: 'auto' }\nrate = 0.1 #@param {type:'slider'}"))
    cells.insert(3, code("# %load_ext later\n"))
    cell = find(cells, f"{FOLD}-solution")
    cell["source"] = (
        f"#@title My answer {{ display-mode: 'form' }}\n{cell['source']}\n#@markdown ok"
    )


@situation(quiet=True)
def letters_of_mathematics(cells, folder):
    """Greek letters, primes by number, and text in another language."""
    cell = find(cells, f"{FORWARD}-solution")
    source = cell["source"].replace("x_mu", "ξ").replace("std", "σ").replace("x_hat", "x̂")
    cell["source"] = source.replace("gamma", "γ").replace('"γ', '"gamma') + "\n# 平均を引く — ✓"


# ------------------------------------------------------------------- how editors write it


@situation(quiet=True)
def lines_of_windows_tabs_and_form_feeds(cells, folder):
    """An editor of Windows: other ends of lines, tabs, form feeds, letters with two codes."""
    for cell in cells:
        cell["source"] = cell["source"].replace("\n", "\r\n")
    cell = find(cells, f"{FORWARD}-solution")
    source = solved(f"{FORWARD}-solution").replace("    ", "\t").replace("eps", "\N{MICRO SIGN}")
    source = source.replace('"\N{MICRO SIGN}"', '"eps"')
    cell["source"] = source.replace("\n", "\r\n") + "\r\n\f\r\nlast = 1\r\n"


@situation(quiet=True)
def invisible_letters_before_every_cell(cells, folder):
    """A mark of the encoding, and a space without width, as copying brings them."""
    for cell in cells:
        cell["source"] = f"\ufeff\u200b{cell['source']}"


@situation(quiet=True)
def other_ends_of_lines_in_a_comment(cells, folder):
    """Letters that only some programs take for the end of a line."""
    find(cells, f"{FORWARD}-solution")["source"] += "\n# a\u2028b\x85c\x0bd\x1ce\nlast = 1"


@situation(quiet=True)
def parameters_of_papermill(cells, folder):
    """A cell with parameters, a mark in each cell's metadata, and a note where a run stopped."""
    for cell in cells:
        cell["metadata"]["papermill"] = {"status": "completed", "duration": 0.1}
    cells.insert(2, code("# Parameters\nalpha = 0.1\n"))
    note = '<span id="papermill-error-cell">An exception was encountered here.</span>'
    cells.insert(place(cells, f"{FORWARD}-check"), text(note))


@situation()
def marks_of_editors_in_every_cell(cells, folder):
    """PyCharm's marks above each cell, and metadata of VS Code and Colab."""
    for cell in cells:
        is_text = cell["cell_type"] == "markdown"
        cell["source"] = ("#%% md\n" if is_text else "#%%\n") + cell["source"]
        cell["metadata"] |= {
            "pycharm": {"name": "#%%\n"},
            "vscode": {"languageId": "python"},
            "colab": {"base_uri": "https://localhost:8080/"},
            "collapsed": False,
        }


@situation(quiet=True)
def there_and_back_through_a_script(cells, folder):
    """jupytext turned the notebook into a script and back: ids are lost."""
    notebook = nbformat.from_dict(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    script = jupytext.writes(notebook, fmt="py:percent")
    cells[:] = json.loads(json.dumps(jupytext.reads(script, fmt="py:percent").cells))


@situation(quiet=True)
def picture_pasted_into_an_answer(cells, folder):
    """Colab writes a pasted picture into the text: the words below it are not cut off."""
    picture = "iVBORw0KGgo" * 20_000
    answer = find(cells, "why-1-question")
    answer["source"] = f"![image.png](data:image/png;base64,{picture})\n\n{WORDS}"


@situation(quiet=True)
def photographs_in_answers(cells, folder):
    """Answers are photographs of a page, as a telephone makes them: three megabytes each."""
    picture = base64.b64encode(random.Random(0).randbytes(3_000_000)).decode()
    attached, pasted = (find(cells, f"why-{number}-question") for number in (1, 2))
    attached["source"] = "![page.png](attachment:page.png)"
    attached["attachments"] = {"page.png": {"image/png": picture}}
    pasted["source"] = f"![page](data:image/jpeg;base64,{picture})"


@situation(told="look at what was handed in", slow=True)
def too_many_photographs(cells, folder):
    """28 MB of pictures in texts: the code keeps its marks, and nobody says there was none."""
    picture = base64.b64encode(random.Random(0).randbytes(3_000_000)).decode()
    pages = {f"page-{number}.png": {"image/png": picture} for number in range(6)}
    find(cells, "why-1-question")["attachments"] = pages
    find(cells, "why-2-question")["source"] = f"![page](data:image/png;base64,{picture})"


@situation(told="Pictures in a text were left out (1)")
def picture_of_another_kind(cells, folder):
    """A picture that feedback cannot show."""
    answer = find(cells, "why-1-question")
    answer["source"] = "![page.webp](attachment:page.webp)"
    answer["attachments"] = {"page.webp": {"image/webp": "UklGRg=="}}


# ------------------------------------------------------------------------ slow and large


def work(seconds):
    """A piece of code that keeps the processor busy."""
    clock = "time.process_time()"
    return f"import time\n\nend = {clock} + {seconds}\nwhile {clock} < end:\n    pass"


@situation(told="longer than 5 seconds", slow=True)
def two_slow_cells_of_ones_own(cells, folder):
    """Shared case 5: two training runs of 6 s."""
    cells[2:2] = [code(work(6)), code(work(6))]


@situation(quiet=True, slow=True)
def waiting_cells_of_ones_own(cells, folder):
    """To wait, as for a busy machine, is no work."""
    cells[2:2] = [code("import time\ntime.sleep(6)")] * 2


@situation(told="longer than 5 seconds", slow=True)
def helper_in_a_slow_cell(cells, folder):
    """A helper and a training run stand in one cell."""
    cells.insert(2, code(f"{HELPER}\n\n{work(6)}"))
    use_helper(cells)


@situation(told="longer than 5 seconds", slow=True)
def slow_work_below_the_answer(cells, folder):
    """The answer's own cell goes on with a training run."""
    find(cells, f"{FORWARD}-solution")["source"] += f"\n\n{work(6)}"


@situation(told="longer than 5 seconds", slow=True)
def five_endless_cells_of_ones_own(cells, folder):
    """More own cells have to be stopped than are stopped one by one."""
    cells[2:2] = [code("while True:\n    pass")] * 5


@situation(told="all added cells together took longer", slow=True)
def eight_cells_that_are_slow_in_all(cells, folder):
    """Each stays below its own limit, all of them together do not; a helper comes last."""
    cells[2:2] = [*[code(work(4))] * 8, code(HELPER)]
    use_helper(cells)


@situation(told="it ended the Python process")
def own_cell_that_ends_the_process(cells, folder):
    """An experiment of the student's own crashes Python."""
    cells.insert(2, code(f"{HELPER}\n\nimport os\nos._exit(1)"))
    use_helper(cells)


@situation(told="outputs in it were left out", slow=True)
def large_outputs(cells, folder):
    """27 MB of outputs, in which the work is small."""
    lines = ["x" * 99 + "\n"] * 270_000
    experiment(cells)["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}]


@situation(told="5000 code cells were added", slow=True)
def five_thousand_cells_before_the_work(cells, folder):
    """The work comes after thousands of cells."""
    cells[1:1] = [code("1 + 1")] * 4_999 + [code(HELPER)]
    use_helper(cells)


# --------------------------------------------------------------------- not this notebook


@situation(earned={}, answers=(False,) * 4, told="notebook of another lesson")
def notebook_of_another_lesson(cells, folder):
    """The wrong file was handed in: one sentence says so."""
    for cell in cells:
        cell.pop("id", None)
        label = cell["metadata"].get("nbgrader", {})
        if label:
            label["grade_id"] = f"other-{label['grade_id']}"
            cell["source"] = cell["source"].replace("norm", "form")
