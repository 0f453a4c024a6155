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
        title="sigmoid, tanh and ReLU, with their slopes",
        slides="3–4",
        family="activations",
        lesson="01",
        functions=(
            "sigmoid_forward",
            "sigmoid_backward",
            "tanh_forward",
            "tanh_backward",
            "relu_forward",
            "relu_backward",
        ),
        figure="plot_activation_functions",
        without_exercise="shown beside those that are exercises; ReLU is a layer that is given",
    ),
    Technique(
        title="leaky ReLU",
        slides="3–4",
        family="activations",
        lesson="01",
        functions=("leaky_relu_forward", "leaky_relu_backward"),
        exercises=(
            "activations.leaky_relu_forward",
            "activations.leaky_relu_backward",
            "activations.torch.leaky_relu_forward",
            "activations.torch.leaky_relu_backward",
        ),
        figure="plot_unit_states",
    ),
    Technique(
        title="an input on which a slope cannot be had by division",
        slides="3–4",
        family="activations",
        lesson="01",
        functions=("slope_breaking_input",),
        frameworks=("numpy",),
        exercises=("activations.slope_breaking_input",),
        without_figure="three numbers, printed",
    ),
    Technique(
        title="maxout",
        slides="3–4",
        family="activations",
        lesson="01",
        functions=("maxout_forward", "maxout_backward"),
        exercises=(
            "activations.maxout_forward",
            "activations.maxout_backward",
            "activations.torch.maxout_forward",
            "activations.torch.maxout_backward",
        ),
        figure="plot_activation_functions",
    ),
    Technique(
        title="exponential linear unit (ELU)",
        slides="3–4",
        family="activations",
        lesson="01",
        functions=("elu_forward", "elu_backward"),
        exercises=(
            "activations.elu_forward",
            "activations.elu_backward",
            "activations.torch.elu_forward",
            "activations.torch.elu_backward",
        ),
        figure="plot_activation_functions",
    ),
    Technique(
        title="initialization: too small, too big, and what the layers make of it",
        slides="5",
        family="initialization",
        lesson="01",
        functions=("gaussian_init", "activation_statistics"),
        figure="plot_layer_histograms",
        without_exercise="one line each; the lesson's experiments do the same with a network",
    ),
    Technique(
        title="Xavier initialization: just right for tanh",
        slides="5",
        family="initialization",
        lesson="01",
        functions=("xavier_init",),
        exercises=("initialization.xavier_init", "initialization.torch.xavier_init"),
        figure="plot_layer_histograms",
    ),
    Technique(
        title="Kaiming initialization: just right for ReLU",
        slides="5",
        family="initialization",
        lesson="01",
        functions=("kaiming_init",),
        exercises=("initialization.kaiming_init", "initialization.torch.kaiming_init"),
        figure="plot_layer_histograms",
    ),
    Technique(
        title="zero-centred data",
        slides="6",
        family="preprocessing",
        lesson="01",
        functions=("zero_center",),
        figure="plot_point_clouds",
        without_exercise="one line, which the lesson shows before the student writes normalize",
    ),
    Technique(
        title="normalized data, fitted on training data alone; sensitivity to the weights",
        slides="6–7",
        family="preprocessing",
        lesson="01",
        functions=("normalize",),
        exercises=("preprocessing.normalize", "preprocessing.torch.normalize"),
        figure="plot_point_clouds",
    ),
    Technique(
        title="an input that tells eps from a guard against a spread of 0",
        slides="6–7",
        family="preprocessing",
        lesson="01",
        functions=("separating_feature",),
        frameworks=("numpy",),
        exercises=("preprocessing.separating_feature",),
        without_figure="the largest number of each result, printed",
    ),
    Technique(
        title="principal components",
        slides="6–7",
        family="preprocessing",
        lesson="01",
        functions=("pca",),
        exercises=("preprocessing.pca", "preprocessing.torch.pca"),
        figure="plot_point_clouds",
    ),
    Technique(
        title="whitened data",
        slides="6–7",
        family="preprocessing",
        lesson="01",
        functions=("whiten",),
        exercises=("preprocessing.whiten", "preprocessing.torch.whiten"),
        figure="plot_image_rows",
    ),
    Technique(
        title="babysitting (here, since exercises are no support): the first loss, loss curves",
        slides="8",
        family="search",
        lesson="01",
        functions=("sanity_loss",),
        frameworks=SHARED,
        exercises=("search.sanity_loss",),
        figure="plot_loss_curves",
    ),
    Technique(
        title="hyperparameters on a logarithmic axis",
        slides="9",
        family="search",
        lesson="01",
        functions=("log_uniform",),
        frameworks=SHARED,
        exercises=("search.log_uniform",),
        figure="plot_histograms",
    ),
    Technique(
        title="random search",
        slides="9",
        family="search",
        lesson="01",
        functions=("random_search",),
        frameworks=SHARED,
        exercises=("search.random_search",),
        figure="plot_trials",
    ),
    Technique(
        title="from coarse to fine",
        slides="9",
        family="search",
        lesson="01",
        functions=("refine",),
        frameworks=SHARED,
        exercises=("search.refine",),
        figure="plot_trials",
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
)
