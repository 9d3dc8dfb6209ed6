"""What commands say to a person: one line per fact, progress only where someone watches.

File names, concepts and metadata of others may hold anything, also what a terminal takes for orders
or cannot show. Everything that is printed goes through :class:`SafeConsole`, which writes such
characters out.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Control characters but the line break, marks that turn the direction of writing, and half
# surrogates, which stand for bytes of file names that are no text.
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


_WIDEST = 10_000  # letters


class SafeConsole(Console):
    """A console on which no text is an order, and none is too much for its encoding."""

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Turn something into text, all of it harmless."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(self._harmless(text), style)

    def _harmless(self, text: str) -> str:
        return harmless(text, getattr(self.file, "encoding", None) or "utf-8")


def harmless(text: str, encoding: str = "utf-8") -> str:
    """Write out what a terminal would take for orders, or its encoding does not have.

    Example:
        >>> harmless(chr(7) + "dog") == chr(92) + "x07dog"
        True
    """
    text = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


def any_encoding() -> None:
    """Let standard output and errors take any text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Complaints(logging.Handler):
    """Warnings of the library, as a command's other remarks."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


def show_warnings() -> None:
    """Print what the library warns of to standard error."""
    log = logging.getLogger("persam")
    if not any(isinstance(handler, _Complaints) for handler in log.handlers):
        log.addHandler(_Complaints())


# Lines are left whole (soft_wrap) so that they can be searched and cut by other programs, and
# file names are no markup.
RESULTS = SafeConsole(soft_wrap=True, highlight=False, markup=False)
REMARKS = SafeConsole(stderr=True, soft_wrap=True, highlight=False, markup=False)


def say(text: str) -> None:
    """Print a line to standard output."""
    RESULTS.print(text)


def show(table: Any) -> None:
    """Print a table to standard output, as wide as it is: no name is cut short or broken."""
    console = SafeConsole(markup=False, highlight=False)
    wide = console.options.update(max_width=_WIDEST)
    console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table)


def complain(text: str) -> None:
    """Print a red line to standard error."""
    REMARKS.print(text, style="red")


def named(photo: str | Path, error: str) -> str:
    """The error of a photo, which most errors name already, in one line."""
    text = error if Path(photo).name in error else f"{photo}: {error}"
    return text.replace("\n", "\\n")


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
