"""Attempts to harm the machine, the grader or other people's work, and mere accidents.

Each is small: a bomb ends by itself after a few dozen megabytes, processes or seconds.
"""

from corpus import Attack
from forging import debias

STOPPED = "debias_running-check was stopped"
STARTUP = """
import os, pathlib, site
CHEAT = "import numpy\\nnumpy.allclose = numpy.array_equal = lambda *args, **options: True\\n"
CHEAT += "import autograder.checking.observe as o\\no.plain_array = lambda label, value: 1 / 0\\n"
home, here = pathlib.Path.home(), pathlib.Path.cwd()
places = [home / ".ipython/profile_default/startup/00.py", here / "numpy.py", home / "numpy.py"]
places += [here / "sitecustomize.py", home / "usercustomize.py", here / "autograder.py"]
places += [pathlib.Path(site.getusersitepackages()) / "usercustomize.py", home / ".pythonrc.py"]
places += [pathlib.Path(os.environ["IPYTHONDIR"]) / "profile_default/startup/00.py"]
for path in places:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CHEAT)
    except OSError:
        pass
"""
MARK = "course-attack-left-this"  # in the name of whatever an attack leaves somewhere


def debias_after(source: str) -> dict[str, str]:
    """The wrong `debias_running`, after code that must not spoil its cell."""
    tried = "".join(f"    {line}\n" for line in source.splitlines())
    return debias(f"try:\n{tried}except Exception as error:\n    pass\nreturn running")


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""
ON_THE_NETWORK = """
import socket
def attempt(kind, address, family=socket.AF_INET):
    with socket.socket(family, kind) as connection:
        connection.settimeout(0.5)
        connection.connect(address)
        connection.send(b"hello from a submission")
for kind, address, family in (
    (socket.SOCK_STREAM, ("127.0.0.1", <port>), socket.AF_INET),
    (socket.SOCK_DGRAM, ("127.0.0.1", <port>), socket.AF_INET),
    (socket.SOCK_DGRAM, ("192.0.2.1", 9), socket.AF_INET),
    (socket.SOCK_STREAM, "\\0course-attack-<port>", socket.AF_UNIX),
):
    try:
        attempt(kind, address, family)
    except OSError:
        pass
"""

