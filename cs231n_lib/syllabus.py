"""The syllabus as data: every technique of the lecture, and where it lives in this course.

`SYLLABUS` has a row for each technique, in the order of the lecture. Tests walk it: every function,
exercise, figure and lesson that it names exists, and none exists that it does not name.
"""

from dataclasses import dataclass

BOTH = ("numpy", "torch")
SHARED = ("shared",)  # what has no framework is written once


@dataclass(frozen=True)
class Technique:
    """One row of the syllabus.

    Args:
        title: what the technique is called.
        slides: where the lecture shows it, by the number in the slide's footer; "" for before it.
        family: the folder of `cs231n_lib` that holds it.
        lesson: number of the lesson that teaches it.
        functions: their names, the same in every framework.
        frameworks: the files `in_<framework>.py` that hold the functions, or `SHARED`.
        exercises: ids of what students write.
        figure: the function of `cs231n_lib.plotting` that draws it.
        without_exercise, without_figure: why there is none, where there is none.
    """

    title: str
    slides: str
    family: str
    lesson: str
    functions: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = BOTH
    exercises: tuple[str, ...] = ()
    figure: str = ""
    without_exercise: str = ""
    without_figure: str = ""


SYLLABUS = (
    Technique(
        title="how a check works: rows of length 1",
        slides="",
        family="getting_started",
        lesson="00",
        functions=("unit_rows",),
        frameworks=("numpy",),
        exercises=("getting_started.unit_rows",),
        without_figure="a first exercise, before anything is there to see",
    ),
    Technique(
        title="batch normalization: training, test time and running statistics",
        slides="11–13",
        family="normalization",
        lesson="02",
        functions=("batchnorm_forward",),
        exercises=("normalization.batchnorm_forward", "normalization.torch.batchnorm_forward"),
        figure="plot_scale_sweep",
    ),
    Technique(
        title="batch normalization: the gradient along the computational graph",
        slides="12",
        family="normalization",
        lesson="02",
        functions=("batchnorm_backward",),
        exercises=("normalization.batchnorm_backward", "normalization.torch.batchnorm_backward"),
        figure="plot_computation_graph",
    ),
    Technique(
        title="batch normalization: the gradient simplified on paper",
        slides="12",
        family="normalization",
        lesson="02",
        functions=("batchnorm_backward_alt",),
        exercises=(
            "normalization.batchnorm_backward_alt",
            "normalization.torch.batchnorm_backward_alt",
        ),
        figure="plot_timings",
    ),
    Technique(
        title="an input that tells the variance from its one-pass imitation",
        slides="12",
        family="normalization",
        lesson="02",
        functions=("separating_input",),
        frameworks=("numpy",),
        exercises=("normalization.separating_input",),
        without_figure="the numbers of one batch, printed",
    ),
    Technique(
        title="batch normalization for ConvNets",
        slides="14",
        family="normalization",
        lesson="02",
        functions=("spatial_batchnorm_forward", "spatial_batchnorm_backward"),
        exercises=(
            "normalization.spatial_batchnorm_forward",
            "normalization.spatial_batchnorm_backward",
            "normalization.torch.spatial_batchnorm_forward",
            "normalization.torch.spatial_batchnorm_backward",
        ),
        figure="plot_histograms",
    ),
    Technique(
        title="test-time batch normalization folded into the layer before it",
        slides="13",
        family="normalization",
        lesson="02",
        functions=("fold_batchnorm",),
        exercises=("normalization.fold_batchnorm",),
        without_figure="two layers give the same numbers as one",
    ),
    Technique(
        title="what L2 does under batch normalization: the effective learning rate",
        slides="11, 70",
        family="normalization",
        lesson="02",
        functions=("effective_learning_rate",),
        exercises=("normalization.effective_learning_rate",),
        figure="plot_lines",
    ),
    Technique(
        title="running statistics that started at zero",
        slides="13, 46",
        family="normalization",
        lesson="02",
        functions=("debias_running",),
        exercises=("normalization.debias_running",),
        figure="plot_running_statistics",
    ),
    Technique(
        title="noise in training, fixed statistics in testing",
        slides="84",
        family="normalization",
        lesson="02",
        figure="plot_train_eval_gap",
        without_exercise="an experiment with the student's own batchnorm_forward, and a question",
    ),
    Technique(
        title="gradient descent",
        slides="20",
        family="optim",
        lesson="04",
        functions=("sgd",),
        exercises=("optim.sgd", "optim.torch.sgd"),
        figure="plot_trajectories",
    ),
    Technique(
        title="poor conditioning: steps against the condition number",
        slides="21–22",
        family="optim",
        lesson="04",
        figure="plot_lines",
        without_exercise="an experiment with the student's own sgd, a prediction, and a question",
    ),
    Technique(
        title="local minima and saddle points, and why saddles are common in high dimension",
        slides="23–25",
        family="optim",
        lesson="04",
        figure="plot_trajectories",
        without_exercise="experiments with the student's own sgd, a prediction, and a question",
    ),
    Technique(
        title="noise of gradients from mini-batches",
        slides="26",
        family="optim",
        lesson="04",
        figure="plot_lines",
        without_exercise="an experiment on the gradients of single examples, and a prediction",
    ),
    Technique(
        title="momentum whose velocity holds the learning rate",
        slides="27–30",
        family="optim",
        lesson="04",
        functions=("sgd_momentum",),
        exercises=("optim.sgd_momentum", "optim.torch.sgd_momentum"),
        figure="plot_trajectories",
    ),
    Technique(
        title="momentum whose velocity is a sum of gradients",
        slides="27–28",
        family="optim",
        lesson="04",
        functions=("sgd_momentum_unscaled",),
        exercises=("optim.sgd_momentum_unscaled", "optim.torch.sgd_momentum_unscaled"),
        without_figure="both forms give the same numbers; how far they are apart is printed",
    ),
    Technique(
        title="Nesterov momentum with the look-ahead",
        slides="31–33",
        family="optim",
        lesson="04",
        functions=("nesterov_lookahead",),
        exercises=("optim.nesterov_lookahead", "optim.torch.nesterov_lookahead"),
        figure="plot_lookahead",
    ),
    Technique(
        title="bowls that tell a look-ahead from one in the wrong direction",
        slides="31–33",
        family="optim",
        lesson="04",
        functions=("separating_curvatures",),
        frameworks=("numpy",),
        exercises=("optim.separating_curvatures",),
        figure="plot_lines",
    ),
    Technique(
        title="Nesterov momentum in terms of the gradient at the weights",
        slides="34–35",
        family="optim",
        lesson="04",
        functions=("nesterov",),
        exercises=("optim.nesterov", "optim.torch.nesterov"),
        without_figure="both forms give the same numbers; how far they are apart is printed",
    ),
    Technique(
        title="the comparison of all three, as an animation",
        slides="29, 36",
        family="optim",
        lesson="04",
        figure="animate_trajectories",
        without_exercise="an experiment with the student's own rules, and a question",
    ),
    Technique(
        title="AdaGrad: a step for every weight, steep and flat, and after a long time",
        slides="37–41",
        family="optim",
        lesson="05",
        functions=("adagrad",),
        exercises=("optim.adagrad", "optim.torch.adagrad"),
        figure="plot_trajectories",
    ),
    Technique(
        title="RMSProp: a mean of the squares that forgets",
        slides="42–43",
        family="optim",
        lesson="05",
        functions=("rmsprop",),
        exercises=("optim.rmsprop", "optim.torch.rmsprop"),
        figure="plot_lines",
    ),
    Technique(
        title="Adam, almost: the first step",
        slides="44–45",
        family="optim",
        lesson="05",
        functions=("adam_uncorrected",),
        exercises=("optim.adam_uncorrected", "optim.torch.adam_uncorrected"),
        figure="plot_lines",
    ),
    Technique(
        title="Adam, with bias correction and its defaults; all seven methods in a race",
        slides="46–47",
        family="optim",
        lesson="05",
        functions=("adam",),
        exercises=("optim.adam", "optim.torch.adam"),
        figure="plot_ranking",
    ),
    Technique(
        title="gradients that tell Adam from Adam without its correction",
        slides="45–46",
        family="optim",
        lesson="05",
        functions=("separating_gradients",),
        frameworks=("numpy",),
        exercises=("optim.separating_gradients",),
        without_figure="how far two runs go, printed",
    ),
    Technique(
        title="beyond the lecture: decoupled weight decay",
        slides="47",
        family="optim",
        lesson="05",
        functions=("adamw",),
        exercises=("optim.adamw", "optim.torch.adamw"),
        without_figure="four weights after a run, printed",
    ),
)
