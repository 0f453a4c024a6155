"""Python in a web page: the page keeps a learner's files, which there live as long as the kernel.

It hands them over when Python starts, in the home folder (docs/try/course.js). The drive that
Python shares with the page is not for this: where storage is full, it never answers.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

IN_A_PAGE = sys.platform == "emscripten"  # no threads, no PyTorch


def keep(path: Path) -> None:
    """Have the page keep what a file holds now; elsewhere the file itself is kept."""
    if IN_A_PAGE:
        channel = import_module("js").BroadcastChannel.new("course-files")
        text = path.read_text(encoding="utf-8")
        channel.postMessage(json.dumps({"name": path.name, "text": text}))
        channel.close()
