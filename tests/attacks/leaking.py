"""Attempts to carry something out to where a student reads it, or into a reader's browser.

What must not come out is marked: a value that a student's code saw while it was scored is printed
behind the word LEAK, and what a browser or a terminal would act on holds the word ALARM.
"""

from corpus import Attack, find
from forging import debias
from protocol import observer

SCRIPT = "<script>alert('ALARM')</script>"
PICTURE = "<img src=x onerror=alert('ALARM')>"
ESCAPE = "\\x1b[2J\\x1b]0;ALARM\\x07\\u202e"
SEED = """
import sys
kept = []
def look():
    frame = sys._getframe(1)
    while frame is not None:
        if "seed" in frame.f_locals:
            kept.append(frame.f_locals["seed"])
        frame = frame.f_back
"""

NAMES_OF_ARRAYS = """
import autograder.sandbox.inside.child as child
shown = child.Inside._shown
def renamed(self, arrays):
    answer = shown(self, arrays)
    names = [f"LEAK {name} {array}"[:90] for name, array in arrays.items()]
    return answer | {"arrays": names}
child.Inside._shown = renamed
"""
FAILS = """
class Fails(ValueError):
    def __str__(self):
        %s
    __repr__ = __str__
raise Fails(f"LEAK {running}")
"""
MARKUP = (  # what another parser than the one that cleaned it might take for something else
    "<svg><style><img src=x onerror=alert('ALARM')></style></svg>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert('ALARM')>\">",
    "<a href=\"java\tscript:alert('ALARM')\">x</a> <a href=' javascript:ALARM'>x</a>",
    "[x](<javascript:ALARM>) [x](JaVaScRiPt:ALARM) [x](data:text/html,ALARM)",
    "<details open ontoggle=alert('ALARM')> <x style='position:fixed;inset:0'>ALARM</x>",
    "<form action=//ALARM><button>x</button></form> <base href=//ALARM>",
    "<meta http-equiv=refresh content='0;url=//ALARM'> <style>*{background:url(//ALARM)}</style>",
    "$\\href{javascript:ALARM}{x}$ $$\\unicode{<img src=x onerror=alert('ALARM')>}$$",
    "<svg><a xlink:href='javascript:ALARM'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x ALARM&gt;'>",
)


def written_answer(text: str):
    """Write the answer to the first question."""

    def mangle(notebook: dict) -> None:
        answer = next(
            cell
            for cell in notebook["cells"]
            if cell["metadata"].get("nbgrader", {}).get("grade_id", "").endswith("-question")
        )
        answer["source"] = text
        answer["attachments"] = {"x.svg": {"image/svg+xml": SCRIPT}}

    return mangle


def stored_outputs(notebook: dict) -> None:
    """Put forged outputs into cells, as if they had come from the grader."""
    data = {"text/html": SCRIPT, "application/javascript": "alert('ALARM')", "text/plain": "16.0"}
    output = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [output]
    find(notebook, "fold_batchnorm-solution")["metadata"]["tags"] = [SCRIPT]
    notebook["metadata"]["title"] = SCRIPT


