"""PerMIS: the same object in another frame, beside others of its kind (PDM, NeurIPS 2024).

A folder a video, as the authors' script writes them from BURST. Pixels of all videos are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.annotations import expected_layout, read_npy_list
from persam.evaluation.datasets.episodes import home
from persam.evaluation.datasets.problems import MISSING_FILES
from persam.evaluation.datasets.structures import Dataset, Subject
from persam.io.images import read_image
from persam.io.picture_file import picture_size

if TYPE_CHECKING:
    from pathlib import Path

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.episodes import EpisodeOptions
    from persam.evaluation.datasets.photos import Size
    from persam.evaluation.datasets.problems import Findings

MASKS = "masks.npz.npy"
EXPECTED = "a list with a dict {number of the object: (height, width) mask} for each frame"
LEAST = 0.005  # share of a frame below which the authors leave a video out
FRAMES = 2  # the first is shown, the second searched; the script writes a third


@dataclass(frozen=True)
class StoredFrame:
    """A frame, and its mask in the video's array file; the frame is taken as it is stored.

    Attributes:
        stem: of the frame.
        image: the frame.
        array: the file with the masks of all frames.
        number: of the frame within it.
    """

    stem: str
    image: Path
    array: Path
    number: int

    @property
    def mask(self) -> np.ndarray:
        """The true mask, ``(H, W)`` bool, read anew."""
        return self.truth()

    @property
    def files(self) -> tuple[Path, ...]:
        """Frame and masks."""
        return (self.image, self.array)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The frame ``(H, W, 3)`` uint8 RGB and its true mask ``(H, W)`` bool.

        Raises:
            InputError: a file cannot be read, or the sizes differ.
        """
        picture = read_image(self.image, upright=False)
        height, width = picture.shape[:2]
        return picture, self.truth((height, width))

    def truth(self, size: Size | None = None) -> np.ndarray:
        """The true mask, ``(H, W)`` bool.

        Args:
            size: ``(H, W)`` of the frame; None looks it up.

        Raises:
            InputError: the file cannot be read, or the mask has another size.
        """
        size = size or picture_size(self.image, upright=False)
        mask = _stored(self.array, self.number)
        if mask.shape != tuple(size):
            raise InputError(
                f"{self.array} holds a mask of {mask.shape} (height, width) for {self.image.name}, "
                f"which is {tuple(size)}. Make the folder anew."
            )
        return mask

    def annotation(self) -> tuple[np.ndarray, None]:
        """The true mask; PerMIS leaves no pixel open."""
        return self.truth(), None

    def describe(self) -> str:
        """The frame's path."""
        return str(self.image)

    def complaint(self) -> str | None:
        """Another size, said as ``12/1.jpg (6x9, not 6x8)``, height first."""
        wanted, given = picture_size(self.image, upright=False), _stored(self.array, self.number)
        if given.shape == wanted:
            return None
        name = f"{self.image.parent.name}/{self.image.name}"
        return f"{name} ({given.shape[0]}x{given.shape[1]}, not {wanted[0]}x{wanted[1]})"


def open_permis(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[StoredFrame]:
    """Open a PerMIS folder, its videos in the order of their numbers.

    Raises:
        InputError: no video, missing frames, damaged masks, or folds, episodes or a reference,
            which PerMIS does not have.
    """
    if options.folds not in (None, (0,)) or options.episodes is not None or options.reference:
        raise InputError(
            f"{entry.title} shows frame 0 of each video and searches frame 1. Leave folds, "
            f"episodes and the reference out."
        )
    folder = home(root, entry)
    videos = sorted(
        (path.parent for path in folder.glob(f"*/{MASKS}")),
        key=lambda path: (int(path.name) if path.name.isdecimal() else 0, path.name),
    )
    if not videos:
        raise InputError(f"{folder} holds no <number>/{MASKS}. `persam datasets` shows the layout.")
    subjects = [one for video in videos if (one := _subject(folder, video, options.findings))]
    settings = {"videos": len(subjects), "full_protocol": False}
    return Dataset(entry.name, folder, tuple(subjects), settings=settings)


def _subject(folder: Path, video: Path, findings: Findings) -> Subject[StoredFrame] | None:
    """One video; None where frames are missing, which are noted, or its object is too small."""
    frames: list[StoredFrame] = []
    for number in range(FRAMES):
        found = [
            path
            for kind in ("jpg", "jpeg", "png")
            if (path := video / f"{number}.{kind}").is_file()
        ]
        if found:
            frames.append(StoredFrame(str(number), found[0], video / MASKS, number))
        else:
            findings.add(folder, MISSING_FILES, [f"{video.name}/{number}.jpg"])
    if len(frames) < FRAMES:
        return None
    with findings.gathering(folder):
        if _stored(video / MASKS, 1).mean() >= LEAST:
            return Subject(video.name, frames[0], (frames[1],), group="all videos")
    return None


def _stored(path: Path, number: int) -> np.ndarray:
    """``(H, W)`` bool: the one mask of a frame."""
    with expected_layout(path, EXPECTED):
        held: Any = read_npy_list(path)[number]
        (mask,) = held.values()
        array = np.asarray(mask)
        if array.ndim != 2:
            raise ValueError(f"a mask of shape {array.shape}")
        return array > 0
