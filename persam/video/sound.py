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
_RESAMPLED = 48_000


class Sound:
    """The first sound track of a clip on its way into an output, in step with the pictures.

    Packets are copied as they are where an MP4 holds their kind, and become AAC elsewhere. What
    cannot be decoded on that way is left out.
    """

    def __init__(self, path: Path, output: Any) -> None:
        """Add a track to an open output, before anything was written to it."""
        av = load_av()
        self._output = output
        self._input = av.open(f"file:{path}", metadata_errors="replace")
        self._source = self._input.streams.audio[0]
        context = self._source.codec_context
        self._copied = context.name in _IN_MP4 or context.name.startswith("aac")
        if self._copied:
            self._target = output.add_stream_from_template(self._source)
        else:
            rate = context.sample_rate or _RESAMPLED
            self._target = output.add_stream("aac", rate=min(rate, _RESAMPLED))
            self._target.codec_context.layout = context.layout
        self._packets = self._copies() if self._copied else self._encoded()
        self._next = next(self._packets, None)

    def until(self, seconds: Fraction | None) -> None:
        """Write all sound up to a time, in seconds; the rest where it is None."""
        while self._next is not None and (seconds is None or _seconds(self._next) <= seconds):
            self._output.mux(self._next)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Let go of the clip."""
        self._input.close()

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
                yield from self._target.encode(frame)
        yield from self._target.encode(None)


def _seconds(packet: Any) -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base)
