"""Which pictures to read, and which names their results get. Opens no picture."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".gif", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".mpo", ".ppm", ".pgm"),
    }
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


def list_images(
    paths: Sequence[str | Path], *, recursive: bool = False, results: str | Path | None = None
) -> Listing:
    """Find the pictures in files and folders.

    Files are taken as they are, whatever their name: what cannot be read is reported when it is
    read. Of folders, the entries with a picture's suffix that lie directly inside are taken. A
    folder without pictures beside other input stays in the list, so that it is reported too.

    Args:
        paths: files and folders.
        recursive: look into sub-folders, too; links to folders are not followed.
        results: a folder to leave out, wherever it lies.

    Raises:
        InputError: there is nothing by these names, or no picture at all.
    """
    gone = [str(path) for path in map(Path, paths) if not os.path.lexists(path)]
    if gone and len(gone) == len(paths):
        raise InputError(f"There is no file or folder {', '.join(gone)}. Give an existing one.")
    photos: list[Path] = []
    passed_over: list[Path] = []
    empty: list[Path] = []
    left_out = None if results is None else os.path.realpath(results)
    for path in map(Path, paths):
        if not path.is_dir():
            photos.append(path)
            continue
        inside = _entries(path, left_out, recursive=recursive)
        pictures = [entry for entry in inside if is_picture(entry)]
        passed_over += [entry for entry in inside if not is_picture(entry)]
        photos += pictures or [path]
        empty += [] if pictures else [path]
    if len(empty) == len(photos):
        where = ", ".join(map(str, empty)) or "an empty list"
        inside = "inside" if recursive else "directly inside (--recursive looks into sub-folders)"
        raise InputError(
            f"No pictures in {where}. Give picture files, or folders with pictures {inside}: "
            f"{' '.join(sorted(suffix[1:] for suffix in SUFFIXES))}."
        )
    once: dict[Path, Path] = {}
    for photo in photos:
        once.setdefault(photo.absolute(), photo)
    return Listing(tuple(once.values()), tuple(passed_over))


def _entries(folder: Path, left_out: str | None, *, recursive: bool) -> list[Path]:
    """What lies in a folder, in natural order: files before the sub-folders and what is in them."""
    from natsort import natsorted, ns  # which every command's start would wait for

    try:
        entries = natsorted(folder.iterdir(), key=lambda entry: entry.name, alg=ns.IGNORECASE)
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror or error}.") from error
    entries = [entry for entry in entries if os.path.realpath(entry) != left_out]
    if not recursive:
        return entries
    below = [entry for entry in entries if _is_sub_folder(entry)]
    found = [entry for entry in entries if entry not in below]
    for entry in below:
        found += _entries(entry, left_out, recursive=True)
    return found


def _is_sub_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")


def is_picture(path: PurePath) -> bool:
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
    own = {alike_path(path): path for path in sources}
    for target in targets:
        if alike_path(target) in own:
            raise InputError(
                f"{target} would be written over your file {own[alike_path(target)]}. {advice}"
            )


def refuse_used(folder: str | Path) -> None:
    """Refuse a folder that is not new or empty.

    Raises:
        InputError: it holds something, is no folder, or cannot be listed.
    """
    folder = Path(folder)
    try:
        used = os.path.lexists(folder) and any(folder.iterdir())
    except NotADirectoryError:
        used = True
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror or error}.") from error
    if used:
        raise InputError(
            f"{folder} is not empty, or no folder. Choose a new one, so that nothing is lost."
        )


def alike(name: str) -> str:
    """The same for names that are one file where a system ignores case, or how accents are coded.

    Example:
        >>> alike("DOG"), alike("Cafe" + chr(0x301)) == alike("caf" + chr(0xE9))
        ('dog', True)
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def real_path(path: str | Path) -> Path:
    """A path, its links followed; Path.resolve raises where they lead in a circle."""
    return Path(os.path.realpath(path))


def alike_path(path: str | Path) -> str:
    """A path to compare with others: its links followed, and no case.

    Folders that ignore case exist; better to refuse once too often there.
    """
    return alike(str(real_path(path)))


def name_outputs(
    photos: Sequence[Path],
    known: Mapping[str, str],
    mirror: Sequence[str | Path] = (),
    reserved: Collection[str] = (),
) -> list[str]:
    """Choose the stem of each photo's results so that no two photos share one.

    A photo keeps the name that an earlier run gave it. Otherwise it gets its own stem, and where
    several photos have that stem, the first of ``<folder>__<stem>``,
    ``<folder>__<stem>__<suffix>`` and a number behind it that is still free. The order of the
    photos decides nothing but those numbers.

    Args:
        photos: as :class:`Listing` gives them.
        known: absolute photo path -> stem, from earlier runs into the same folder, also of photos
            that are not in this one.
        mirror: folders whose sub-folders are part of the names, with ``/`` between the parts.
        reserved: names of sub-folders that mean something else there.

    Example:
        >>> name_outputs([Path("a/dog.jpg"), Path("b/dog.jpg"), Path("b/cat.png")], {})
        ['a__dog', 'b__dog', 'cat']
        >>> name_outputs([Path("p/dog.jpg"), Path("p/old/dog.jpg")], {}, ["p"])
        ['dog', 'old/dog']
    """
    taken = {alike(name) for name in known.values()}
    names = {photo: known[_key(photo)] for photo in photos if _key(photo) in known}
    folders = {photo: _mirrored(photo, mirror, reserved) for photo in photos}
    for candidate in (_stem, _with_folder, _with_suffix):
        # Counted over all photos, named or not, so that a resumed run chooses as the first did.
        wanted = Counter(alike(folders[photo] + candidate(photo)) for photo in photos)
        for photo in photos:
            name = folders[photo] + candidate(photo)
            alone = wanted[alike(name)] == 1 and alike(name) not in taken
            if photo not in names and alone:
                names[photo] = name
                taken.add(alike(name))
    for photo in photos:
        if photo not in names:
            names[photo] = _numbered(folders[photo] + _with_suffix(photo), taken)
            taken.add(alike(names[photo]))
    return [names[photo] for photo in photos]


def _mirrored(photo: Path, mirror: Sequence[str | Path], reserved: Collection[str]) -> str:
    """The sub-folder of a photo's results, with a ``/`` at its end, or nothing."""
    place = photo.absolute()
    for root in (Path(root).absolute() for root in mirror):
        if place.is_relative_to(root) and place.parent != root:
            parts = place.parent.relative_to(root).parts
            first = f"{parts[0]}_" if parts[0].casefold() in reserved else parts[0]
            return "/".join((first, *parts[1:])) + "/"
    return ""


def _key(photo: Path) -> str:
    return str(photo.absolute())


def _stem(photo: Path) -> str:
    return photo.stem


def _with_folder(photo: Path) -> str:
    return f"{photo.absolute().parent.name}__{photo.stem}"


def _with_suffix(photo: Path) -> str:
    return f"{_with_folder(photo)}__{photo.suffix[1:]}"


def _numbered(name: str, taken: set[str]) -> str:
    free = (f"{name}__{n}" for n in count(2) if alike(f"{name}__{n}") not in taken)
    return next(free)
