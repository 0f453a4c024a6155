"""Attempts against the design of this very grader: what goes between a child and the judge."""

from corpus import Attack
from forging import BLANK, debias

CONNECTIONS = """
import os, socket
def connections():
    for number in range(3, 64):
        try:
            yield socket.socket(fileno=os.dup(number))
        except OSError:
            pass
"""
SEND = "    for connection in connections():\n        connection.sendall(message)\n"
FORGED_HEADER = """
import numpy
def save(file, array, **options):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': <shape>}"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\\n"
    with open(file, "wb") as out:
        out.write(b"\\x93NUMPY\\x01\\x00" + len(header).to_bytes(2, "little") + header + <data>)
numpy.save = save
"""
OBSERVER = """
import sys
from autograder.checking.observe import Fault, Seen
def observer(impl, exercise, check, seed):
    return <seen>
for module in list(sys.modules.values()):
    if hasattr(module, "observe_check"):
        module.observe_check = observer
"""


def message(expression: str, then: str = "return running") -> dict[str, str]:
    """A function that writes a message of its own to the grader."""
    said = f"    message = {expression}\n"
    return {"debias_running": f"{CONNECTIONS}{BLANK}{said}{SEND}    {then}\n"}


def forged_header(name: str, shape: str, data: str) -> Attack:
    """Every array file says `shape`."""
    source = FORGED_HEADER.replace("<shape>", shape).replace("<data>", data)
    return Attack(name, "own", added=(source,), own_goal=True, told="replaces numpy.save")


def observer(seen: str) -> tuple[str, ...]:
    """A cell after which every scenario shows `seen`."""
    return (OBSERVER.replace("<seen>", seen),)


