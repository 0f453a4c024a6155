"""Python in a web page: the page keeps a learner's files, which there live as long as the kernel.

It hands them over when Python starts, in the home folder (docs/try/course.js). The drive that
Python shares with the page is not for this: where storage is full, it never answers.
"""

import json
from importlib import import_module
from pathlib import Path

from cs231n_lib import webpage


def keep(path: Path) -> None:
    """Have the page keep what a file holds now; elsewhere the file itself is kept."""
    if webpage.IN_A_PAGE:
        channel = import_module("js").BroadcastChannel.new("course-files")
        text = path.read_text(encoding="utf-8")
        channel.postMessage(json.dumps({"name": path.name, "text": text}))
        channel.close()
