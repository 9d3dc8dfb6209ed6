"""The sound of a clip, carried over into another file."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from persam.video.decoding import load_av

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What players take in an MP4; everything else becomes AAC.
_IN_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "mp3float", "opus"})
_RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000)  # that AAC has
_LAYOUTS = {1: "mono"}  # files of old cameras give a number of channels and no layout


class Sound:
    """The first sound track of a clip on its way into an output, in step with the pictures.

    Packets are copied as they are where an MP4 holds their kind, and become AAC elsewhere. What
    cannot be decoded on that way is left out.

    Attributes:
        problem: why there is no sound, or why it ends early; empty where all went well.
    """

    def __init__(self, path: Path, output: Any) -> None:
        """Add a track to an open output, before anything was written to it."""
        av = load_av()
        self.problem = ""
        self._output = output
        self._packets: Iterator[Any] = iter(())
        self._input = av.open(f"file:{path}", metadata_errors="replace")
        self._source = next(iter(self._input.streams.audio), None)
        context = getattr(self._source, "codec_context", None)
        if context is None:
            self.problem = "no decoder knows its coding"
        elif context.name in _IN_MP4 or context.name.startswith("aac"):
            self._target = output.add_stream_from_template(self._source)
            self._packets = self._copies()
        else:
            self._add_aac(context)
        self._next = self._following()

    def until(self, seconds: Fraction | None) -> None:
        """Write all sound up to a time, in seconds; the rest where it is None."""
        while self._next is not None and (seconds is None or _seconds(self._next) <= seconds):
            self._output.mux(self._next)
            self._next = self._following()

    def close(self) -> None:
        """Let go of the clip."""
        self._input.close()

    def _add_aac(self, context: Any) -> None:
        av = load_av()
        layout = _LAYOUTS.get(context.channels, "stereo")
        rate = min(_RATES, key=lambda known: abs(known - (context.sample_rate or _RATES[-1])))
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._target = self._output.add_stream("aac", rate=rate)
        self._target.codec_context.layout = layout
        self._packets = self._encoded()

    def _following(self) -> Any:
        """The next packet; none after the first error, which is noted."""
        try:
            return next(self._packets, None)
        except (load_av().error.FFmpegError, ValueError) as error:
            self.problem = str(error)
            return None

    def _copies(self) -> Iterator[Any]:
        for packet in self._input.demux(self._source):
            if packet.dts is not None:  # the last, empty one has none
                packet.stream = self._target
                yield packet

    def _encoded(self) -> Iterator[Any]:
        av = load_av()
        for packet in self._input.demux(self._source):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                yield from self._as_aac(frame)
        yield from self._as_aac(None)
        yield from self._target.encode(None)

    def _as_aac(self, frame: Any) -> Iterator[Any]:
        for resampled in self._resampler.resample(frame):
            yield from self._target.encode(resampled)


def _seconds(packet: Any) -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base)
