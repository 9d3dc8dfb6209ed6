"""Video files in, by PyAV: what a file holds, and its frames, upright and in RGB."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from persam.errors import InputError, MissingExtra
from persam.io.special_files import refuse_special
from persam.video.frame_pixels import rgb, transposed, upright
from persam.video.structures import ClipFormat, Damage, Start, VideoFrame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# FFmpeg's own decoders of these leave transparency out.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_BT2020 = 9
_GUESSED_RATE = Fraction(25)


@dataclass(frozen=True)
class ClipProbe:
    """What a video file holds; the attributes are those of :class:`persam.video.clip.Clip`."""

    format: ClipFormat
    frames: int | None
    has_sound: bool


def load_av() -> Any:
    """Import PyAV.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module("av")
    except ImportError as error:
        raise MissingExtra(
            "Video files need an extra: pip install 'persam[video]'. Folders of frames do not."
        ) from error


def new_scaler() -> Any:
    """What converts frames; one for a whole clip, as every frame's own would keep megabytes."""
    return load_av().video.reformatter.VideoReformatter()


def examine(path: Path) -> ClipProbe:
    """Open a video file and decode its first frame for its format.

    Raises:
        InputError: FFmpeg cannot read it, or there is no picture in it.
        MissingExtra: PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        damage = Damage()
        first = next(_decoded(container, stream, damage), None)
        if first is None:
            why = f", and {damage.lost} packets that cannot be decoded" if damage.lost else ""
            raise InputError(f"{path} holds no frames{why}. Give a clip that can be played.")
        image = upright(rgb(first, new_scaler()), first)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        clip_format = ClipFormat(
            width=image.shape[1],
            height=image.shape[0],
            time_base=Fraction(stream.time_base),
            rate=Fraction(stream.average_rate or stream.guessed_rate or _GUESSED_RATE),
            pixel_aspect=1 / aspect if transposed(first) else aspect,
            primaries=int(stream.codec_context.color_primaries),
            transfer=int(stream.codec_context.color_trc),
            wide=int(first.colorspace) == _BT2020,
        )
        sound = any(track.codec_context is not None for track in container.streams.audio)
        return ClipProbe(clip_format, stream.frames or None, sound)


def read_frames(path: Path, damage: Damage, start: Start | None = None) -> Iterator[VideoFrame]:
    """Decode a video file, one frame at a time.

    What cannot be decoded is left out, as FFmpeg does, and counted.

    Args:
        path: the file.
        damage: is added to.
        start: the frame to begin with, which is found by its time; None for the first.
    """
    if start is None:
        yield from _numbered(path, damage)
        return
    jumped = _numbered(path, damage, start)
    first = next((frame for frame in jumped if frame.pts >= start.pts), None)
    if first is not None and first.pts == start.pts:
        following = chain([first], jumped)
        yield from (
            replace(f, index=n, name=f"{n:05d}") for n, f in enumerate(following, start.index)
        )
        return
    # Its times do not lead there; from the beginning one gets anywhere.
    yield from islice(_numbered(path, damage), start.index, None)


def _numbered(path: Path, damage: Damage, start: Start | None = None) -> Iterator[VideoFrame]:
    """Frames from the first one on, or from some way before the start; numbered from 0 on."""
    with _opened(path) as (container, stream):
        if start is not None:
            with suppress(load_av().error.FFmpegError, OverflowError):
                container.seek(start.pts, stream=stream)
        clock, scaler = _Clock(stream, damage), new_scaler()
        for count, frame in enumerate(_decoded(container, stream, damage)):
            image = upright(rgb(frame, scaler), frame)
            yield VideoFrame(image, count, clock.place(frame), clock.time_base, f"{count:05d}")


class _Clock:
    """Gives every frame a time behind that of the frame before."""

    def __init__(self, stream: Any, damage: Damage) -> None:
        self.time_base = Fraction(stream.time_base)
        rate = Fraction(stream.average_rate or stream.guessed_rate or _GUESSED_RATE)
        self._step = max(1, round(1 / rate / self.time_base))
        self._damage = damage
        self._last: int | None = None

    def place(self, frame: Any) -> int:
        time = frame.pts if frame.pts is not None else frame.dts
        if time is None or (self._last is not None and time <= self._last):
            self._damage.retimed += 1
            time = 0 if self._last is None else self._last + self._step
        self._last = time
        return time


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    av = load_av()
    refuse_special(path)
    try:
        # The protocol is said so that a colon in a name is not taken for one.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a video that FFmpeg reads ({_reason(error)}). Give a video file, or a "
            f"folder of frames."
        ) from error
    with container:
        stream = next((s for s in container.streams.video if not _is_cover(av, s)), None)
        if stream is not None and stream.codec_context is None:
            raise InputError(
                f"The pictures of {path} are coded in a way that FFmpeg has no decoder for here. "
                f"Convert the clip, to H.264 for example."
            )
        if stream is None:
            kind = "only sound" if container.streams.audio else "no video"
            raise InputError(f"{path} holds {kind}. Give a clip with pictures.")
        yield container, stream


def _is_cover(av: Any, stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _decoded(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """Every frame that the decoder gives, and the count of those that it did not."""
    decoder = _decoder(stream)
    decoded = discarded = failed = 0
    for packet in _packets(container, stream, damage):
        discarded += packet.is_discard
        frames = _decode(decoder, packet)
        if frames is None:
            failed += 1
            damage.lost += 1
            continue
        for frame in frames:
            damage.concealed += bool(frame.is_corrupt)
            decoded += 1
            yield frame
    # Frames that the file's edit list cuts away are announced, too.
    missing = stream.frames - discarded - decoded
    damage.lost += max(0, missing - failed)


def _decoder(stream: Any) -> Any:
    av = load_av()
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _WITH_ALPHA:
        decoder = av.CodecContext.create(_WITH_ALPHA[decoder.name], "r")
    # Threads that work on frames of their own report an error with another frame than its own.
    decoder.thread_type = "SLICE"
    # As many frames as the file has, made up in part where they must be.
    decoder.flags |= av.codec.context.Flags.output_corrupt
    return decoder


def _packets(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except load_av().error.FFmpegError:  # the file is broken off; what it had is what there is
        damage.lost += 1


def _decode(decoder: Any, packet: Any) -> list[Any] | None:
    """Frames of one packet; None where it cannot be decoded."""
    try:
        return decoder.decode(packet if packet.size else None)
    except load_av().error.FFmpegError:
        return None
