"""Which pictures to read, and which names their results get. Opens no picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from natsort import natsorted, ns

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
)


@dataclass(frozen=True)
class Listing:
    """Pictures found in files and folders.

    Attributes:
        photos: what is to be read, without repetition: explicit files as given, the pictures of
            folders in natural order (``IMG_2`` before ``IMG_10``).
        passed_over: entries of those folders that were left out: hidden files, ``Thumbs.db``,
            sub-folders and files without a picture's suffix.
    """

    photos: tuple[Path, ...]
    passed_over: tuple[Path, ...] = ()


def list_images(paths: Sequence[str | Path]) -> Listing:
    """Find the pictures in files and folders.

    Files are taken as they are, whatever their name: what cannot be read is reported when it is
    read. Of folders, the entries with a picture's suffix that lie directly inside are taken
    (sub-folders are not entered). A folder without pictures beside other input stays in the list,
    so that it is reported too.

    Raises:
        InputError: there is no picture at all.
    """
    photos: list[Path] = []
    passed_over: list[Path] = []
    empty: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            photos.append(path)
            continue
        inside = natsorted(_entries(path), key=lambda entry: entry.name, alg=ns.IGNORECASE)
        pictures = [entry for entry in inside if is_picture(entry)]
        passed_over += [entry for entry in inside if not is_picture(entry)]
        photos += pictures or [path]
        empty += [] if pictures else [path]
    if len(empty) == len(photos):
        where = ", ".join(map(str, empty)) or "an empty list"
        raise InputError(
            f"No pictures in {where}. Give picture files, or folders with pictures directly "
            f"inside ({' '.join(sorted(suffix[1:] for suffix in SUFFIXES))})."
        )
    once: dict[Path, Path] = {}
    for photo in photos:
        once.setdefault(photo.absolute(), photo)
    return Listing(tuple(once.values()), tuple(passed_over))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror}.") from error


def is_picture(path: Path) -> bool:
    """Whether a file has a picture's suffix and is not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def refuse_overwriting(
    targets: Iterable[str | Path], sources: Iterable[str | Path], advice: str
) -> None:
    """Refuse to write over files that are only read.

    Args:
        targets: files to be written.
        sources: files that the results are made from.
        advice: what to do, a sentence.

    Raises:
        InputError: one file is in both.
    """
    own = {_same(path): path for path in sources}
    for target in targets:
        if _same(target) in own:
            raise InputError(
                f"{target} would be written over your file {own[_same(target)]}. {advice}"
            )


def _same(path: str | Path) -> str:
    # Folders that ignore case exist; better to refuse once too often there.
    return str(Path(path).resolve()).casefold()


def name_outputs(photos: Sequence[Path], known: Mapping[str, str]) -> list[str]:
    """Choose the stem of each photo's results so that no two photos share one.

    A photo keeps the name that an earlier run gave it. Otherwise it gets its own stem, and where
    several photos have that stem, the first of ``<folder>__<stem>``,
    ``<folder>__<stem>__<suffix>`` and a number behind it that is still free. The order of the
    photos decides nothing but those numbers.

    Args:
        photos: as :class:`Listing` gives them.
        known: absolute photo path -> stem, from earlier runs into the same folder, also of photos
            that are not in this one.

    Example:
        >>> name_outputs([Path("a/dog.jpg"), Path("b/dog.jpg"), Path("b/cat.png")], {})
        ['a__dog', 'b__dog', 'cat']
    """
    # File systems that ignore case exist: A.jpg and a.jpg must not share a mask there.
    taken = {name.casefold() for name in known.values()}
    names = {photo: known[_key(photo)] for photo in photos if _key(photo) in known}
    for candidate in (_stem, _with_folder, _with_suffix):
        # Counted over all photos, named or not, so that a resumed run chooses as the first did.
        wanted = Counter(candidate(photo).casefold() for photo in photos)
        for photo in photos:
            name = candidate(photo)
            alone = wanted[name.casefold()] == 1 and name.casefold() not in taken
            if photo not in names and alone:
                names[photo] = name
                taken.add(name.casefold())
    for photo in photos:
        if photo not in names:
            names[photo] = _numbered(_with_suffix(photo), taken)
            taken.add(names[photo].casefold())
    return [names[photo] for photo in photos]


def _key(photo: Path) -> str:
    return str(photo.absolute())


def _stem(photo: Path) -> str:
    return photo.stem


def _with_folder(photo: Path) -> str:
    return f"{photo.absolute().parent.name}__{photo.stem}"


def _with_suffix(photo: Path) -> str:
    return f"{_with_folder(photo)}__{photo.suffix[1:]}"


def _numbered(name: str, taken: set[str]) -> str:
    free = (f"{name}__{n}" for n in count(2) if f"{name}__{n}".casefold() not in taken)
    return next(free)