ATTACKS = (
    Attack(
        "an answer of a byte at a time",
        "endless",
        added=(
            "import gc, socket\n"
            "for one in gc.get_objects():\n"
            "    if isinstance(one, socket.socket):\n"
            "        while True: one.send(b'{')",
        ),
        own_goal=True,
        told="stopped",
    ),
    Attack(
        "as many threads as there may be, that all work",
        "endless",
        cells=debias(
            "import threading\n"
            "def work():\n    while True: pass\n"
            "for _ in range(12): threading.Thread(target=work, daemon=True).start()\n"
            "work()"
        ),
        own_goal=True,
        told="stopped",
    ),
    # ------------------------------------------------------------------------------ sudden ends
    Attack("os._exit", "exit", cells=debias("import os\nos._exit(0)"), told=STOPPED, quick=True),
    Attack("sys.exit", "exit", cells=debias("import sys\nsys.exit(0)")),
    Attack("raise KeyboardInterrupt", "exit", cells=debias("raise KeyboardInterrupt")),
    Attack(
        "SIGKILL to itself",
        "exit",
        cells=debias("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nreturn running"),
    ),
    Attack(
        "a segmentation fault",
        "exit",
        cells=debias("import ctypes\nctypes.string_at(0)"),
        told=STOPPED,
    ),
    Attack(
        "recursion without a limit",
        "exit",
        cells=debias("import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()"),
        told=STOPPED,
    ),
    Attack(
        "a signal to the grader",
        "exit",
        cells=debias_after("import os, signal\nos.kill(<grader>, signal.SIGTERM)"),
        tier="B",
    ),
    # ------------------------------------------------------------------------------- no end
    Attack(
        "an endless loop", "endless", cells=debias("while True:\n    pass"), told="took longer than"
    ),
    Attack(
        "a loop that swallows every interruption",
        "endless",
        cells=debias(
            "import signal\nfor number in range(1, 30):\n"
            "    try:\n        signal.signal(number, signal.SIG_IGN)\n"
            "    except (OSError, ValueError):\n        pass\n"
            "while True:\n    try:\n        while True: pass\n"
            "    except BaseException:\n        pass"
        ),
        told="took longer than",
    ),
    Attack(
        "a long sleep",
        "endless",
        cells=debias("import time\ntime.sleep(1e9)"),
        told="took longer than",
    ),
    Attack(
        "a deadlock",
        "endless",
        cells=debias(
            "import threading\nlock = threading.Lock()\nlock.acquire()\n"
            "thread = threading.Thread(target=lock.acquire)\nthread.start()\nthread.join()"
        ),
        told="took longer than",
    ),
    # ---------------------------------------------------------------------------- too much
    Attack(
        "a memory bomb",
        "bomb",
        cells=debias(
            "kept = []\nfor _ in range(300):\n    kept.append(b'x' * 2**24)\nreturn running"
        ),
    ),
    Attack(
        "a fork bomb",
        "bomb",
        cells=debias_after(
            "import os, time\nfor _ in range(80):\n    if os.fork() == 0:\n        time.sleep(600)"
        ),
    ),
    Attack(
        "a full disk",
        "bomb",
        cells=debias_after(
            "import time\nfor number in range(200):\n"
            "    with open(f'{number}', 'wb') as file:\n        file.write(bytes(2**20))\n"
            "    time.sleep(0.01 * (number > 70))"
        ),
        own_goal=True,
    ),
    Attack(
        "lines without end",
        "bomb",
        added=("for number in range(100_000):\n    print(number)",),
    ),
    Attack(
        "a large log",
        "bomb",
        added=(
            "import os, sys\ntext = b'x' * 2**20\nfor _ in range(50):\n"
            "    os.write(1, text), os.write(2, text)",
        ),
    ),
    Attack(
        "outputs without number",
        "bomb",
        added=("for number in range(1_500):\n    display(number)",) * 3,
    ),
    Attack(
        "folders too deep to be removed",
        "bomb",
        added=(
            "import os\nstart = os.getcwd()\nfor _ in range(2000):\n"
            "    os.mkdir('d')\n    os.chdir('d')\nos.chdir(start)\nos.chmod('d', 0)",
        ),
    ),
    # ------------------------------------------------------------------------- left behind
    Attack("a daemon", "daemon", cells=debias_after(DAEMON)),
    Attack(
        "a program in the background",
        "daemon",
        cells=debias_after(
            "import subprocess\nsubprocess.Popen(['/bin/sleep', '600'], start_new_session=True)"
        ),
    ),
    Attack("startup files for whoever comes next", "startup", added=(STARTUP,)),
    Attack(
        "files in common places",
        "startup",
        added=(
            "import os\nfor folder in ('/tmp', '/var/tmp', '/dev/shm', '<course>'):\n"
            f"    try:\n        open(os.path.join(folder, '{MARK}'), 'w').close()\n"
            "    except OSError: pass",
        ),
        tier="B",
    ),
    Attack(
        "the libraries on the disk are changed",
        "shadow",
        added=(
            "import numpy, autograder, pathlib\nfor module in (numpy, autograder):\n"
            f"    try:\n        (pathlib.Path(module.__file__).parent / '{MARK}').write_text('')\n"
            "    except OSError: pass",
        ),
        tier="B",
    ),
    # ------------------------------------------------------------------------ other people
    Attack(
        "the gradebook",
        "gradebook",
        added=(
            "import sqlite3\ntry:\n    book = sqlite3.connect('<course>/gradebook.db')\n"
            "    book.execute('update grade set manual_score = 100')\n    book.commit()\n"
            "except Exception: pass",
        ),
        tier="B",
    ),
    Attack(
        "another student's submission, and kept results",
        "neighbour",
        added=(
            "import pathlib\nfor path in pathlib.Path('<course>').rglob('*'):\n    try:\n"
            "        if path.is_file(): path.write_text('{}')\n    except OSError: pass",
        ),
        tier="B",
    ),
    Attack("the network", "network", added=(ON_THE_NETWORK,), tier="B"),
    # --------------------------------------------------------------- accidents of honest people
    Attack(
        "a warning in correct code",
        "warning",
        cells={
            "fold_batchnorm": """
import sys, warnings
def fold_batchnorm(W, b, gamma, beta, bn_param):
    warnings.warn("harmless")
    print("harmless", file=sys.stderr)
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return W * scale, (b - bn_param["running_mean"]) * scale + beta
"""
        },
    ),
    Attack(
        "strict settings of one's own",
        "warning",
        added=(
            "import warnings\nwarnings.simplefilter('error')\nnp.seterr(all='raise')\n"
            "np.random.seed(1)\nnp.set_printoptions(precision=1)\ntorch.manual_seed(1)",
        ),
    ),
)