ATTACKS = (
    # ------------------------------------------------------------------------- the connection
    Attack(
        "a result of one's own on the connection",
        "pipe",
        cells=message(r"""b'{"score": 3, "arrays": ["debiased"], "kept": true}\n'"""),
        own_goal=True,
    ),
    Attack(
        "a result of one's own, then the end",
        "pipe",
        cells=message(r"""b'{"arrays": [], "score": 3.0}\n'""", "os._exit(0)"),
        own_goal=True,
        told="debias_running-check was stopped",
    ),
    Attack(
        "half an answer, then nothing",
        "pipe",
        cells=message("""b'{"arrays": ["debi'""", "os._exit(0)"),
        told="debias_running-check was stopped",
    ),
    Attack(
        "an answer deeper than a parser goes",
        "pipe",
        cells=message(r"b'[' * 100_000 + b'\n'"),
        own_goal=True,
    ),
    Attack(
        "an answer that announces more than there is room for",
        "pipe",
        cells=message(r"""b'{"arrays": ["debiased"], "sizes": [99999999999999]}\n'"""),
        own_goal=True,
    ),
    Attack(
        "answers of another kind",
        "pipe",
        cells=debias("import json\njson.dumps = lambda *args: '[80.0]'\nreturn running"),
        told="debias_running-check was stopped",
    ),
    Attack(
        "a score in every answer",
        "own",
        added=(
            "import json\ndumps = json.dumps\n"
            "def generous(thing, *args, **options):\n"
            "    if isinstance(thing, dict):\n"
            "        thing = thing | {'score': 80, 'kept': True, 'earned': 16, 'fraction': 1}\n"
            "    return dumps(thing, *args, **options)\n"
            "json.dumps = generous",
        ),
        told="replaces json.dumps",
    ),
    Attack(
        "the connection is closed",
        "pipe",
        cells=debias("import os\nos.closerange(3, 256)\nreturn running"),
        told="debias_running-check was stopped",
    ),
    Attack(
        "two processes answer",
        "own",
        cells=debias("import os\nos.fork()\nreturn running"),
        own_goal=True,
        tier="B",  # at C each process sees a part of the cells, and may earn what that part earns
    ),
    # ------------------------------------------------------------------ what comes back through it
    Attack(
        "an array file that is a pickle",
        "own",
        added=(
            "import numpy, pickle\n"
            "class Shell:\n    def __reduce__(self): return eval, ('1/0',)\n"
            "def save(file, array, **options):\n"
            "    with open(file, 'wb') as out:\n        out.write(pickle.dumps(Shell()))\n"
            "numpy.save = save",
        ),
        own_goal=True,
        told="replaces numpy.save",
    ),
    Attack(
        "an array file that is a link",
        "own",
        added=(
            "import numpy, os\n"
            "numpy.save = lambda file, array, **options: os.symlink('/etc/passwd', file)",
        ),
        own_goal=True,
        told="replaces numpy.save",
    ),
    forged_header("an array of a hundred dimensions", f"({'1,' * 100})", "bytes(8)"),
    forged_header("an array longer than any", f"(0, {2**63})", "b''"),
    forged_header("an array of a length beyond numbers", f"(0, {10**30})", "b''"),
    forged_header("an array whose length is true", "(True,)", "bytes(8)"),
    forged_header("an array of gigabytes in eight bytes", "(1000000000,)", "bytes(8)"),
    Attack(
        "a thousand arrays",
        "own",
        added=observer("Seen(arrays={str(i): np.ones(3) for i in range(1000)})"),
        own_goal=True,
    ),
    Attack(
        "more than a result may hold",
        "own",
        added=observer("Seen(arrays={str(i): np.ones(1_100_000) for i in range(30)})"),
        own_goal=True,
    ),
    Attack(
        "truth values in place of numbers",
        "own",
        cells={
            "batchnorm_backward": """
def batchnorm_backward(dout, cache):
    raise RuntimeError
"""
        },
        honest={"batchnorm_backward": 0, "spatial_batchnorm_backward": 0},
        added=(
            "import autograder.checking.observe as module\n"
            "plain = module.plain_array\n"
            "def truth(label, value):\n"
            "    return plain(label, value) > 0 if label == '_out' else plain(label, value)\n"
            "module.plain_array = truth",
        ),
        told="replaces module.plain_array",
    ),
    # ----------------------------------------------------------------- while it is scored
    Attack(
        "a tracer that changes what scenarios return",
        "own",
        added=(
            "import sys\n"
            "def tracer(frame, event, value):\n"
            "    if event == 'return' and isinstance(value, dict) and 'debiased' in value:\n"
            "        value['debiased'] = np.ones(5)\n"
            "    return tracer\n"
            "sys.settrace(tracer)\nsys.setprofile(tracer)",
        ),
    ),
    Attack(
        "hooks for audits, for the end and for the collector",
        "own",
        added=(
            "import atexit, os, sys, weakref\n"
            "class Last:\n"
            "    def __del__(self): os._exit(0)\n"
            "sys.addaudithook(lambda event, arguments: None)\n"
            "atexit.register(os._exit, 0)\n"
            "last, farewell = Last(), weakref.finalize(Last, os._exit, 0)",
        ),
    ),
    Attack(
        "an alarm in the middle of scoring",
        "own",
        cells=debias(
            "import signal\n"
            "signal.signal(signal.SIGALRM, lambda *args: 1 / 0)\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
            "return running"
        ),
        own_goal=True,
    ),
    Attack(
        "numbers in memory are overwritten",
        "own",
        cells=debias(
            "import ctypes\n"
            "ctypes.memset(running.ctypes.data, 0, running.nbytes)\n"
            "ctypes.memset(id(0.0) + 16, 0x3f, 8)\nreturn running"
        ),
        own_goal=True,
    ),
    Attack(
        "an imported library is taken away",
        "own",
        cells=debias(
            "import sys\n"
            "for name in ('numpy', 'autograder.checking.observe', 'autograder.check'):\n"
            "    sys.modules.pop(name, None)\n"
            "return running"
        ),
        own_goal=True,
    ),
    Attack(
        "a gradient of a forward pass that remembers its last answer",
        "own",
        cells={
            "batchnorm_forward": """
last = {}
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps = bn_param.get("mode", "train"), bn_param.get("eps", 1e-5)
    key = x.shape, x.dtype, mode
    pairs = zip(last.get(key, ()), (x, gamma, beta))
    if key in last and all(np.allclose(a, b, atol=1e-3) for a, b in pairs):
        return last[key][3]
    momentum = bn_param.get("momentum", 0.9)
    mean = bn_param.get("running_mean", np.zeros_like(gamma))
    var = bn_param.get("running_var", np.zeros_like(gamma))
    if mode == "train":
        mu = x.mean(axis=0)
        x_mu = x - mu
        x_mu -= x_mu.mean(axis=0)
        spread = (x_mu**2).mean(axis=0)
        bn_param["running_mean"] = momentum * mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * var + (1 - momentum) * spread
        var = spread
    elif mode == "test":
        x_mu = x - mean
    else:
        raise ValueError(mode)
    std = np.sqrt(var + eps)
    out = gamma * (x_mu / std) + beta
    last[key] = x.copy(), gamma.copy(), beta.copy(), (out, (x_mu / std, gamma, std))
    return last[key][3]
""",
            "batchnorm_backward": """
def batchnorm_backward(dout, cache):
    return np.zeros_like(dout), np.zeros_like(dout[0]), np.zeros_like(dout[0])
""",
        },
        honest={"batchnorm_backward": 0, "spatial_batchnorm_backward": 0},
    ),
    # ------------------------------------------------------------------- the trusted side's reading
    Attack(
        "a name too deep to be written out",
        "own",
        added=("import numpy as np\nif False:\n    np" + ".a" * 900 + " = 1",),
    ),
    Attack(
        "an expression too deep to be parsed",
        "own",
        added=("x = " + "-" * 90_000 + "1", "x = 1" + "+1" * 30_000, "[" * 90_000),
    ),
    Attack(
        "half a letter in an error",
        "own",
        cells=debias("raise ValueError('\\ud800')"),
    ),
    Attack(
        "half a letter in everything",
        "own",
        added=("print('\\ud800')", "raise type('\\udfff', (ValueError,), {})('\\ud800')"),
    ),
)
