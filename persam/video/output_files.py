"""Where the results of a clip go, and what must not be written over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from persam.album.manifest import NAME
from persam.errors import InputError
from persam.io.folders import alike, alike_path
from persam.io.own_files import OwnFiles
from persam.io.records import read_lines
from persam.video.record import FrameLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Product = Literal["masks", "alpha", "webm", "soft", "cutouts", "png16", "exr", "overlay", "coco"]
PRODUCTS: tuple[Product, ...] = get_args(Product)
# A video of every object: the stem of its name, and its suffix.
_VIDEOS = {"alpha": ("alpha", "mov"), "webm": ("alpha", "webm"), "soft": ("soft", "mov")}
# A file of every object and frame: its suffix.
_PICTURES = {"cutouts": "png", "png16": "png", "exr": "exr"}
_NAMED = 3  # files in an error
_NO_NAME = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class ClipOutput:
    """Where the results of a clip go, and which.

    Attributes:
        folder: for ``masks/``, ``cutouts/<object>/``, ``png16/<object>/``, ``exr/<object>/``,
            ``alpha*.mov``, ``alpha*.webm``, ``soft*.mov``, ``overlay.mp4``, ``annotations.json``,
            ``review.json``, ``manifest.jsonl`` and ``run.json``.
        save: any of :data:`PRODUCTS`; masks are always written, as a run resumes from them.
        overwrite: delete what earlier runs wrote and begin anew.
        overwrite_hand_work: replace and delete even files that somebody changed after a run wrote
            them, and files that no run wrote.
        protected: files that must not be written over, besides the clip.
    """

    folder: str | Path
    save: frozenset[str] = frozenset({"masks"})
    overwrite: bool = False
    overwrite_hand_work: bool = False
    protected: tuple[str | Path, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.save) - set(PRODUCTS))
        if unknown:
            raise InputError(f"save takes {', '.join(PRODUCTS)}; got {', '.join(unknown)}.")


class ClipFiles:
    """Absolute paths of everything that a run may write."""

    def __init__(
        self, folder: str | Path, objects: Sequence[str], *, all_own: bool = False
    ) -> None:
        """Settle them.

        Args:
            folder: of the results.
            objects: their names.
            all_own: see :class:`~persam.io.own_files.OwnFiles`.

        Raises:
            InputError: a name that cannot be a file's, or two that differ in case alone.
        """
        _check_names(objects)
        self.folder = Path(folder).absolute()
        self.objects = tuple(objects)
        self.masks = self.folder / "masks"
        self.manifest = self.folder / NAME
        self.run = self.folder / "run.json"
        self.overlay = self.folder / "overlay.mp4"
        self.annotations = self.folder / "annotations.json"
        self.review = self.folder / "review.json"
        self._all_own = all_own

    @cached_property
    def own(self) -> OwnFiles:
        """Which of them runs have written."""
        return OwnFiles(self.folder, all_own=self._all_own)

    def write(self, path: Path, data: bytes) -> None:
        """Write one of them, unless it would take the place of a person's.

        Raises:
            InputError: it would, or the operating system refuses.
        """
        self.own.refuse_others(path)
        self.own.write(path, data)

    def contains(self, path: Path) -> bool:
        """Whether a file lies below the folder, whatever links lead there."""
        return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(self.folder))

    def mask(self, frame: str) -> Path:
        """The label map of a frame."""
        return self.masks / f"{frame}.png"

    def pictures(self, product: str, name: str) -> Path:
        """The folder of an object's pictures, one a frame."""
        return self.folder / product / name

    def picture(self, product: str, name: str, frame: str) -> Path:
        """The picture of an object in a frame."""
        return self.pictures(product, name) / f"{frame}.{_PICTURES[product]}"

    def frame_pictures(self, save: frozenset[str], frame: str) -> list[tuple[str, str, Path]]:
        """Product, object and path of all pictures of a frame that are asked for."""
        asked = [product for product in _PICTURES if product in save]
        return [(p, name, self.picture(p, name, frame)) for p in asked for name in self.objects]

    def video(self, product: str, name: str) -> Path:
        """The video of an object: with its name where there are several."""
        stem, suffix = _VIDEOS[product]
        tail = "" if len(self.objects) == 1 else f"-{name}"
        return self.folder / f"{stem}{tail}.{suffix}"

    def owner(self, video: Path) -> tuple[str, str]:
        """Product and object of a path of :meth:`video`."""
        named = ((product, name) for product in _VIDEOS for name in self.objects)
        return next(one for one in named if self.video(*one) == video)

    def single_files(self) -> list[Path]:
        """All files but those of single frames, whether asked for or not."""
        videos = [self.video(product, name) for product in _VIDEOS for name in self.objects]
        return [*videos, self.overlay, self.annotations, self.review, self.manifest, self.run]

    def of_all_frames(self) -> list[Path]:
        """Those of :meth:`single_files` that are made of the masks of all frames."""
        return [path for path in self.single_files() if path not in (self.manifest, self.run)]

    def frame_folders(self) -> list[Path]:
        """The folders with a file a frame."""
        made = [self.pictures(product, name) for product in _PICTURES for name in self.objects]
        return [self.masks, *made]

    def wanted(self, save: frozenset[str]) -> list[Path]:
        """The files among :meth:`single_files` that are asked for and not there yet."""
        videos = [
            self.video(product, name)
            for product in _VIDEOS
            for name in self.objects
            if product in save
        ]
        overlay = [self.overlay] if "overlay" in save else []
        coco = [self.annotations] if "coco" in save else []
        return [path for path in (*videos, *overlay, *coco) if not path.exists()]


