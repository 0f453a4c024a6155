"""No framework has these: they are about how runs are compared and reported."""

BUILT_INS = {}
WITHOUT = {
    "ablate": "it is the wiring around trainings of one's own",
    "ablation_table": "SciPy's interval of paired differences is an object for each ingredient",
    "separating_runs": "it is a search for runs",
    "report_page": "a report is written, not computed",
    "predictions": "any classifier of any framework is a right answer",
}
REMARKED = {}
