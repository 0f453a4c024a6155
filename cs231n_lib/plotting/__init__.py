"""The lessons' pictures: each function draws one and returns its matplotlib Figure.

Call `plt.show()` afterwards to see it. Lines differ in colour, marker and dash, so that they can be
told apart in grey; where there are several seeds, a line is their median and its band their range.
A module holds the pictures of a family of techniques; `training` those that all families need.
"""

from cs231n_lib.plotting.normalization import (
    plot_computation_graph,
    plot_normalization_axes,
    plot_running_statistics,
)
from cs231n_lib.plotting.training import (
    plot_batch_sizes,
    plot_curves,
    plot_histograms,
    plot_lines,
    plot_scale_sweep,
    plot_timings,
    plot_train_eval_gap,
)
from cs231n_lib.plotting.variants import plot_photographs, plot_whitening

__all__ = [
    "plot_batch_sizes",
    "plot_computation_graph",
    "plot_curves",
    "plot_histograms",
    "plot_lines",
    "plot_normalization_axes",
    "plot_photographs",
    "plot_running_statistics",
    "plot_scale_sweep",
    "plot_timings",
    "plot_train_eval_gap",
    "plot_whitening",
]
