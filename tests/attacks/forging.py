"""Attempts to earn a mark that the code does not earn."""

from corpus import Attack
from uploads import beside

BLANK = "def debias_running(running, momentum, steps):\n"


def debias(body: str) -> dict[str, str]:
    """A solution cell of the exercise `debias_running`, wrong in the honest submission."""
    return {"debias_running": BLANK + "".join(f"    {line}\n" for line in body.splitlines())}


EQUAL = """
class Equal:
    shape, dtype, size, ndim = (5,), np.dtype(float), 5, 1
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __array__(self, dtype=None, copy=None): return np.array([self] * 5, dtype=object)
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __le__(self, other): return True
    __lt__ = __ge__ = __gt__ = __le__
"""
EQUAL_ARRAY = """
class EqualArray(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
    __rsub__ = __sub__
    def __array_ufunc__(self, *arguments, **options): return np.ones(self.shape, bool)
    def __array_function__(self, *arguments): return True
"""
STRANGER = """
import sys, gc
def found(names):
    frame = sys._getframe(1)
    while frame is not None:
        for name in names:
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and any(name in thing for name in names):
            return next(thing[name] for name in names if name in thing)
    return None
"""
CARELESS = """
def fold_batchnorm(W, b, gamma, beta, bn_param):
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    W *= scale
    return W, (b - bn_param["running_mean"]) * scale + beta
"""
TORCH_BUILT_IN = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mean = bn_param.setdefault("running_mean", torch.zeros_like(gamma))
    var = bn_param.setdefault("running_var", torch.zeros_like(gamma))
    training = bn_param.get("mode", "train") == "train"
    keep, eps = bn_param.get("momentum", 0.9), bn_param.get("eps", 1e-5)
    return {call}(x, mean, var, gamma, beta, training, 1 - keep, eps), None
"""
KERNEL = "(lambda x, m, v, g, b, *more: {call}(x, g, b, m, v, *more, False))"
BY_AUTOGRAD = """
def batchnorm_forward_kept(x, gamma, beta, bn_param, forward=batchnorm_forward):
    out, _ = forward(x, gamma, beta, bn_param)
    return out, (x, gamma, beta, bn_param.get("eps", 1e-5))
batchnorm_forward = batchnorm_forward_kept
def batchnorm_backward(dout, cache):
    import torch
    x, gamma, beta, eps = cache
    leaves = [torch.from_numpy(array).requires_grad_() for array in (x, gamma, beta)]
    centred = leaves[0] - leaves[0].mean(0)
    out = leaves[1] * centred / (centred.pow(2).mean(0) + eps).sqrt() + leaves[2]
    return tuple(g.numpy() for g in torch.autograd.grad(out, leaves, torch.from_numpy(dout)))
"""
OTHER_GRADIENT = """
def batchnorm_backward(dout, cache):
    return 0 * dout, 2 * dout.sum(axis=0), 2 * dout.sum(axis=0)
"""
ANOTHER_FORWARD = """
def batchnorm_forward(x, gamma, beta, bn_param):
    return gamma * x**3 + 2 * beta, (x, gamma)
def batchnorm_backward(dout, cache):
    x, gamma = cache
    return 3 * dout * gamma * x**2, (dout * x**3).sum(axis=0), 2 * dout.sum(axis=0)
