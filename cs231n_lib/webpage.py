"""Whether Python runs in a web page, where it has no threads, no PyTorch, and is slower."""

import sys

IN_A_PAGE = sys.platform == "emscripten"
