"""Attempts through Python itself: its hooks, its modules, what the process holds, odd arrays."""

from corpus import Attack
from forging import BLANK, NOT_WRITTEN_IN_TORCH, TORCH_BUILT_IN, built_in, debias
from harming import STOPPED
from protocol import CONNECTIONS

INSIDE = "import autograder.check as course\ninside = course.recorder.__self__\n"
ANSWERS_FOR_NUMPY = """
class Answers(np.ndarray):
    dtype = property(lambda self: np.dtype(float))
    def copy(self, *args): return np.ones(5)
    def __array__(self, *args, **options): return np.ones(5)
    def __array_finalize__(self, other): return None
    def __array_function__(self, *args): return np.ones(5)
    def __reduce__(self): return np.ones, (5,)
"""
INTERFACE = """
class Interface:
    __array_interface__ = {"version": 3, "shape": (5,), "typestr": "<f8", "data": (4096, False)}
    __array_priority__, __array_ufunc__ = 1e9, None
"""
ANSWERS_FOR_TORCH = """
class Answers(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.ones(()) if function is torch.Tensor.detach else args[0]

def batchnorm_backward(dout, cache):
    return tuple(dout.as_subclass(Answers) for _ in range(3))
"""
SEEDS_IN_FILES = """
import sys
def debias_running(running, momentum, steps):
    frame, found = sys._getframe(1), []
    while frame is not None:
        found += [frame.f_locals["seed"]] if "seed" in frame.f_locals else []
        frame = frame.f_back
    for folder in (".", "/tmp", "/own", "/dev/shm"):
        try:
            with open(f"{folder}/kept", "a") as file:
                file.write("LE" + f"AK {found}")
        except OSError:
            pass
    course.kept = sys.modules["kept"] = found
    return running
"""
ALL_THAT_IS_HELD = """
import gc, sys
waiting, seen = [sys.modules, globals(), gc.get_objects(), gc.get_referrers(sys)], set()
while waiting and len(seen) < 200_000:
    thing = waiting.pop()
    if id(thing) in seen:
        continue
    seen.add(id(thing))
    if isinstance(thing, str | bytes) and "pla" + "nted: the" in str(thing):
        print("LEAK", thing)
    elif type(thing) is int and thing > 2**40:
        print(thing)
    elif isinstance(thing, dict):
        waiting += [*thing, *thing.values()]
    elif isinstance(thing, list | tuple | set):
        waiting += thing
    elif hasattr(thing, "__dict__"):
        waiting.append(vars(thing))
"""
WAKEUP = """
import signal
signal.signal(signal.SIGUSR1, lambda *args: None)
for number in range(3, 64):
    try:
        os.set_blocking(number, False)
        signal.set_wakeup_fd(number, warn_on_full_buffer=False)
        break
    except (OSError, ValueError):
        pass
signal.raise_signal(signal.SIGUSR1)
"""

ODD_ARRAYS = {
    "with all of it masked": "np.ma.masked_array(running, True)",
    "in a file": "np.memmap('kept', dtype=float, mode='w+', shape=(5,))",
    "of complex numbers": "running + 1j * running",
    "of texts": "np.array([b'1'] * 5)",
    "in the order of another machine": "running.astype('>f8')",
    "of one value in five places": "np.lib.stride_tricks.as_strided(running, (5,), (0,))",
    "of nothing in a huge shape": "np.empty((5, 0, 2**40))",
    "that is a list in itself": "(lambda found: found.append(found) or found)([])",
    "that is lists in lists": "__import__('functools').reduce(lambda a, _: [a], range(10**5), 1)",
    "that runs when it is unpickled": "type('Runs', (), {'__reduce__': lambda _: (print, ())})()",
    "that is a piece of memory": "memoryview(running)",
    "that is a module": "np",
}
ODD_TENSORS = {
    "without memory": "torch.ones(3, device='meta')",
    "of few places": "torch.eye(3).to_sparse()",
    "of few numbers": "torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)",
    "that is conjugated later": "torch.ones(3, dtype=torch.complex64).conj()",
    "of one value in all places": "torch.ones(1).expand(2**40)",
    "of tensors": "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])",
    "that only says its shape": "torch._subclasses.FakeTensorMode().from_tensor(torch.ones(3))",
}
GRADIENTS = "def batchnorm_backward(dout, cache):\n    return ({tensor},) * 3\n"


