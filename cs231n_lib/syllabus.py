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
        title="first- and second-order models of a loss",
        slides="53–56",
        family="second_order",
        lesson="07",
        functions=("taylor_model",),
        exercises=("second_order.taylor_model",),
        figure="plot_taylor_models",
    ),
    Technique(
        title="Newton's step, and what it costs",
        slides="56–59",
        family="second_order",
        lesson="07",
        functions=("newton_step",),
        exercises=("second_order.newton_step", "second_order.torch.newton_step"),
        figure="plot_hessian_cost",
    ),
    Technique(
        title="Newton at a saddle: a damped step through its pole",
        slides="56–59",
        family="second_order",
        lesson="07",
        figure="plot_damped_step",
        without_exercise="an experiment with the student's own newton_step",
    ),
    Technique(
        title="a step that no saddle attracts, beyond the lecture",
        slides="59",
        family="second_order",
        lesson="07",
        functions=("saddle_free_step",),
        exercises=("second_order.saddle_free_step",),
        figure="plot_saddle_paths",
    ),
    Technique(
        title="BFGS: the update of the inverse Hessian",
        slides="60",
        family="second_order",
        lesson="07",
        functions=("bfgs_update",),
        exercises=("second_order.bfgs_update", "second_order.torch.bfgs_update"),
        without_figure="how far it is from the inverse Hessian after each step, printed",
    ),
    Technique(
        title="BFGS and L-BFGS as minimizers",
        slides="60–61",
        family="second_order",
        lesson="07",
        functions=("bfgs", "lbfgs"),
        without_exercise="the loop and its line search are given, see cs231n_lib.descent",
        without_figure="they are the updates and directions of the other rows, in a loop",
    ),
    Technique(
        title="L-BFGS: the direction by two loops; full batch and mini-batch",
        slides="60–61",
        family="second_order",
        lesson="07",
        functions=("lbfgs_direction",),
        exercises=("second_order.lbfgs_direction", "second_order.torch.lbfgs_direction"),
        figure="plot_lines",
    ),
    Technique(
        title="a pair that leads L-BFGS uphill",
        slides="61",
        family="second_order",
        lesson="07",
        functions=("misleading_pair",),
        frameworks=("numpy",),
        exercises=("second_order.misleading_pair",),
        without_figure="three vectors and two slopes, printed",
    ),
    Technique(
        title="K-FAC for affine layers",
        slides="61",
        family="second_order",
        lesson="07",
        functions=("kfac_output_gradients", "kfac_factors", "kfac_direction"),
        exercises=(
            "second_order.kfac_output_gradients",
            "second_order.kfac_factors",
            "second_order.kfac_direction",
        ),
        figure="plot_lines",
    ),
    Technique(
        title="in practice: three pieces of advice, tested",
        slides="62",
        family="second_order",
        lesson="07",
        figure="plot_lines",
        without_exercise="experiments with the framework's own optimizers, and a question",
    ),
)
