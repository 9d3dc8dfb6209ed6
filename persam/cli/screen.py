"""What commands say to a person: one line per fact, progress only where someone watches."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Lines are left whole (soft_wrap) so that they can be searched and cut by other programs, and
# file names are no markup.
RESULTS = Console(soft_wrap=True, highlight=False, markup=False)
REMARKS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def say(text: str) -> None:
    """Print a line to standard output."""
    RESULTS.print(_printable(text))


def complain(text: str) -> None:
    """Print a red line to standard error."""
    REMARKS.print(_printable(text), style="red")


def named(photo: str | Path, error: str) -> str:
    """The error of a photo, which most errors name already."""
    return error if Path(photo).name in error else f"{photo}: {error}"


@contextmanager
def progress(total: int, label: str, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error, if that is a terminal.

    Args:
        total: how many steps there are.
        label: what is being done.
        quiet: show nothing.

    Yields:
        A function that is called after each step.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = quiet or not REMARKS.is_terminal
    with Progress(
        *columns, TimeRemainingColumn(), console=REMARKS, disable=hidden, transient=True
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


def _printable(text: str) -> str:
    # File names may hold bytes that are no text, which a terminal's encoding refuses.
    return text.encode("utf-8", errors="replace").decode("utf-8")