"""
NOT_WRITTEN_IN_TORCH = dict.fromkeys(
    ("torch.batchnorm_forward", "torch.spatial_batchnorm_forward", "torch.BatchNorm"), 0
)


def built_in(call: str, start: str = "") -> dict[str, str]:
    """The PyTorch forward pass, which is to be written, by a function of the framework."""
    return {"torch.batchnorm_forward": start + TORCH_BUILT_IN.format(call=call)}


ATTACKS = (
    # ------------------------------------------------ replace what compares, records, displays
    Attack(
        "every comparison is true",
        "comparisons",
        added=(
            "import numpy\nnumpy.allclose = numpy.array_equal = lambda *args, **options: True\n"
            "numpy.testing.assert_allclose = lambda *args, **options: None",
        ),
        told="replaces numpy.allclose, numpy.array_equal, numpy.testing.assert_allclose",
        quick=True,
    ),
    Attack(
        "a transformer that drops asserts",
        "transformer",
        added=(
            "import ast\nclass Drop(ast.NodeTransformer):\n"
            "    def visit_Assert(self, node): return ast.Pass()\n"
            "get_ipython().ast_transformers.append(Drop())",
        ),
    ),
    Attack(
        "a transformer that turns check cells into a number",
        "transformer",
        added=(
            "def points(lines):\n"
            "    return ['100.0'] if lines and lines[0].startswith('check(') else lines\n"
            "get_ipython().input_transformers_post.append(points)",
        ),
        own_goal=True,
    ),
    Attack(
        "a transformer of tokens that turns check cells into a number",
        "transformer",
        added=(
            "from IPython.core.inputtransformer2 import TokenTransformBase\n"
            "class Points(TokenTransformBase):\n"
            "    @classmethod\n"
            "    def find(cls, lines):\n"
            "        found = [word for line in lines for word in line if word.string == 'check']\n"
            "        return cls(found[0].start) if found else None\n"
            "    def transform(self, lines): return ['100.0']\n"
            "get_ipython().input_transformer_manager.token_transformers.append(Points)",
        ),
        own_goal=True,
    ),
    Attack(
        "the first displayed number",
        "displayhook",
        cells=debias("import sys\nsys.displayhook(3.0)\nprint(3.0)\nreturn running"),
    ),
    Attack(
        "marks that are no numbers",
        "displayhook",
        appended=("float('nan')", "-5", "'full marks'", "import sys\nsys.displayhook(100)"),
    ),
    Attack(
        "a check of one's own",
        "check",
        added=(
            "import autograder.check\n"
            "autograder.check.check = check = lambda *args: 100.0\n"
            "autograder.check.show = lambda *args: None",
        ),
        told="replaces autograder.check.check",
    ),
    Attack(
        "a class that stands in for check",
        "check",
        added=("class check(float):\n    def __new__(cls, *args): return float(16)",),
    ),
    Attack(
        "the recorder keeps what is right for what is wrong",
        "own",
        added=(
            "import autograder.check as module\n"
            "from autograder import exercises\n"
            "keep = module.recorder\n"
            "def best(exercise, functions):\n"
            "    keep(exercises.find('normalization.fold_batchnorm'),\n"
            "         {'fold_batchnorm': lambda W, b, *rest: (W, b)})\n"
            "    if exercise.id != 'normalization.debias_running':\n"
            "        keep(exercise, functions)\n"
            "module.recorder = best",
        ),
        told="replaces module.recorder",
    ),
    Attack(
        "check called for another exercise",
        "elsewhere",
        appended=(
            "check('normalization.debias_running', lambda running, momentum, steps: running)",
            "check('normalization.debias_running', print)",
        ),
    ),
    Attack(
        "the observer sends ones",
        "own",
        added=(
            "import sys\nfrom autograder.checking.observe import Seen\n"
            "def ones(impl, exercise, check, seed):\n"
            "    names = 'debiased', 'running after the call'\n"
            "    return Seen(arrays=dict.fromkeys(names, np.ones(5)))\n"
            "for module in list(sys.modules.values()):\n"
            "    if hasattr(module, 'observe_check'):\n"
            "        module.observe_check = ones",
        ),
        own_goal=True,
    ),
    Attack(
        "functions are called on copies",
        "inputs",
        cells={"fold_batchnorm": CARELESS},
        honest={"fold_batchnorm": 0},
        added=(
            "from autograder.checking.observe import Implementation\n"
            "import copy\ninward = Implementation._inward\n"
            "def copied(self, value):\n    return inward(self, copy.deepcopy(value))\n"
            "Implementation._inward = copied",
        ),
        slips="that inputs stay as they were, and that a mode is refused, only the child can say",
    ),
    Attack(
        "a refusal that never was",
        "own",
        cells={
            "batchnorm_forward": """
def batchnorm_forward(x, gamma, beta, bn_param):
    test, keep = bn_param.get("mode", "train") == "test", bn_param.get("momentum", 0.9)
    mean = bn_param.get("running_mean", np.zeros_like(gamma))
    var = bn_param.get("running_var", np.zeros_like(gamma))
    if not test:
        mu, old_mean, old_var = x.mean(axis=0), mean, var
        mean = mu + (x - mu).mean(axis=0)
        var = ((x - mean) ** 2).mean(axis=0)
        bn_param["running_mean"] = keep * old_mean + (1 - keep) * mean
        bn_param["running_var"] = keep * old_var + (1 - keep) * var
    std = np.sqrt(var + bn_param.get("eps", 1e-5))
    return gamma * ((x - mean) / std) + beta, ((x - mean) / std, gamma, std)
