"""The writers that take a clip's results frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io import drawing
from persam.io.labels.coco_writer import mask_fields, write_coco_file
from persam.io.matting import Matte, require_matting
from persam.io.own_files import file_sha256
from persam.io.palette import colour
from persam.io.writers import encode_cutout, labels_png
from persam.video.captions import Captions, captioned
from persam.video.encoders import PRORES, VP9, VideoWriter, h264, with_alpha
from persam.video.labels import label_map, split_labels
from persam.video.sequences import exr, png16
from persam.video.soft_alpha import SoftAlpha

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.video.clip import Clip
    from persam.video.output_files import ClipFiles
    from persam.video.record import FrameLine, FrameObject
    from persam.video.structures import VideoFrame

_CODECS = {"mov": PRORES, "webm": VP9}
SOFT = frozenset({"soft", "png16", "exr"})
# BT.709, unspecified, BT.601 (625 and 525 lines), sRGB: players show all of them as sRGB.
_LIKE_SRGB = frozenset({1, 2, 5, 6, 13})


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A frame, its masks, and the soft edges of the objects where they are asked for."""

    image: np.ndarray
    masks: Mapping[str, np.ndarray]
    mattes: Mapping[str, Matte]
    captions: Sequence[str] = ()

    def hard(self, name: str) -> np.ndarray:
        """An object for a video with transparency, ``(H, W, 4)`` uint8."""
        return with_alpha(self.image, self.masks[name].astype(np.uint8) * 255)

    def soft(self, name: str) -> np.ndarray:
        """The same with soft edges."""
        matte = self.mattes[name]
        return with_alpha(matte.colours, np.round(matte.alpha * 255).astype(np.uint8))


_ENCODERS: dict[str, Callable[[_Drawn, str], bytes]] = {
    "cutouts": lambda drawn, name: encode_cutout(
        drawing.cutout(drawn.image, drawn.masks[name]), ".png"
    ),
    "png16": lambda drawn, name: png16(drawn.mattes[name]),
    "exr": lambda drawn, name: exr(drawn.mattes[name]),
}


def _refuse_wide_colours(clip: Clip) -> None:
    known = clip.format.transfer in _LIKE_SRGB and clip.format.primaries in _LIKE_SRGB
    if not known or clip.format.wide:
        raise InputError(
            f"{clip.path} has colours of another kind than sRGB (transfer "
            f"{clip.format.transfer}, primaries {clip.format.primaries} of ITU-T H.273), of which "
            f"an EXR in linear light is not made here. Ask for png16, or convert the clip first."
        )


