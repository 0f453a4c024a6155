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
        title="layer normalization, the same at train and test time",
        slides="15",
        family="normalization",
        lesson="03",
        functions=("layernorm_forward", "layernorm_backward"),
        exercises=(
            "normalization.layernorm_forward",
            "normalization.layernorm_backward",
            "normalization.torch.layernorm_forward",
            "normalization.torch.layernorm_backward",
        ),
        figure="plot_batch_sizes",
    ),
    Technique(
        title="layer normalization in a recurrent network",
        slides="15",
        family="normalization",
        lesson="03",
        figure="plot_lines",
        without_exercise="an experiment with the student's own pair, on sequences of any length",
    ),
    Technique(
        title="instance normalization",
        slides="16",
        family="normalization",
        lesson="03",
        functions=("instancenorm_forward", "instancenorm_backward"),
        exercises=(
            "normalization.instancenorm_forward",
            "normalization.instancenorm_backward",
            "normalization.torch.instancenorm_forward",
            "normalization.torch.instancenorm_backward",
        ),
        without_figure="photographs before and after, shown as they are",
    ),
    Technique(
        title="which numbers share a mean",
        slides="17",
        family="normalization",
        lesson="03",
        figure="plot_normalization_axes",
        without_exercise="a picture, made with the student's own functions",
    ),
    Technique(
        title="group normalization",
        slides="18",
        family="normalization",
        lesson="03",
        functions=("spatial_groupnorm_forward", "spatial_groupnorm_backward"),
        exercises=(
            "normalization.spatial_groupnorm_forward",
            "normalization.spatial_groupnorm_backward",
            "normalization.torch.spatial_groupnorm_forward",
            "normalization.torch.spatial_groupnorm_backward",
        ),
        figure="plot_batch_sizes",
    ),
    Technique(
        title="images that tell G groups from groups of G channels",
        slides="18",
        family="normalization",
        lesson="03",
        functions=("separating_groups",),
        frameworks=("numpy",),
        exercises=("normalization.separating_groups",),
        without_figure="the means of a few channels, printed",
    ),
    Technique(
        title="what instance normalization takes from a photograph",
        slides="16",
        family="normalization",
        lesson="03",
        figure="plot_photographs",
        without_exercise="an experiment with the student's own function, and a question",
    ),
    Technique(
        title="decorrelated batch normalization: ZCA whitening in groups, and its gradient",
        slides="19",
        family="normalization",
        lesson="03",
        functions=("decorrelated_batchnorm_forward", "decorrelated_batchnorm_backward"),
        exercises=(
            "normalization.decorrelated_batchnorm_forward",
            "normalization.decorrelated_batchnorm_backward",
            "normalization.torch.decorrelated_batchnorm_forward",
        ),
        figure="plot_whitening",
    ),
)
