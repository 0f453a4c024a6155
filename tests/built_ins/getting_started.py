"""The frameworks' own versions of the first exercise."""

from torch.nn.functional import normalize

BUILT_INS = {"unit_rows": normalize}
WITHOUT = {}
REMARKED = {}