"""
        },
        honest={"batchnorm_forward": 15.5, "spatial_batchnorm_forward": 7.5},
        added=(
            "from autograder import exercises\n"
            "for exercise in exercises.all_exercises():\n"
            "    for check in exercise.checks:\n"
            "        if check.name.startswith('a mode'):\n"
            "            refused = lambda impl, rng: {'refused': np.array(1)}\n"
            "            object.__setattr__(check, 'scenario', refused)",
        ),
        slips="that inputs stay as they were, and that a mode is refused, only the child can say",
    ),
    # -------------------------------------------------------- return what compares as equal
    Attack(
        "an always-equal object",
        "equal",
        cells={"debias_running": EQUAL + BLANK + "    return Equal()"},
    ),
    Attack(
        "an always-equal array",
        "equal",
        cells={"debias_running": EQUAL_ARRAY + BLANK + "    return running.view(EqualArray)"},
    ),
    Attack("a huge array", "equal", cells=debias("return np.broadcast_to(0.5, (10**12,))")),
    Attack(
        "an object array", "equal", cells=debias("return np.array([object()] * 5, dtype=object)")
    ),
    Attack("a generator", "equal", cells=debias("return (value for value in running)")),
    Attack("only NaN", "equal", cells=debias("return np.full_like(running, np.nan)")),
    Attack(
        "a coarse type with a generous tolerance",
        "equal",
        cells=debias("return (running * 1.4).astype(np.float16)"),
    ),
    Attack(
        "inputs set to zero, and zeros returned",
        "inputs",
        cells=debias("running[...] = 0\nreturn running"),
    ),
    Attack(
        "a result that changes after it was returned",
        "inputs",
        cells=debias(
            "import threading\nout = running.copy()\n"
            "threading.Timer(0.0, out.fill, [0.0]).start()\nreturn out"
        ),
    ),
    Attack(
        "inputs that are all zeros",
        "generator",
        added=(
            "class Zeros:\n"
            "    def __getattr__(self, name):\n"
            "        return lambda *args, size=None, **options: np.zeros(size or ())\n"
            "np.random.default_rng = lambda seed=None: Zeros()",
        ),
        told="replaces np.random.default_rng",
        own_goal=True,
    ),
    # ------------------------------------------------------------------ look for the answers
    Attack(
        "what a test cell left in In, frames and the collector",
        "frames",
        cells={
            "debias_running": STRANGER
            + BLANK
            + "    answer = found(['expected', 'answer', 'debiased', 'reference'])\n"
            + "    return answer if isinstance(answer, np.ndarray) else running\n"
        },
        appended=("print(In[-2], [thing for thing in Out.values()])",),
    ),
    Attack(
        "the solution is read from the course's disk",
        "disk",
        cells={
            "debias_running": """
import json, pathlib
for folder in ("<course>", "../../..", ".."):
    for path in pathlib.Path(folder).rglob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            if source.startswith("def debias_running") and "momentum**steps" in source:
                exec(source)
