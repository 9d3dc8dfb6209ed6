"""Video files out, by PyAV: frames with the times that they had in the clip."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import maximum_filter

from persam.errors import InputError
from persam.io.writers import part_path
from persam.video.decoding import load_av, new_scaler
from persam.video.frame_pixels import ONE_THREAD
from persam.video.sound import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from persam.video.clip import ClipFormat
    from persam.video.structures import VideoFrame

# Codecs mix colours over blocks of this many pixels.
_BLOCK = 16
_FINE = 10_000


@dataclass(frozen=True)
class Codec:
    """How a video file is coded.

    Attributes:
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        pixels: how it takes a picture.
        options: of the encoder.
        time_base: the only one that the container knows; None where it takes the clip's.
        container_options: of the container.
    """

    container: str
    codec: str
    pixels: str
    options: Mapping[str, str]
    time_base: Fraction | None = None
    container_options: Mapping[str, str] = field(default_factory=dict)


PRORES = Codec(
    container="mov",
    codec="prores_ks",
    pixels="yuva444p10le",
    options={"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
)
# Lossless, as the encoder has one quality for colour and alpha alike.
VP9 = Codec(
    container="webm",
    codec="libvpx-vp9",
    pixels="yuva420p",
    options={"lossless": "1", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    time_base=Fraction(1, 1000),
)


def h264(width: int, height: int) -> Codec:
    """H.264 in an MP4; at an odd width or height without halving the colours' resolution."""
    even = width % 2 == 0 and height % 2 == 0
    return Codec(
        container="mp4",
        codec="libx264",
        pixels="yuv420p" if even else "yuv444p",
        options={"crf": "18", "preset": "veryfast"},
        container_options={"movflags": "+faststart"},
    )


def with_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put an object on a transparent ground for a codec that mixes neighbouring colours.

    Just outside the mask the picture's colours stay, invisible, so that no dark ground bleeds into
    the object's edge; farther off everything is black.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        alpha: ``(H, W)`` uint8.

    Returns:
        ``(H, W, 4)`` uint8, alpha not multiplied in.
    """
    near = maximum_filter((alpha > 0).view(np.uint8), size=2 * _BLOCK + 1)
    return np.concatenate([image * near[..., None], alpha[..., None]], axis=2)


class VideoWriter:
    """One video file in the making, under a temporary name until :meth:`close`."""

    def __init__(
        self, path: Path, codec: Codec, clip_format: ClipFormat, sound: Path | None = None
    ) -> None:
        """Start the file.

        Args:
            path: where it is going to be.
            codec: how it is coded.
            clip_format: size, timing and colour to repeat.
            sound: a clip whose sound goes into it, too.

        Raises:
            InputError: the folder cannot be written to.
        """
        self.path = path
        self.notes: list[str] = []
        self._part = part_path(path, f"-{path.name}")
        self._codec, self._format = codec, clip_format
        self._time_base = codec.time_base or clip_format.time_base
        self._scaler = new_scaler()
        self._waiting: Any = None  # a frame whose duration only the next one tells
        self._duration = max(1, round(1 / clip_format.rate / self._time_base))
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = load_av().open(
                f"file:{self._part}",
                "w",
                format=codec.container,
                container_options=self._container_options(),
            )
            self._stream = self._add_stream()
            self._sound = Sound(sound, self._container) if sound is not None else None

    def write(self, frame: VideoFrame, pixels: np.ndarray) -> None:
        """Take the next picture.

        Args:
            frame: whose time counts.
            pixels: ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA uint8 to be shown then.

        Raises:
            InputError: the file cannot be written, or cannot tell this time from the last one.
        """
        made = self._converted(pixels)
        made.time_base = self._time_base
        made.pts = round(frame.pts * frame.time_base / self._time_base)
        if self._waiting is not None:
            self._duration = made.pts - self._waiting.pts
            if self._duration < 1:
                raise InputError(
                    f"Frames {frame.index - 1} and {frame.index} lie within "
                    f"{float(self._time_base):g} s, which {self.path.name} cannot tell apart. "
                    f"Leave it out of --save."
                )
            self._encode(self._waiting)
        self._waiting = made

    def close(self, before: Callable[[Path, Path], None] = lambda path, part: None) -> None:
        """Write what is left and give the file its name.

        Args:
            before: called with that name and the finished file just before.

        Raises:
            InputError: the file cannot be written.
        """
        if self._waiting is not None:
            self._encode(self._waiting)
        with self._explained():
            if self._sound is not None:
                self._sound.until(None)
                if self._sound.problem:
                    self.notes.append(f"{self.path.name} has not all sound: {self._sound.problem}")
            self._container.mux(self._stream.encode(None))
            self._let_go()
            before(self.path, self._part)
            self._part.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind; does nothing after :meth:`close`."""
        with suppress(load_av().error.FFmpegError, OSError):
            self._let_go()
        self._part.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._sound is not None:
            self._sound.close()
        self._container.close()

    def _container_options(self) -> dict[str, str]:
        options = dict(self._codec.container_options)
        if self._codec.time_base is None:
            # MOV and MP4 round the time of the first frame to this; it has to hold every time of
            # the clip, and the sound's to better than a tenth of a millisecond.
            unit = self._time_base.denominator
            options["movie_timescale"] = str(unit * -(-_FINE // unit))
        return options

    def _add_stream(self) -> Any:
        av, clip_format = load_av(), self._format
        stream = self._container.add_stream(
            self._codec.codec, rate=clip_format.rate, options=dict(self._codec.options)
        )
        stream.width, stream.height = clip_format.width, clip_format.height
        stream.pix_fmt = self._codec.pixels
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.sample_aspect_ratio = clip_format.pixel_aspect
        context.color_primaries, context.color_trc = clip_format.primaries, clip_format.transfer
        context.color_range = av.video.reformatter.ColorRange.MPEG.value
        context.colorspace = 9 if clip_format.wide else 1  # the matrices of BT.2020 and BT.709
        return stream

    def _converted(self, pixels: np.ndarray) -> Any:
        kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
        made = load_av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
        coded = self._scaler.reformat(
            made,
            format=self._codec.pixels,
            dst_colorspace="BT2020" if self._format.wide else "ITU709",
            src_color_range="JPEG",
            dst_color_range="MPEG",
            threads=ONE_THREAD,
        )
        # ProRes says it in every frame, too.
        coded.color_primaries = self._format.primaries
        coded.color_trc = self._format.transfer
        return coded

    def _encode(self, made: Any) -> None:
        made.duration = self._duration
        with self._explained():
            if self._sound is not None:
                self._sound.until(made.pts * self._time_base)
            self._container.mux(self._stream.encode(made))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (load_av().error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{self.path} cannot be written: {reason}.") from error