class FrameWriters:
    """Takes every frame of a clip and its masks, in their order, and writes what is asked for."""

    def __init__(
        self, files: ClipFiles, clip: Clip, numbers: Mapping[str, int], save: frozenset[str]
    ) -> None:
        """Start the video files that are not there yet.

        Raises:
            InputError: one of them cannot be written, or EXR is asked for of a clip whose colours
                are not sRGB's.
            MissingExtra: a video is asked for and PyAV is missing, or soft edges and pymatting.
        """
        self._files, self._clip, self._numbers, self._save = files, clip, numbers, save
        self.notes: list[str] = []
        self._captions = Captions()
        self._soft: dict[str, SoftAlpha] = {}
        self._videos: list[tuple[VideoWriter, Callable[[_Drawn], np.ndarray]]] = []
        if save & SOFT:
            require_matting()
            self._soft = {name: SoftAlpha() for name in numbers}
        if "exr" in save:
            _refuse_wide_colours(clip)
        try:
            for path in files.wanted(save):
                self._start(path)
        except BaseException:
            self.discard()
            raise

    def write_masks(self, frame: VideoFrame, masks: Mapping[str, np.ndarray]) -> None:
        """Write the label map of a frame."""
        labels = labels_png(label_map(masks, self._numbers))
        self._files.write(self._files.mask(frame.name), labels)

    def write(
        self,
        frame: VideoFrame,
        objects: Mapping[str, FrameObject],
        read_masks: Callable[[], Mapping[str, np.ndarray]],
    ) -> None:
        """Write everything else of a frame, but for pictures that are newer than its masks.

        Args:
            frame: the next one of the clip.
            objects: what the record says of it.
            read_masks: gives its masks by object name.
        """
        captions = self._captions.lines(objects)
        pictures = self._files.frame_pictures(self._save, frame.name)
        if not self._videos and not pictures:
            return
        masks = read_masks()
        mattes = {name: one.matte(frame.image, masks[name]) for name, one in self._soft.items()}
        drawn = _Drawn(frame.image, masks, mattes, captions)
        for video, paint in self._videos:
            video.write(frame, paint(drawn))
        made = self._files.mask(frame.name).stat().st_mtime_ns
        for product, name, path in pictures:
            if not (path.exists() and path.stat().st_mtime_ns >= made):
                self._files.write(path, _ENCODERS[product](drawn, name))

    def finish(self) -> None:
        """Give the videos their names."""
        for video, _ in self._videos:
            video.close(self._announce)
            self.notes += video.notes
        self._videos = []

    def _announce(self, path: Path, part: Path) -> None:
        self._files.own.announce(path, str(file_sha256(part)))

    def discard(self) -> None:
        """Leave no half-written video behind."""
        for video, _ in self._videos:
            video.discard()

    def _start(self, path: Path) -> None:
        clip_format, sound = self._clip.format, None
        if path == self._files.annotations:
            return
        paint: Callable[[_Drawn], np.ndarray]
        if path == self._files.overlay:
            codec, paint = h264(clip_format.width, clip_format.height), self._tinted
            sound = self._clip.path if self._clip.has_sound else None
        else:
            product, name = self._files.owner(path)
            codec = _CODECS[path.suffix[1:]]
            paint = partial(_Drawn.soft if product in SOFT else _Drawn.hard, name=name)
        self._videos.append((VideoWriter(path, codec, clip_format, sound), paint))

    def _tinted(self, drawn: _Drawn) -> np.ndarray:
        image = drawn.image
        for name, mask in drawn.masks.items():
            image = drawing.overlay(image, mask, colour=self._tint(name))
        return captioned(image, drawn.captions)

    def _tint(self, name: str) -> drawing.Colour:
        if len(self._numbers) == 1:
            return drawing.OBJECT
        # The palette is dark; twice as bright shows on a picture.
        red, green, blue = (min(255, 2 * value) for value in colour(self._numbers[name]))
        return red, green, blue


def write_annotations(
    files: ClipFiles,
    clip: Clip,
    numbers: Mapping[str, int],
    lines: Sequence[FrameLine],
    read: Callable[[str], np.ndarray],
) -> None:
    """Write ``annotations.json``: an image a frame, an annotation an object that is in it.

    Args:
        files: where it goes.
        clip: whose frames they are.
        numbers: label of every object, which is its category.
        lines: of all frames.
        read: gives the label map of a frame by its name.
    """
    size = {"width": clip.width, "height": clip.height}
    images = (
        {
            "id": line.index + 1,
            "file_name": clip.pictures.get(line.name, f"{line.name}.png"),
            **size,
        }
        for line in lines
    )
    categories = ({"id": number, "name": name} for name, number in numbers.items())
    found = _annotations(lines, numbers, read)
    write_coco_file(files.annotations, categories, images, found, written=files.own.written)


def _annotations(
    lines: Sequence[FrameLine], numbers: Mapping[str, int], read: Callable[[str], np.ndarray]
) -> Iterator[dict[str, object]]:
    for line in lines:
        for name, mask in split_labels(read(line.name), numbers).items():
            if mask.any():
                yield {
                    "image_id": line.index + 1,
                    "category_id": numbers[name],
                    "track_id": numbers[name],
                    "iscrowd": 0,
                    "score": line.objects[name].score,
                    **mask_fields(mask),
                }