"""
            + "if 'debias_running' not in globals():\n    "
            + BLANK.replace("\n", " return running")
        },
        tier="B",
    ),
    Attack(
        "the reference is imported",
        "shortcut",
        cells={"debias_running": "from cs231n_lib.normalization.in_numpy import debias_running"},
        told="the submitted code uses cs231n_lib.normalization",
    ),
    Attack(
        "the reference is imported by a helper in another cell",
        "shortcut",
        added=(
            "from cs231n_lib.normalization.in_numpy import debias_running as theirs",
            "def helper(*arguments):\n    return theirs(*arguments)",
        ),
        cells=debias("return helper(running, momentum, steps)"),
        told="the submitted code uses cs231n_lib.normalization",
    ),
    Attack(
        "the reference is what a file beside the notebook returns",
        "shortcut",
        upload=beside(helper="import cs231n_lib.normalization.in_numpy as n\nf = n.debias_running"),
        cells=debias("import helper\nreturn helper.f(running, momentum, steps)"),
        told="the submitted code uses cs231n_lib.normalization",
    ),
    Attack(
        "the reference is imported under a hidden name",
        "shortcut",
        cells={
            "debias_running": BLANK
            + "    try:\n"
            + "        import importlib\n"
            + "        name = 'cs231n_lib.normali' + 'zation.in_numpy'\n"
            + "        reference = importlib.import_module(name)\n"
            + "        return reference.debias_running(running, momentum, steps)\n"
            + "    except Exception:\n        return running"
        },
        tier="B",
    ),
    # -------------------------------------------------------------- call what is to be written
    Attack(
        "the framework's own function",
        "shortcut",
        cells=built_in("torch.nn.functional.batch_norm"),
        honest=NOT_WRITTEN_IN_TORCH,
        told="the submitted code uses torch.nn.functional.batch_norm",
    ),
    Attack(
        "the framework's own function, imported in another cell",
        "shortcut",
        added=("from torch.nn.functional import batch_norm as helper",),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
        told="the submitted code uses torch.nn.functional.batch_norm",
    ),
    Attack(
        "the framework's own function, its name put together at the call",
        "shortcut",
        cells=built_in("getattr(torch.nn.functional, 'batch' + '_norm')"),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function behind a magic that no parser knows",
        "shortcut",
        cells=built_in("batch_norm", "%%time\nfrom torch.nn.functional import batch_norm\n"),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function, taken along beforehand",
        "shortcut",
        added=(
            "import torch\nkept = getattr(torch, 'native_batch' + '_norm')\n"
            "def helper(x, mean, var, gamma, beta, training, rate, eps):\n"
            "    return kept(x, gamma, beta, mean, var, training, rate, eps)[0]",
        ),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function, from below Python",
        "shortcut",
        cells=built_in(KERNEL.format(call="torch.ops.aten.batch_norm.default")),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function as a default argument in another cell",
        "shortcut",
        added=(
            "import torch\nKEPT = getattr(torch._C._VariableFunctions, 'batch' + '_norm')\n"
            "def helper(x, mean, var, *more, kept=KEPT):"
            "\n    return kept(x, *more[:2], mean, var, *more[2:], False)",
        ),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
        told="uses torch._C: look at what for",
    ),
    Attack(
        "the framework's own function behind one of one's own that had its name for a while",
        "shortcut",
        added=(
            "from torch.nn.functional import batch_norm as helper\nkept = helper",
            "def helper(*arguments):\n    return arguments",
            "helper = kept",
        ),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function in a thread and outside of inference mode",
        "shortcut",
        added=(
            "import torch\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "def helper(*arguments, kept=getattr(torch.nn.functional, 'batch' + '_norm')):\n"
            "    with torch.inference_mode(False), ThreadPoolExecutor() as pool:\n"
            "        return pool.submit(kept, *(a.clone() if hasattr(a, 'clone') else a\n"
            "                                   for a in arguments)).result()",
        ),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
    ),
    Attack(
        "the framework's own function, compiled beforehand",
        "shortcut",
        added=(
            "import torch\n"
            "helper = torch.jit.script(getattr(torch.nn.functional, 'batch' + '_norm'))",
        ),
        cells=built_in("helper"),
        honest=NOT_WRITTEN_IN_TORCH,
        told="uses torch.jit: look at what for",
        slips="a function that torch.jit compiled before the check is only told to the instructor",
    ),
    Attack(
        "a NumPy backward pass by PyTorch's autograd",
        "shortcut",
        cells={"batchnorm_backward": BY_AUTOGRAD},
        honest={"batchnorm_backward": 0},
        own_goal=True,  # what builds on it loses its points
    ),
    # ------------------------------------------------------------------------- half the points
    Attack(
        "another forward pass for half the points of its gradient",
        "own",
        cells={"batchnorm_backward": ANOTHER_FORWARD},
        honest={"batchnorm_backward": 1},  # the kind of numbers is right, and dout stays as it was
        own_goal=True,  # what builds on the forward pass loses its points
    ),
    Attack(
        "slopes of one's own, sent with the gradient",
        "own",
        cells={"batchnorm_backward": OTHER_GRADIENT},
        honest={"batchnorm_backward": 0},
        own_goal=True,  # what builds on it loses its points
        added=(
            "from autograder.checking import slopes\n"
            "from autograder.sandbox.inside import child, warm\n"
            "observe = child.observe_check\n"
            "def measured(impl, exercise, check, seed):\n"
            "    seen = observe(impl, exercise, check, seed)\n"
            "    if check.forward and seen.arrays:\n"
            "        out = seen.arrays['_out'] = seen.arrays['_out'] * 2\n"
            "        probe = slopes.Probe(seen.arrays, 0)\n"
            "        seen.arrays.update(probe.measured([out] * len(probe.points)))\n"
            "    return seen\n"
            "child.observe_check = measured",
        ),
        told="replaces child.observe_check",
    ),
)
