"""Draw check.png: what a student reads below a failed check, in a browser without a screen.

python docs/images/make_check_png.py [--browser chromium]
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from autograder import exercises, misconceptions
from autograder.check import run

EXERCISE, MISTAKE = "normalization.batchnorm_forward", "eps outside the root"
OUT = Path(__file__).with_name("check.png")
PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>
body {{ font: 13px/1.54 sans-serif; margin: 16px; width: 800px }}
pre {{ background: #f5f5f5; border: 1px solid #e0e0e0; padding: 5px; margin: 0 0 8px }}
td, th {{ padding: 4px 8px }} tr:nth-child(even) {{ background: #f5f5f5 }}
table {{ border-collapse: collapse; font-size: 12px; margin-top: 6px }}
</style><pre>check("{exercise}", batchnorm_forward)</pre>{table}"""


def main():
    """Check a wrong answer, photograph the table, and cut off what is white around it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browser", default="chromium")
    browser = parser.parse_args().browser
    known = next(m for m in misconceptions.of(EXERCISE) if m.name == MISTAKE)
    report = run(exercises.find(EXERCISE), misconceptions.functions_of(known))
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "check.html", Path(folder) / "check.png"
        page.write_text(PAGE.format(exercise=EXERCISE, table=report._repr_html_()), "utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=840,1000"]
        options += [f"--screenshot={shot}", f"--user-data-dir={folder}/profile", page.as_uri()]
        subprocess.run([browser, *options], check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB")
    white = Image.new("RGB", picture.size, "white")
    left, top, right, bottom = ImageChops.difference(picture, white).getbbox()
    cut = picture.crop((left - 8, top - 8, right + 8, bottom + 8))
    cut.quantize(64).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
