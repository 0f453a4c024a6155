"""One submitted file: read once, rebuilt from the template, its code looked at."""