ATTACKS = (
    # ------------------------------------------------------------ inputs and seeds to the student
    Attack(
        "hidden inputs are printed while they are scored",
        "own",
        cells=debias(
            "import os, sys, warnings\n"
            "print('LEAK', running)\n"
            "print('LEAK', running, file=sys.stderr)\n"
            "sys.__stdout__ and sys.__stdout__.write('LEAK')\n"
            "os.write(1, b'LEAK')\nos.write(2, b'LEAK')\n"
            "warnings.warn('LEAK')\n"
            "return running"
        ),
        quick=True,
    ),
    Attack(
        "hidden inputs as an error",
        "own",
        cells=debias("raise type(f'LEAK{running[0]}', (ValueError,), {})('LEAK' + str(running))"),
    ),
    Attack(
        "hidden inputs as the name of code and of its file",
        "own",
        cells=debias(
            "def fails(): raise ValueError\n"
            "names = dict.fromkeys(('co_name', 'co_qualname', 'co_filename'), f'LEAK {running}')\n"
            "exec(fails.__code__.replace(**names))"
        ),
    ),
    Attack(
        "hidden inputs as the names of arrays",
        "own",
        added=(NAMES_OF_ARRAYS,),
        own_goal=True,
        told="replaces child.Inside._shown",
    ),
    *(
        Attack(f"an error whose text {what}", "own", cells=debias(FAILS % does), own_goal=True)
        for what, does in {
            "does not end": "while True: pass",
            "is no text": "return 5",
            "ends the process": "import os; os._exit(3)",
        }.items()
    ),
    *(
        Attack(
            f"hidden inputs in the words of the grader's own {name}",
            "own",
            cells=debias(
                f"from autograder.checking.{module} import {name}\n"
                f"class Own({name}):\n    def __str__(self): return f'LEAK {{running}}'\n"
                "raise Own(f'LEAK {running}')"
            ),
        )
        for module, name in (("shortcuts", "Forbidden"), ("observe", "BadReturn"))
    ),
    Attack(
        "hidden inputs as a type",
        "own",
        cells=debias("return type(f'LEAK{running[0]}', (), {})()"),
    ),
    Attack(
        "hidden inputs as an exit status",
        "own",
        cells=debias("import os\nos._exit(int(abs(running[0]) * 100) % 200 + 3)"),
        told="debias_running-check was stopped",
    ),
    Attack(
        "hidden seeds as the kind of a fault",
        "own",
        added=observer("Seen(fault=Fault(f'LEAK {seed}', f'LEAK {seed}'))"),
        own_goal=True,
    ),
    Attack(
        "hidden inputs are kept for a later cell",
        "own",
        cells={
            "fold_batchnorm": SEED
            + """
def fold_batchnorm(W, b, gamma, beta, bn_param):
    look()
    kept.append(W)
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return W * scale, (b - bn_param["running_mean"]) * scale + beta
"""
        },
        appended=("print('LEAK', *kept) if kept else None",),
    ),
    Attack(
        "a neighbour reads what is locked of a shared library",
        "own",
        cells=debias(
            "import fcntl, numpy\nfile = open(numpy.__file__)\n"
            "for lock in (fcntl.flock, fcntl.lockf):\n"
            "    try:\n        lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)\n"
            "        return running * 0\n"
            "    except OSError:\n        pass\n"
            "return running"
        ),
        appended=(
            "import fcntl, numpy\n"
            "try:\n    fcntl.flock(open(numpy.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)\n"
            "    print('LEAK')\nexcept OSError:\n    pass",
        ),
        tier="B",
    ),
    # ------------------------------------------------------------------------- from the grader
    Attack(
        "the grader's environment",
        "own",
        appended=(
            "import os, pathlib\nprint(dict(os.environ))\n"
            "for number in ('<grader>', os.getppid()):\n"
            "    print(pathlib.Path(f'/proc/{number}/environ').read_bytes())",
        ),
        tier="B",
    ),
    Attack(
        "the grader's memory",
        "own",
        appended=(
            "import re\n"
            "maps, memory = open('/proc/<grader>/maps'), open('/proc/<grader>/mem', 'rb')\n"
            "for line in maps:\n"
            "    if '[heap]' in line:\n"
            "        start, end = (int(part, 16) for part in line.split()[0].split('-'))\n"
            "        memory.seek(start)\n"
            "        found = re.findall(rb'planted.{40}', memory.read(end - start))\n"
            "        print('LEAK', found)",
        ),
        tier="B",
    ),
    Attack(
        "the course's secret and the other students' work",
        "disk",
        appended=(
            "import pathlib\n"
            "for path in pathlib.Path('<course>').rglob('*'):\n"
            "    if path.is_file(): print('LEAK', path, path.read_bytes()[:80])",
        ),
        tier="B",
    ),
    # ---------------------------------------------------------- into a browser or a terminal
    Attack(
        "scripts as outputs",
        "own",
        added=(
            "from IPython.display import HTML, SVG, Javascript, Markdown, display\n"
            f'display(HTML("{SCRIPT}"), Markdown("{SCRIPT}"), Javascript("alert(\'ALARM\')"))\n'
            f'print("{SCRIPT}{ESCAPE}")\n'
            "class Shown:\n"
            f'    def _repr_html_(self): return "{PICTURE}"\n'
            f'    def __repr__(self): return "{PICTURE}{ESCAPE}"\n'
            "Shown()",
            f'raise type("{PICTURE}", (ValueError,), {{}})("{PICTURE}{ESCAPE}")',
        ),
        quick=True,
    ),
    Attack(
        "scripts in a written answer",
        "own",
        mangle=written_answer(
            f"{SCRIPT}\n\n{PICTURE}\n\n[x](javascript:alert('ALARM'))\n\n"
            "<iframe srcdoc='ALARM'></iframe>\n\n![x](attachment:x.svg)"
        ),
    ),
    Attack(
        "markup that may be read in two ways", "own", mangle=written_answer("\n\n".join(MARKUP))
    ),
    Attack(
        "scripts and escapes for the instructor's report",
        "own",
        added=(
            "import numpy as np\n"
            f'if False:\n    np.x["{PICTURE}{ESCAPE}"].y = 1\n    np.{"ALARM" * 4000} = 1',
        ),
        cells=debias(f'raise type("{PICTURE}{ESCAPE}", (Exception,), {{}})("{PICTURE}{ESCAPE}")'),
        told="replaces",
    ),
    Attack(
        "scripts as the kind of a fault",
        "own",
        added=observer(f'Seen(fault=Fault("{PICTURE}{ESCAPE}", "{PICTURE}{ESCAPE}"))'),
        own_goal=True,
    ),
    Attack("outputs that were there before", "own", mangle=stored_outputs),
)
