"""The trusted side of grading one assignment."""

import sys

# jsonschema, which nbformat imports, would compile a grammar of international addresses for more
# than a second, and import a library of dates; no notebook has one of either to check, and without
# these modules it leaves that out. Here, since a worker of a cluster imports nothing before.
for _unneeded in ("rfc3987_syntax", "isoduration"):
    sys.modules.setdefault(_unneeded, None)  # type: ignore[arg-type]  # None is allowed
