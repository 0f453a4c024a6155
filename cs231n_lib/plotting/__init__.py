"""The lessons' pictures: each function draws one and returns its matplotlib Figure.

Call `show(title)` afterwards to see it. Lines differ in colour, marker and dash, so that they can
be told apart in grey; where there are several seeds, a line is their median and its band their
range.
A module holds the pictures of a family of techniques; `training` those that all families need.
"""

from cs231n_lib.plotting.augmentation import (
    plot_color_components,
    plot_crop_places,
    plot_gains,
    plot_pixel_centres,
    plot_versions,
)
from cs231n_lib.plotting.capstone import plot_ablation
from cs231n_lib.plotting.foundations import (
    plot_activation_functions,
    plot_unit_states,
)
from cs231n_lib.plotting.generalization import plot_noise_ball, plot_results, plot_stopping
from cs231n_lib.plotting.noise import plot_averaged_passes, plot_pooling_regions
from cs231n_lib.plotting.normalization import (
    plot_computation_graph,
    plot_normalization_axes,
    plot_running_statistics,
)
from cs231n_lib.plotting.optim import (
    Landscape,
    animate_trajectories,
    landscapes,
    plot_lookahead,
    plot_ranking,
    plot_trajectories,
    ravine,
    saddle,
    two_valleys,
)
from cs231n_lib.plotting.preprocessing import plot_image_rows, plot_point_clouds
from cs231n_lib.plotting.schedules import (
    plot_loss_and_rate,
    plot_loss_by_rate,
    plot_rate_finder,
    plot_schedules,
)
from cs231n_lib.plotting.search import plot_loss_curves, plot_trials
from cs231n_lib.plotting.second_order import (
    plot_damped_step,
    plot_hessian_cost,
    plot_saddle_paths,
    plot_taylor_models,
)
from cs231n_lib.plotting.style import show
from cs231n_lib.plotting.training import (
    plot_batch_sizes,
    plot_curves,
    plot_histograms,
    plot_lines,
    plot_scale_sweep,
    plot_timings,
    plot_train_eval_gap,
)
from cs231n_lib.plotting.transfer import (
    plot_feature_planes,
    plot_neighbours,
    plot_transfer_matrix,
)
from cs231n_lib.plotting.variants import plot_photographs, plot_whitening

__all__ = [
    "Landscape",
    "animate_trajectories",
    "landscapes",
    "plot_ablation",
    "plot_activation_functions",
    "plot_averaged_passes",
    "plot_batch_sizes",
    "plot_color_components",
    "plot_computation_graph",
    "plot_crop_places",
    "plot_curves",
    "plot_damped_step",
    "plot_feature_planes",
    "plot_gains",
    "plot_hessian_cost",
    "plot_histograms",
    "plot_image_rows",
    "plot_lines",
    "plot_lookahead",
    "plot_loss_and_rate",
    "plot_loss_by_rate",
    "plot_loss_curves",
    "plot_neighbours",
    "plot_noise_ball",
    "plot_normalization_axes",
    "plot_photographs",
    "plot_pixel_centres",
    "plot_point_clouds",
    "plot_pooling_regions",
    "plot_ranking",
    "plot_rate_finder",
    "plot_results",
    "plot_running_statistics",
    "plot_saddle_paths",
    "plot_scale_sweep",
    "plot_schedules",
    "plot_stopping",
    "plot_taylor_models",
    "plot_timings",
    "plot_train_eval_gap",
    "plot_trajectories",
    "plot_transfer_matrix",
    "plot_trials",
    "plot_unit_states",
    "plot_versions",
    "plot_whitening",
    "ravine",
    "saddle",
    "show",
    "two_valleys",
]
