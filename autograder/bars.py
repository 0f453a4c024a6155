"""What a terminal shows while work goes on: progress bars, rates, and text that cannot harm it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text


class GradingInterrupted(Exception):
    """Someone pressed Ctrl-C; the text says what is kept."""


def printable(text: str) -> str:
    """Return text without characters that a terminal or a reader's eye would act on.

    >>> printable("a\\x1b[2Jb\\u202ec")
    'a�[2Jb�c'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


class Cell:
    """A plain text in a table without padding, with a space on either side.

    It looks like Rich's own text with padding, which takes three times as long: a class is large.
    """

    SPACES = 2

    def __init__(self, text: str):
        self.text, self.lines = text, text.split("\n")
        self.width = max(map(cell_len, self.lines))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the widths of the longest word and of the longest line."""
        words = max(map(cell_len, self.text.split()), default=0)
        return Measurement(words + self.SPACES, self.width + self.SPACES)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, which are broken where they are too long."""
        width = options.max_width - self.SPACES
        lines = self.lines
        if self.width > width:
            lines = self._broken(console, options, width)
        elif options.justify == "right":
            lines = [" " * (width - cell_len(line)) + line for line in map(str.rstrip, lines)]
        for line in lines:
            yield Segment(f" {line} ")
            yield Segment.line()

    def _broken(self, console: Console, options: ConsoleOptions, width: int) -> list[str]:
        broken = Text(self.text).wrap(
            console,
            width,
            justify=options.justify,
            overflow=options.overflow,
            no_wrap=options.no_wrap,
        )
        return [line.plain for line in broken]


class Rate(ProgressColumn):
    """How many are done a minute."""

    def render(self, task: Task) -> Text:
        """Return the rate, as soon as a second of it is over."""
        seconds = task.finished_time or task.elapsed or 0.0
        said = f"{60 * task.completed / seconds:.0f}/min" if seconds >= 1 else ""
        return Text(said, style="progress.data.speed")


@contextlib.contextmanager
def stages(
    kept: str = "what was graded is kept, and the same command goes on from there",
) -> Iterator[Callable[[str, str, int], None]]:
    """Show a progress bar for each stage of grading that begins.

    Raises `GradingInterrupted` on Ctrl-C, with the number of submissions that are done.

    Args:
        kept: what is true then.
    """
    names = {
        "execute": "execute and judge",
        "record": "marks to the gradebook",
        "feedback": "feedback pages",
    }
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[student]}"),
    )
    # The bar keeps its own hold on the terminal: judging redirects sys.stdout for a while.
    progress, tasks = Progress(*columns, console=Console(file=sys.stdout)), {}

    def tell(stage: str, student: str, total: int) -> None:
        progress.start()
        if stage not in tasks:
            tasks[stage] = progress.add_task(names[stage], total=total, student="")
        progress.update(tasks[stage], advance=1, student=printable(student))

    try:
        yield tell
    except KeyboardInterrupt:
        done = progress.tasks[0] if progress.tasks else None
        after = f" after {done.completed:g} of {done.total:g}" if done else ""
        raise GradingInterrupted(f"Stopped{after}: {kept}.") from None
    finally:
        if tasks:
            progress.stop()