ATTACKS = (
    # ------------------------------------------------------------ Python's own parts replaced
    Attack(
        "built-ins that say yes",
        "comparisons",
        added=(
            "import builtins\n"
            "builtins.isinstance = builtins.all = builtins.any = lambda *args: True\n"
            "builtins.abs = lambda value: 0 * value",
        ),
        own_goal=True,
        told="replaces builtins.isinstance",
    ),
    Attack(
        "a module that stands in for NumPy and for the observer",
        "shadow",
        added=(
            "import sys, types\n"
            "class Ones(types.ModuleType):\n"
            "    def __getattr__(self, name): return lambda *args, **options: 1.0\n"
            "for name in ('numpy', 'torch', 'autograder.checking.observe', 'json'):\n"
            "    sys.modules[name] = Ones(name)",
        ),
        own_goal=True,
    ),
    Attack(
        "every function of every exercise answers with ones",
        "own",
        added=(
            "from autograder.checking.observe import Implementation\n"
            "def ones(self, name):\n"
            "    if name.startswith('_'): raise AttributeError(name)\n"
            "    return lambda *args: np.ones(5)\n"
            "Implementation.__getattr__ = ones",
        ),
        own_goal=True,
        told="replaces Implementation.__getattr__",
    ),
    Attack(
        "every cell is said to have ended with an error",
        "own",
        added=(
            "import autograder.sandbox.inside.child as child\n"
            "lines = iter([1, -1, True, 10**30, 'x', None, 1.5] * 9_999)\n"
            "child.line_of = lambda error: next(lines)",
        ),
        told="replaces child.line_of",
    ),
    Attack(
        "the framework's own function where PyTorch may not ask",
        "shortcut",
        cells=built_in(
            "helper",
            "def helper(*arguments, kept=getattr(torch.nn.functional, 'batch' + '_norm')):\n"
            "    with torch._C.DisableTorchFunction():\n"
            "        return kept(*arguments)\n",
        ),
        honest=NOT_WRITTEN_IN_TORCH,
        told="uses torch._C: look at what for",
    ),
    Attack(
        "the framework's own function in letters that look the same",
        "shortcut",
        cells={
            "torch.batchnorm_forward": TORCH_BUILT_IN.format(
                call="torch.nn.functional.\N{FULLWIDTH LATIN SMALL LETTER B}atch_norm"
            )
        },
        honest=NOT_WRITTEN_IN_TORCH,
        told="the submitted code uses torch.nn.functional.batch_norm",
    ),
    Attack(
        "a function whose name only looks right",
        "elsewhere",
        cells={
            "debias_running": BLANK.replace("running(", "runn\N{CYRILLIC SMALL LETTER I}ng(")
            + "    return running / (1 - momentum**steps)\n"
        },
    ),
    # ----------------------------------------------------------------------------- odd arrays
    Attack(
        "an array that answers for NumPy",
        "equal",
        cells={"debias_running": ANSWERS_FOR_NUMPY + BLANK + "    return running.view(Answers)"},
    ),
    Attack(
        "a tensor that answers for PyTorch",
        "equal",
        cells={"torch.batchnorm_backward": ANSWERS_FOR_TORCH},
        own_goal=True,
    ),
    Attack(
        "an interface to memory that is nobody's",
        "equal",
        cells={"debias_running": INTERFACE + BLANK + "    return Interface()"},
    ),
    Attack(
        "an array whose strides leave its memory",
        "equal",
        cells=debias("return np.lib.stride_tricks.as_strided(running, running.shape, (2**44,))"),
        told=STOPPED,
    ),
    Attack(
        "a structured array", "equal", cells=debias("return np.zeros(5, [('debiased', float)])")
    ),
    Attack("an array of dates", "equal", cells=debias("return running.astype('M8[s]')")),
    *(
        Attack(f"an array {kind}", "equal", cells=debias(f"return {array}"))
        for kind, array in ODD_ARRAYS.items()
    ),
    *(
        Attack(f"a tensor {kind}", "equal", cells=cell)
        for kind, tensor in ODD_TENSORS.items()
        for cell in [{"torch.batchnorm_backward": GRADIENTS.format(tensor=tensor)}]
    ),
    # ------------------------------------------------------------- between process and process
    Attack(
        "a thread that goes on replacing what scenarios show",
        "own",
        added=(
            INSIDE + "import io, threading, time\n"
            "file = io.BytesIO()\n"
            "np.save(file, np.ones(5))\n"
            "def write(end=time.monotonic() + 20):\n"
            "    while time.monotonic() < end:\n"
            "        inside.arrays[:] = [file.getvalue()] * len(inside.arrays)\n"
            "threading.Thread(target=write, daemon=True).start()",
        ),
        own_goal=True,
    ),
    Attack(
        "signals written to the grader",
        "pipe",
        cells={"debias_running": CONNECTIONS + WAKEUP + BLANK + "    return running"},
        own_goal=True,
        told="debias_running-solution was stopped",
    ),
    Attack(
        "seeds are left for the process that shows outputs",
        "own",
        added=(INSIDE,),
        cells={"debias_running": SEEDS_IN_FILES},
        appended=(
            "import pathlib, sys\n"
            "for folder in ('.', '/tmp', '/own', '/dev/shm'):\n"
            "    path = pathlib.Path(folder) / 'kept'\n"
            "    print(path.read_text() if path.exists() else '')\n"
            "if 'kept' in sys.modules or hasattr(course, 'kept'):\n    print('LE' + 'AK')",
        ),
        tier="B",
    ),
    Attack("all that the process holds is shown", "frames", appended=(ALL_THAT_IS_HELD,)),
    # ------------------------------------------------------------------------------- too much
    Attack(
        "files without number",
        "bomb",
        added=(
            "for number in range(100_000):\n"
            "    try:\n        open(f'file-{number}', 'w').close()\n"
            "    except OSError:\n        break",
        ),
        own_goal=True,
    ),
    Attack(
        "threads without number",
        "bomb",
        added=(
            "import threading, time\n"
            "for _ in range(2_000):\n"
            "    try:\n"
            "        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
            "    except RuntimeError:\n        break",
        ),
    ),
)
