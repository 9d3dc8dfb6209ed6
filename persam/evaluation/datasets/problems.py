"""What is missing or wrong in a data set's folder: gathered first, then said all at once."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAMED = 12  # names in one error message; the rest is counted
NOT_THERE = "missing (`persam datasets` shows the layout)"
MISSING_FILES = "missing files"
UNUSABLE = "files that cannot be used"


@dataclass(frozen=True)
class Problem:
    """One kind of thing that is wrong.

    Attributes:
        where: the folder, or a folder and an object in it.
        what: what is wrong with ``names``.
        names: files, objects or classes, sorted; at least one.

    Example:
        >>> print(Problem("data/PerSeg", "pictures without a mask", ("00", "03")))
        data/PerSeg: pictures without a mask: 00, 03.
    """

    where: str
    what: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {listed(self.names)}."


class IncompleteData(InputError):
    """A data set cannot be used as it lies; ``problems`` holds every name.

    Example:
        >>> raise IncompleteData([Problem("PerSeg", "missing files", ("Images/dog/00.jpg",))])
        Traceback (most recent call last):
        persam.evaluation.datasets.problems.IncompleteData: ...
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(map(str, self.problems)))


class Findings:
    """Problems on their way to one error."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, where: Path | str, what: str, names: Iterable[str]) -> None:
        """Note a problem, unless there are no names to it; the same one takes up more names."""
        old = next(
            (one for one in self.problems if (one.where, one.what) == (str(where), what)), None
        )
        found = tuple(sorted({*names, *(old.names if old else ())}))
        if old:
            self.problems.remove(old)
        if found:
            self.problems.append(Problem(str(where), what, found))

    def require(self, folder: Path, *names: str) -> None:
        """Note which files and folders of a layout are not in ``folder``."""
        self.add(folder, NOT_THERE, [name for name in names if not (folder / name).exists()])

    @contextmanager
    def gathering(self, where: Path | str) -> Iterator[None]:
        """Record the problems that the block raises, so that all are reported together.

        Args:
            where: of complaints that do not say it.
        """
        try:
            yield
        except IncompleteData as error:
            for problem in error.problems:
                self.add(problem.where, problem.what, problem.names)
        except InputError as error:
            self.add(where, UNUSABLE, [str(error).removesuffix(".")])

    def refuse(self) -> None:
        """Raise what was found.

        Raises:
            IncompleteData: there is at least one problem.
        """
        if self.problems:
            raise IncompleteData(self.problems)


def listed(names: Iterable[str]) -> str:
    """The first names with commas between, and how many more there are.

    Example:
        >>> listed("abcdefghijklmn")
        'a, b, c, d, e, f, g, h, i, j, k, l and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
