"""The writers that take a clip's results frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.io import drawing
from persam.io.palette import colour
from persam.io.writers import write_cutout, write_labels
from persam.video.coco import annotate, write_coco
from persam.video.encoders import PRORES, VP9, VideoWriter, h264, with_alpha
from persam.video.labels import label_map, split_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from persam.video.clip import Clip
    from persam.video.output_files import ClipFiles
    from persam.video.record import FrameLine
    from persam.video.structures import VideoFrame

_CODECS = {"mov": PRORES, "webm": VP9}


class FrameWriters:
    """Takes every frame of a clip and its masks, in their order, and writes what is asked for."""

    def __init__(
        self, files: ClipFiles, clip: Clip, numbers: Mapping[str, int], save: frozenset[str]
    ) -> None:
        """Start the video files that are not there yet.

        Raises:
            InputError: one of them cannot be written.
            MissingExtra: a video is asked for and PyAV is missing.
        """
        self._files, self._clip, self._numbers = files, clip, numbers
        self._cutouts = "cutouts" in save
        self.notes: list[str] = []
        self._videos: list[tuple[VideoWriter, Callable[..., np.ndarray]]] = []
        try:
            for path in files.wanted(save):
                self._start(path)
        except BaseException:
            self.discard()
            raise

    def write_masks(self, frame: VideoFrame, masks: Mapping[str, np.ndarray]) -> None:
        """Write the label map of a frame."""
        write_labels(self._files.mask(frame.name), label_map(masks, self._numbers))

    def write(self, frame: VideoFrame, read_masks: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Write everything else of a frame, but for cut-outs that are newer than its masks."""
        if not self._videos and not self._cutouts:
            return
        masks = read_masks()
        for video, paint in self._videos:
            video.write(frame, paint(frame.image, masks))
        if self._cutouts:
            made = self._files.mask(frame.name).stat().st_mtime_ns
            for name, mask in masks.items():
                path = self._files.cutout(name, frame.name)
                if not (path.exists() and path.stat().st_mtime_ns >= made):
                    write_cutout(path, drawing.cutout(frame.image, mask))

    def finish(self) -> None:
        """Give the videos their names."""
        for video, _ in self._videos:
            video.close()
            self.notes += video.notes
        self._videos = []

    def discard(self) -> None:
        """Leave no half-written video behind."""
        for video, _ in self._videos:
            video.discard()

    def _start(self, path: Path) -> None:
        clip_format, sound = self._clip.format, None
        if path == self._files.annotations:
            return
        if path == self._files.overlay:
            codec, paint = h264(clip_format.width, clip_format.height), self._tinted
            sound = self._clip.path if self._clip.has_sound else None
        else:
            codec = _CODECS[path.suffix[1:]]
            paint = self._cut(self._files.owner(path))
        self._videos.append((VideoWriter(path, codec, clip_format, sound), paint))

    def _cut(self, name: str) -> Callable[..., np.ndarray]:
        return lambda image, masks: with_alpha(image, masks[name])

    def _tinted(self, image: np.ndarray, masks: Mapping[str, np.ndarray]) -> np.ndarray:
        for name, mask in masks.items():
            image = drawing.overlay(image, mask, colour=self._tint(name))
        return image

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
    write_coco(files.annotations, numbers, images, _annotations(lines, numbers, read))


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
                    **annotate(mask),
                }