def _check_names(objects: Sequence[str]) -> None:
    for name in objects:
        if not name.isprintable() or _NO_NAME & set(name) or name.strip(" .") != name or not name:
            raise InputError(
                f"An object's name is part of file names; {name!r} cannot be. Use letters, digits, "
                f"- and _."
            )
    if len({alike(name) for name in objects}) != len(objects):
        raise InputError(
            f"Objects need names that differ in more than case; got {', '.join(objects)}."
        )


def refuse_to_overwrite(files: ClipFiles, sources: Iterable[str | Path]) -> None:
    """Make sure that no result takes the place of a file of the user's.

    Args:
        files: of the results.
        sources: the clip, and other files or folders that were given.

    Raises:
        InputError: one would, or could.
    """
    single = {alike_path(path) for path in files.single_files()}
    folders = {alike_path(path) for path in files.frame_folders()}
    for source in map(Path, sources):
        inside = alike_path(source) in folders or alike_path(source.absolute().parent) in folders
        if inside or alike_path(source) in single:
            raise InputError(
                f"Results in {files.folder} would be written over your {source}. Choose another "
                f"output folder."
            )


def remove_results(files: ClipFiles) -> None:
    """Delete what earlier runs wrote, so that nothing of it passes for the new one's.

    Raises:
        InputError: somebody has changed one of them, or another program wrote one that is in the
            way; then nothing is deleted. Or something cannot be deleted.
    """
    own = files.own
    written = [own.folder / name for name in own.names]
    changed = [path for path in written if own.state(path) == "changed"]
    foreign = [path for path in files.of_all_frames() if own.state(path) == "foreign"]
    if changed or foreign:
        names = ", ".join(str(path) for path in (*changed, *foreign)[:_NAMED])
        raise InputError(
            f"{len(changed) + len(foreign)} files would be lost that somebody has changed, or that "
            f"persam did not write: {names}. Move them away, or replace them by "
            f"--overwrite-hand-work."
        )
    for path in (*written, *files.of_all_frames()):
        own.remove(path)
    try:
        for path in (files.manifest, files.run):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{files.folder} cannot be cleared: {error.strerror}.") from error


def adopt_results(files: ClipFiles) -> None:
    """Take what the manifest lists for the run's own, in a folder that has lost its list of files.

    Raises:
        InputError: a file cannot be read, or the manifest is another program's.
    """
    for line in read_lines(files.manifest, FrameLine.from_json):
        paths = [files.mask(line.name)]
        paths += [files.picture(p, name, line.name) for p in _PICTURES for name in line.objects]
        for path in filter(files.contains, paths):
            files.own.claim(path)
    for path in files.of_all_frames():
        files.own.claim(path)
