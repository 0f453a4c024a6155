"""The syllabus as data: every technique of the lecture, and where it lives in this course.

`SYLLABUS` has a row for each technique, in the order of the lecture. A row says what nothing else
knows: title, slides, functions, figure, and the reasons for what is missing. The rest is derived:
frameworks from the library, exercises from their records, the lesson from the lessons' sources.
Tests walk it: whatever it names exists, and nothing exists that it does not name.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache

from autograder.exercises import all_exercises
from autograder.lessons.lesson import SRC

PLACES = {"numpy": "in_numpy", "torch": "in_torch", "shared": "shared"}  # framework: module


@dataclass(frozen=True)
class Technique:
    """One row of the syllabus.

    Args:
        title: what the technique is called.
        slides: where the lecture shows it, by the number in the slide's footer; "" for before it.
        family: the folder of `cs231n_lib` that holds it.
        functions: their names, the same in every framework.
        figure: the function of `cs231n_lib.plotting` that draws it.
        shown_in: number of the lesson, where no exercise tells it.
        without_numpy: why functions have a form in PyTorch alone; of classes it is clear.
        without_exercise, without_figure: why there is none, where there is none.
    """

    title: str
    slides: str
    family: str
    functions: tuple[str, ...] = ()
    figure: str = ""
    shown_in: str = ""
    without_exercise: str = ""
    without_figure: str = ""
    without_numpy: str = ""

    @property
    def frameworks(self) -> tuple[str, ...]:
        """In what the functions are written: numpy, torch, or shared by both."""
        return tuple(
            framework
            for framework in PLACES
            if self.functions and all(hasattr(self._module(framework), f) for f in self.functions)
        )

    @property
    def exercises(self) -> tuple[str, ...]:
        """Ids of what students write."""
        return tuple(
            exercise.id
            for exercise in all_exercises()
            if exercise.family == self.family and exercise.function in self.functions
        )

    @property
    def lesson(self) -> str:
        """Number of the lesson that teaches it."""
        if self.shown_in:
            return self.shown_in
        setting = (f'exercise="{exercise_id}"' for exercise_id in self.exercises[:1])
        return next((n for mark in setting for n, text in sources().items() if mark in text), "")

    def _module(self, framework):
        name = f"cs231n_lib.{self.family}.{PLACES[framework]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None


@cache
def sources() -> dict[str, str]:
    """Return {number: text} of all lessons."""
    return {path.name[:2]: path.read_text(encoding="utf-8") for path in sorted(SRC.glob("*.py"))}


SYLLABUS = (
    Technique(
        title="how a check works: rows of length 1",
        slides="",
        family="getting_started",
        functions=("unit_rows",),
        without_figure="a first exercise, before anything is there to see",
    ),
    Technique(
        title="sigmoid, tanh and ReLU, with their slopes",
        slides="3–4",
        family="activations",
        shown_in="01",
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
        functions=("leaky_relu_forward", "leaky_relu_backward"),
        figure="plot_unit_states",
    ),
    Technique(
        title="an input on which a slope cannot be had by division",
        slides="3–4",
        family="activations",
        functions=("slope_breaking_input",),
        without_figure="three numbers, printed",
    ),
    Technique(
        title="maxout",
        slides="3–4",
        family="activations",
        functions=("maxout_forward", "maxout_backward"),
        figure="plot_activation_functions",
    ),
    Technique(
        title="exponential linear unit (ELU)",
        slides="3–4",
        family="activations",
        functions=("elu_forward", "elu_backward"),
        figure="plot_activation_functions",
    ),
    Technique(
        title="initialization: too small, too big, and what the layers make of it",
        slides="5",
        family="initialization",
        shown_in="01",
        functions=("gaussian_init", "activation_statistics"),
        figure="plot_lines",
        without_exercise="one line each; the lesson's experiments do the same with a network",
    ),
    Technique(
        title="Xavier initialization: just right for tanh",
        slides="5",
        family="initialization",
        functions=("xavier_init",),
        figure="plot_lines",
    ),
    Technique(
        title="Kaiming initialization: just right for ReLU",
        slides="5",
        family="initialization",
        functions=("kaiming_init",),
        figure="plot_lines",
    ),
    Technique(
        title="zero-centred data",
        slides="6",
        family="preprocessing",
        shown_in="01",
        functions=("zero_center",),
        figure="plot_point_clouds",
        without_exercise="one line, which the lesson shows before the student writes normalize",
    ),
    Technique(
        title="normalized data, fitted on training data alone; sensitivity to the weights",
        slides="6–7",
        family="preprocessing",
        functions=("normalize",),
        figure="plot_point_clouds",
    ),
    Technique(
        title="an input that tells eps from a guard against a spread of 0",
        slides="6–7",
        family="preprocessing",
        functions=("separating_feature",),
        without_figure="the largest number of each result, printed",
    ),
    Technique(
        title="principal components",
        slides="6–7",
        family="preprocessing",
        functions=("pca",),
        figure="plot_point_clouds",
    ),
    Technique(
        title="whitened data",
        slides="6–7",
        family="preprocessing",
        functions=("whiten",),
        figure="plot_image_rows",
    ),
    Technique(
        title="babysitting (here, since exercises are no support): the first loss, loss curves",
        slides="8",
        family="search",
        functions=("sanity_loss",),
        figure="plot_loss_curves",
    ),
    Technique(
        title="hyperparameters on a logarithmic axis",
        slides="9",
        family="search",
        functions=("log_uniform",),
        figure="plot_histograms",
    ),
    Technique(
        title="random search",
        slides="9",
        family="search",
        functions=("random_search",),
        figure="plot_trials",
    ),
    Technique(
        title="from coarse to fine",
        slides="9",
        family="search",
        functions=("refine",),
        figure="plot_trials",
    ),
    Technique(
        title="batch normalization: training, test time and running statistics",
        slides="11–13",
        family="normalization",
        functions=("batchnorm_forward",),
        figure="plot_scale_sweep",
    ),
    Technique(
        title="batch normalization: the gradient along the computational graph",
        slides="12",
        family="normalization",
        functions=("batchnorm_backward",),
        figure="plot_computation_graph",
    ),
    Technique(
        title="batch normalization: the gradient simplified on paper",
        slides="12",
        family="normalization",
        functions=("batchnorm_backward_alt",),
        figure="plot_timings",
    ),
    Technique(
        title="an input that tells the variance from its one-pass imitation",
        slides="12",
        family="normalization",
        functions=("separating_input",),
        without_figure="the numbers of one batch, printed",
    ),
    Technique(
        title="batch normalization for ConvNets",
        slides="14",
        family="normalization",
        functions=("spatial_batchnorm_forward", "spatial_batchnorm_backward"),
        figure="plot_histograms",
    ),
    Technique(
        title="batch normalization as a layer of a network",
        slides="11–13",
        family="normalization",
        functions=("BatchNorm",),
        without_figure="the same numbers as batch normalization, in a network",
    ),
    Technique(
        title="test-time batch normalization folded into the layer before it",
        slides="13",
        family="normalization",
        functions=("fold_batchnorm",),
        without_figure="two layers give the same numbers as one",
    ),
    Technique(
        title="what L2 does under batch normalization: the effective learning rate",
        slides="11, 70",
        family="normalization",
        functions=("effective_learning_rate",),
        figure="plot_lines",
    ),
    Technique(
        title="running statistics that started at zero",
        slides="13, 46",
        family="normalization",
        functions=("debias_running",),
        figure="plot_running_statistics",
    ),
    Technique(
        title="noise in training, fixed statistics in testing",
        slides="84",
        family="normalization",
        shown_in="02",
        figure="plot_train_eval_gap",
        without_exercise="an experiment with the student's own batchnorm_forward, and a question",
    ),
    Technique(
        title="layer normalization, the same at train and test time",
        slides="15",
        family="normalization",
        functions=("layernorm_forward", "layernorm_backward"),
        figure="plot_batch_sizes",
    ),
    Technique(
        title="layer normalization in a recurrent network",
        slides="15",
        family="normalization",
        shown_in="03",
        figure="plot_lines",
        without_exercise="an experiment with the student's own pair, on sequences of any length",
    ),
    Technique(
        title="instance normalization",
        slides="16",
        family="normalization",
        functions=("instancenorm_forward", "instancenorm_backward"),
        without_figure="photographs before and after, shown as they are",
    ),
    Technique(
        title="which numbers share a mean",
        slides="17",
        family="normalization",
        shown_in="03",
        figure="plot_normalization_axes",
        without_exercise="a picture, made with the student's own functions",
    ),
    Technique(
        title="group normalization",
        slides="18",
        family="normalization",
        functions=("spatial_groupnorm_forward", "spatial_groupnorm_backward"),
        figure="plot_batch_sizes",
    ),
    Technique(
        title="group normalization as a layer of a network",
        slides="18",
        family="normalization",
        functions=("GroupNorm",),
        without_figure="the same numbers as group normalization, in a network",
    ),
    Technique(
        title="images that tell G groups from groups of G channels",
        slides="18",
        family="normalization",
        functions=("separating_groups",),
        without_figure="the means of a few channels, printed",
    ),
    Technique(
        title="what instance normalization takes from a photograph",
        slides="16",
        family="normalization",
        shown_in="03",
        figure="plot_photographs",
        without_exercise="an experiment with the student's own function, and a question",
    ),
    Technique(
        title="decorrelated batch normalization: ZCA whitening in groups, and its gradient",
        slides="19",
        family="normalization",
        functions=("decorrelated_batchnorm_forward", "decorrelated_batchnorm_backward"),
        figure="plot_whitening",
    ),
    Technique(
        title="gradient descent",
        slides="20",
        family="optim",
        functions=("sgd",),
        figure="plot_trajectories",
    ),
    Technique(
        title="poor conditioning: steps against the condition number",
        slides="21–22",
        family="optim",
        shown_in="04",
        figure="plot_lines",
        without_exercise="an experiment with the student's own sgd, a prediction, and a question",
    ),
    Technique(
        title="local minima and saddle points, and why saddles are common in high dimension",
        slides="23–25",
        family="optim",
        shown_in="04",
        figure="plot_trajectories",
        without_exercise="experiments with the student's own sgd, a prediction, and a question",
    ),
    Technique(
        title="noise of gradients from mini-batches",
        slides="26",
        family="optim",
        shown_in="04",
        figure="plot_lines",
        without_exercise="an experiment on the gradients of single examples, and a prediction",
    ),
    Technique(
        title="momentum whose velocity holds the learning rate",
        slides="27–30",
        family="optim",
        functions=("sgd_momentum",),
        figure="plot_trajectories",
    ),
    Technique(
        title="momentum whose velocity is a sum of gradients",
        slides="27–28",
        family="optim",
        functions=("sgd_momentum_unscaled",),
        without_figure="both forms give the same numbers; how far they are apart is printed",
    ),
    Technique(
        title="momentum as an optimizer of networks",
        slides="27–28",
        family="optim",
        functions=("Momentum",),
        without_figure="the same steps as momentum, in a network",
    ),
    Technique(
        title="Nesterov momentum with the look-ahead",
        slides="31–33",
        family="optim",
        functions=("nesterov_lookahead",),
        figure="plot_lookahead",
    ),
    Technique(
        title="bowls that tell a look-ahead from one in the wrong direction",
        slides="31–33",
        family="optim",
        functions=("separating_curvatures",),
        figure="plot_lines",
    ),
    Technique(
        title="Nesterov momentum in terms of the gradient at the weights",
        slides="34–35",
        family="optim",
        functions=("nesterov",),
        without_figure="both forms give the same numbers; how far they are apart is printed",
    ),
    Technique(
        title="the comparison of all three, as an animation",
        slides="29, 36",
        family="optim",
        shown_in="04",
        figure="animate_trajectories",
        without_exercise="an experiment with the student's own rules, and a question",
    ),
    Technique(
        title="AdaGrad: a step for every weight, steep and flat, and after a long time",
        slides="37–41",
        family="optim",
        functions=("adagrad",),
        figure="plot_trajectories",
    ),
    Technique(
        title="RMSProp: a mean of the squares that forgets",
        slides="42–43",
        family="optim",
        functions=("rmsprop",),
        figure="plot_lines",
    ),
    Technique(
        title="Adam, almost: the first step",
        slides="44–45",
        family="optim",
        functions=("adam_uncorrected",),
        figure="plot_lines",
    ),
    Technique(
        title="Adam, with bias correction and its defaults; all seven methods in a race",
        slides="46–47",
        family="optim",
        functions=("adam",),
        figure="plot_ranking",
    ),
    Technique(
        title="Adam as an optimizer of networks",
        slides="46–47",
        family="optim",
        functions=("Adam",),
        without_figure="the same steps as Adam, in a network",
    ),
    Technique(
        title="gradients that tell Adam from Adam without its correction",
        slides="45–46",
        family="optim",
        functions=("separating_gradients",),
        without_figure="how far two runs go, printed",
    ),
    Technique(
        title="beyond the lecture: decoupled weight decay",
        slides="47",
        family="optim",
        functions=("adamw",),
        without_figure="four weights after a run, printed",
    ),
    Technique(
        title="which learning rate is best: loss curves of real runs, and a rate finder",
        slides="49",
        family="schedules",
        shown_in="06",
        figure="plot_loss_by_rate",
        without_exercise="the question of the slide, answered from measured curves",
    ),
    Technique(
        title="step decay, and the loss drops that it makes",
        slides="50–52",
        family="schedules",
        functions=("step_decay",),
        figure="plot_loss_and_rate",
    ),
    Technique(
        title="smooth decays: exponential and 1/t; a step that tells a compounding decay",
        slides="50",
        family="schedules",
        functions=("exponential_decay", "inverse_time_decay", "separating_step"),
        figure="plot_schedules",
    ),
    Technique(
        title="warm restarts along a cosine; beyond the lecture: a linear warm-up",
        slides="66–67",
        family="schedules",
        functions=("cosine_restarts", "linear_warmup"),
        figure="plot_rate_finder",
    ),
    Technique(
        title="wiring: per batch or per epoch, after the optimizer, the best weights kept",
        slides="50–52, 64",
        family="schedules",
        functions=("train_with_schedule",),
        without_figure="the rates of two runs, printed",
    ),
    Technique(
        title="first- and second-order models of a loss",
        slides="53–56",
        family="second_order",
        functions=("taylor_model",),
        figure="plot_taylor_models",
    ),
    Technique(
        title="Newton's step, and what it costs",
        slides="56–59",
        family="second_order",
        functions=("newton_step",),
        figure="plot_hessian_cost",
    ),
    Technique(
        title="Newton at a saddle: a damped step through its pole",
        slides="56–59",
        family="second_order",
        shown_in="07",
        figure="plot_damped_step",
        without_exercise="an experiment with the student's own newton_step",
    ),
    Technique(
        title="a step that no saddle attracts, beyond the lecture",
        slides="59",
        family="second_order",
        functions=("saddle_free_step",),
        figure="plot_saddle_paths",
    ),
    Technique(
        title="BFGS: the update of the inverse Hessian",
        slides="60",
        family="second_order",
        functions=("bfgs_update",),
        without_figure="how far it is from the inverse Hessian after each step, printed",
    ),
    Technique(
        title="BFGS and L-BFGS as minimizers",
        slides="60–61",
        family="second_order",
        shown_in="07",
        functions=("bfgs", "lbfgs"),
        without_exercise="the loop and its line search are given, see cs231n_lib.descent",
        without_figure="they are the updates and directions of the other rows, in a loop",
    ),
    Technique(
        title="L-BFGS: the direction by two loops; full batch and mini-batch",
        slides="60–61",
        family="second_order",
        functions=("lbfgs_direction",),
        figure="plot_lines",
    ),
    Technique(
        title="L-BFGS as an optimizer of networks",
        slides="60–61",
        family="second_order",
        functions=("LBFGS",),
        without_figure="the same steps as L-BFGS, in a network",
    ),
    Technique(
        title="a pair that leads L-BFGS uphill",
        slides="61",
        family="second_order",
        functions=("misleading_pair",),
        without_figure="three vectors and two slopes, printed",
    ),
    Technique(
        title="K-FAC for affine layers",
        slides="61",
        family="second_order",
        functions=("kfac_output_gradients", "kfac_factors", "kfac_direction"),
        figure="plot_lines",
    ),
    Technique(
        title="in practice: three pieces of advice, tested",
        slides="62",
        family="second_order",
        shown_in="07",
        figure="plot_lines",
        without_exercise="experiments with the framework's own optimizers, and a question",
    ),
    Technique(
        title="the gap between training and validation, opened by wrong labels",
        slides="63",
        family="generalization",
        figure="plot_lines",
        shown_in="08",
        without_exercise="the question of the slide, answered from measured curves",
    ),
    Technique(
        title="early stopping: patience, the best weights kept; scores that tell a bug",
        slides="64",
        family="generalization",
        functions=("EarlyStopping", "separating_scores"),
        figure="plot_stopping",
    ),
    Technique(
        title="wiring: validation selects, the test set is asked once",
        slides="64",
        family="generalization",
        functions=("train_and_select",),
        without_figure="validation and test accuracies of some runs, printed",
    ),
    Technique(
        title="ensembles: average probabilities, not votes, scores or weights",
        slides="65",
        family="generalization",
        functions=("ensemble_predict",),
        figure="plot_results",
    ),
    Technique(
        title="snapshots of one run with a cyclic rate, against one decayed run",
        slides="66–67",
        family="generalization",
        functions=("snapshot_ensemble",),
        figure="plot_results",
    ),
    Technique(
        title="Polyak averaging: uniform, or moving from zero or from the weights",
        slides="68",
        family="generalization",
        functions=("polyak_average",),
        figure="plot_noise_ball",
    ),
    Technique(
        title="wiring: an average is looked at, and training does not notice",
        slides="68",
        family="generalization",
        functions=("evaluate_average",),
        without_figure="the accuracies of an average, printed",
    ),
    Technique(
        title="running statistics of a batch norm, collected again for averaged weights",
        slides="68",
        family="generalization",
        functions=("refresh_statistics",),
        shown_in="08",
        without_exercise="in the wiring exercise; the lesson runs PyTorch's update_bn",
        without_figure="three accuracies, printed",
    ),
    Technique(
        title="regularization: a network that learns wrong labels by heart",
        slides="69",
        family="regularization",
        shown_in="09",
        figure="plot_lines",
        without_exercise="an experiment with twenty seeds, and a prediction",
    ),
    Technique(
        title="the L2 penalty, on the hinge loss and on softmax",
        slides="69–70",
        family="regularization",
        functions=("l2_penalty",),
        without_figure="losses of weights of three sizes, printed",
    ),
    Technique(
        title="dropout, inverted",
        slides="71–72, 82",
        family="regularization",
        functions=("dropout_forward", "dropout_backward"),
        figure="plot_lines",
    ),
    Technique(
        title="wiring: a penalty on weights alone, noise in training alone",
        slides="70, 82–83",
        family="regularization",
        functions=("train_regularized",),
        without_figure="the accuracy of one network in both modes, printed",
    ),
    Technique(
        title="how can dropout possibly be a good idea: units that can be missed",
        slides="73–74",
        family="regularization",
        shown_in="09",
        figure="plot_lines",
        without_exercise="an experiment with the student's own functions, and a question",
    ),
    Technique(
        title="the exact mean over all masks",
        slides="75–78",
        family="regularization",
        functions=("expectation_over_masks",),
        without_figure="means of single neurons, printed",
    ),
    Technique(
        title="a neuron whose mean is not its scaled self",
        slides="75–80",
        family="regularization",
        functions=("separating_products",),
        without_figure="a few numbers; part 7 of the lesson prints the mean of one",
    ),
    Technique(
        title="for least squares dropout is an L2 penalty",
        slides="73–79",
        family="regularization",
        functions=("dropout_as_l2",),
        figure="plot_lines",
    ),
    Technique(
        title="L1 and the elastic net, by their slope and by the proximal step",
        slides="69–70",
        family="regularization",
        functions=("l1_penalty", "elastic_net_penalty", "l1_proximal_step"),
        without_figure="how many weights are exactly 0, printed",
    ),
    Technique(
        title="vanilla dropout, scaled at test time",
        slides="71–72, 79–81",
        family="regularization",
        functions=("vanilla_dropout_forward", "vanilla_dropout_backward"),
        without_figure="four means, printed",
    ),
    Technique(
        title="the common pattern: a mean over masks against one scaled pass",
        slides="83",
        family="regularization",
        shown_in="09",
        figure="plot_lines",
        without_exercise="experiments with the student's own functions",
    ),
    Technique(
        title="DropConnect: a mask of weights for each example",
        slides="94",
        family="regularization",
        functions=("dropconnect_forward", "dropconnect_backward"),
        without_figure="accuracies of twenty seeds, printed, and a panel of the last figure",
    ),
    Technique(
        title="DropConnect at test time: a Gaussian, in samples",
        slides="94",
        family="regularization",
        functions=("dropconnect_moments", "dropconnect_inference"),
        figure="plot_lines",
    ),
    Technique(
        title="weights whose noise another variance cannot see",
        slides="94",
        family="regularization",
        functions=("separating_weights",),
        without_figure="two numbers, printed",
    ),
    Technique(
        title="DropConnect at test time: the Gaussian in closed form",
        slides="94",
        family="regularization",
        functions=("dropconnect_closed_form",),
        without_figure="the distance of samples to it, printed",
    ),
    Technique(
        title="DropConnect at test time: averaged weights",
        slides="94",
        family="regularization",
        shown_in="10",
        functions=("dropconnect_mean_network",),
        figure="plot_lines",
        without_exercise="one line of the moments; the lesson measures its error",
    ),
    Technique(
        title="fractional max pooling: where the regions begin",
        slides="95",
        family="regularization",
        functions=("pooling_boundaries",),
        figure="plot_pooling_regions",
    ),
    Technique(
        title="fractional max pooling: pseudo-random and random, disjoint and overlapping",
        slides="95",
        family="regularization",
        functions=(
            "pooling_regions",
            "fractional_max_pool_forward",
            "fractional_max_pool_backward",
        ),
        figure="plot_averaged_passes",
    ),
    Technique(
        title="fractional max pooling at test time: the mean of several draws",
        slides="93, 95",
        family="regularization",
        shown_in="10",
        functions=("fractional_max_pool_expectation",),
        figure="plot_averaged_passes",
        without_exercise="a mean of forward passes; the lesson averages whole networks",
    ),
    Technique(
        title="stochastic depth: which blocks survive, and one block",
        slides="96",
        family="regularization",
        functions=(
            "survival_probabilities",
            "stochastic_depth_forward",
            "stochastic_depth_backward",
        ),
        figure="plot_lines",
    ),
    Technique(
        title="wiring: a residual network with stochastic depth",
        slides="96",
        family="regularization",
        functions=("stochastic_depth_network",),
        figure="plot_lines",
    ),
    Technique(
        title="all of them as noise in training, averaged at test time",
        slides="83–84, 93–96",
        family="regularization",
        shown_in="10",
        figure="plot_averaged_passes",
        without_exercise="one figure of five kinds of networks, and a question",
    ),
    Technique(
        title="the pipeline: augmented in every epoch, then normalized, never at validation",
        slides="85–86",
        family="augmentation",
        functions=("train_augmented",),
        figure="plot_lines",
    ),
    Technique(
        title="horizontal flips",
        slides="87",
        family="augmentation",
        functions=("horizontal_flip",),
        figure="plot_versions",
    ),
    Technique(
        title="random crops of a padded image",
        slides="88",
        family="augmentation",
        functions=("pad_crop",),
        figure="plot_gains",
    ),
    Technique(
        title="random scales and crops",
        slides="88",
        family="augmentation",
        shown_in="11",
        functions=("random_resized_crop",),
        without_figure="what it does is a resize and a crop",
        without_exercise="a resize and a crop, each of which is an exercise",
    ),
    Technique(
        title="resizing the short side",
        slides="88–89",
        family="augmentation",
        functions=("resize_short_side",),
        figure="plot_pixel_centres",
    ),
    Technique(
        title="an image that shows where a resize looks",
        slides="88–89",
        family="augmentation",
        functions=("separating_image",),
        without_figure="one small image, judged by what two resizes make of it",
    ),
    Technique(
        title="ten crops, and an average over them",
        slides="89",
        family="augmentation",
        functions=("ten_crop", "average_over_crops"),
        figure="plot_crop_places",
    ),
    Technique(
        title="ten crops at each of several scales",
        slides="89",
        family="augmentation",
        shown_in="11",
        functions=("multi_scale_crops",),
        without_figure="a table of counts in a question",
        without_exercise="one line on top of two exercises, and a question about its counts",
    ),
    Technique(
        title="contrast and brightness",
        slides="90",
        family="augmentation",
        functions=("color_jitter",),
        figure="plot_gains",
    ),
    Technique(
        title="colour offsets along principal components",
        slides="91",
        family="augmentation",
        functions=("color_components", "pca_color_offsets"),
        figure="plot_color_components",
    ),
    Technique(
        title="rotation, stretching, shearing, translation",
        slides="92",
        family="augmentation",
        functions=("affine_matrices", "affine_warp"),
        figure="plot_versions",
    ),
    Technique(
        title="lens distortion",
        slides="92",
        family="augmentation",
        functions=("lens_distortion",),
        figure="plot_versions",
    ),
    Technique(
        title="beyond the lecture: cutout",
        slides="92",
        family="augmentation",
        shown_in="11",
        functions=("cutout",),
        without_figure="a grey square",
        without_exercise="a square set to a constant; what is new about augmentation is elsewhere",
    ),
    Technique(
        title="beyond the lecture: mixup",
        slides="92",
        family="augmentation",
        functions=("mixup",),
        figure="plot_versions",
    ),
    Technique(
        title="how little data is enough; features of the training set's scale, a linear probe",
        slides="99–101",
        family="transfer",
        functions=("standardize", "linear_probe", "separating_features"),
        figure="plot_lines",
    ),
    Technique(
        title="features of a trained network, from any of its stages",
        slides="99–104",
        family="transfer",
        functions=("extract_features",),
        figure="plot_neighbours",
        without_numpy="a trained network is a module",
    ),
    Technique(
        title="features kept in a file, named by all that they depend on; a new head",
        slides="99–101",
        family="transfer",
        functions=("cached_features", "replace_head"),
        figure="plot_feature_planes",
        without_numpy="they are about a module and all that it holds",
    ),
    Technique(
        title="frozen parts: no gradient, and statistics that stay",
        slides="100–101",
        family="transfer",
        functions=("freeze", "unfreeze"),
        without_figure="how far the scores move, printed",
        without_numpy="only modules have parameters, statistics and a mode",
    ),
    Technique(
        title="a rate for every part, smaller further down",
        slides="101",
        family="transfer",
        functions=("parameter_groups",),
        without_figure="its use is part of the table below",
        without_numpy="groups of parameters are what PyTorch's optimizers take",
    ),
    Technique(
        title="fine-tuning, parts thawing one after the other",
        slides="100–104",
        family="transfer",
        functions=("finetune",),
        figure="plot_transfer_matrix",
        without_numpy="it trains a module with an optimizer",
    ),
    Technique(
        title="how much data, how similar: the table, all cells run",
        slides="102–104",
        family="transfer",
        functions=("transfer_matrix",),
        figure="plot_transfer_matrix",
    ),
    Technique(
        title="it is the norm; networks in a zoo",
        slides="105–107",
        family="transfer",
        shown_in="12",
        without_figure="probabilities under three normalizations, printed",
        without_exercise="the zoo is given; the exercises before are about using it rightly",
    ),
    Technique(
        title="the ablation: everything, then without each ingredient in turn",
        slides="108",
        family="capstone",
        functions=("ablate", "ablation_table"),
        figure="plot_ablation",
    ),
    Technique(
        title="runs that tell paired differences from unpaired ones",
        slides="108",
        family="capstone",
        functions=("separating_runs",),
        without_figure="two intervals, printed",
    ),
    Technique(
        title="a measured report on one page",
        slides="108",
        family="capstone",
        functions=("report_page",),
        without_figure="a page of text",
    ),
    Technique(
        title="predictions for unlabelled examples",
        slides="108",
        family="capstone",
        functions=("predictions",),
        without_figure="an accuracy beside that of the nearest neighbour, printed",
    ),
)
