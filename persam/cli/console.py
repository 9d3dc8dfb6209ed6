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
def progress(total: int | None, label: str, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error, if that is a terminal.

    Args:
        total: how many steps there are; None where nobody knows.
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


def as_percent(share: float | None, digits: int) -> str:
    """A share 0..1 as percent; a dash where it is not known."""
    return "–" if share is None else f"{share:.{digits}%}"  # noqa: RUF001


def as_seconds(seconds: float | None) -> str:
    """Seconds with one digit; a dash where they are not known."""
    return "–" if seconds is None else f"{seconds:.1f}"  # noqa: RUF001


def count(number: int, one: str, many: str = "") -> str:
    """A number and what it counts.

    Example:
        >>> count(1, "mask"), count(2, "mask"), count(0, "entry", "entries")
        ('1 mask', '2 masks', '0 entries')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def _printable(text: str) -> str:
    # File names may hold bytes that are no text, which a terminal's encoding refuses.
    return text.encode("utf-8", errors="replace").decode("utf-8")
