"""Small clips that the tests draw: a red and a blue square that wander over a green ground."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from persam.pipeline.prompts import mask_box
from persam.video.structures import TrackedPrediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def need_av() -> Any:
    """PyAV, or the test is skipped."""
    return pytest.importorskip("av", reason="needs PyAV: pip install 'persam[video]'")


def squares(index: int, height: int, width: int) -> dict[str, np.ndarray]:
    """Where the two squares are in a frame: ``(H, W)`` bool each."""
    red, blue = np.zeros((2, height, width), dtype=bool)
    x = 4 + 2 * index
    red[8:24, x : x + 14] = True
    blue[28:40, max(0, 40 - x) : 54 - x] = True
    return {"red": red, "blue": blue}


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame, ``(H, W, 3)`` uint8."""
    image = np.full((height, width, 3), (40, 150, 60), dtype=np.uint8)
    image[height // 2 :] = (60, 110, 70)
    masks = squares(index, height, width)
    image[masks["red"]] = (210, 30, 30)
    image[masks["blue"]] = (30, 40, 200)
    return image


@dataclass(frozen=True)
class Made:
    """How a clip is made."""

    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (48, 64)
    times: tuple[int, ...] = tuple(range(12))
    time_base: Fraction = Fraction(1, 25)
    space: str = "ITU709"
    full: bool = False
    turn: tuple[int, bool, bool] | None = None
    aspect: Fraction | None = None
    sound: str | None = None


def make(path: Path, made: Made = Made(), images: Iterable[np.ndarray] | None = None) -> Path:
    """Write a clip with PyAV and give its path back."""
    av = need_av()
    container = av.open(str(path), "w")
    stream = container.add_stream(made.codec, rate=25, options=dict(made.options))
    stream.height, stream.width = made.size
    stream.pix_fmt = made.pixels
    stream.codec_context.time_base = made.time_base
    stream.codec_context.color_range = 2 if made.full else 1
    stream.codec_context.colorspace = {"ITU709": 1, "ITU601": 6, "BT2020": 9}[made.space]
    if made.turn is not None:
        stream.set_display_rotation(*made.turn)
    if made.aspect is not None:
        stream.codec_context.sample_aspect_ratio = made.aspect
    sound = None
    if made.sound is not None:
        sound = container.add_stream(made.sound, rate=48000)
        sound.codec_context.layout = "mono"
    images = images or (picture(index, *made.size) for index in range(len(made.times)))
    for time, image in zip(made.times, images, strict=True):
        kind = "rgba" if image.shape[2] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(image, format=kind).reformat(
            format=made.pixels,
            dst_colorspace=made.space,
            dst_color_range="JPEG" if made.full else "MPEG",
        )
        frame.pts, frame.time_base = time, made.time_base
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    if sound is not None:
        tone(container, sound, seconds=float((made.times[-1] + 1) * made.time_base))
    container.close()
    return path


def tone(container: Any, stream: Any, seconds: float) -> None:
    """Put 440 Hz on a sound stream."""
    av = need_av()
    for start in range(0, int(48000 * seconds), 1024):
        wave = np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 48000)
        samples = (wave[None] * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def seconds(path: Path) -> list[Fraction]:
    """When the frames of a video file are shown, read with PyAV alone."""
    with need_av().open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


class ColourTracker:
    """A tracker that goes by colour and remembers nothing.

    Attributes:
        calls: numbers of the frames that it was asked for.
    """

    def __init__(self, names: Sequence[str] = ("red", "blue"), calls: list[int] | None = None):
        self.calls = [] if calls is None else calls

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> Any:
        self.calls.append(number)
        red, _, blue = (image[..., channel].astype(int) for channel in range(3))
        found = {"red": red > blue + 90, "blue": blue > red + 90} | dict(marked)
        answer = {name: prediction(mask) for name, mask in found.items()}
        return answer | {name: replace(answer[name], event="marked") for name in marked}

    def plan(self, history: Sequence[Any]) -> None:
        self.history = history

    def recall(self, image: np.ndarray, number: int, masks: Any) -> None:
        self.recalled = number


def prediction(mask: np.ndarray, **more: Any) -> TrackedPrediction:
    """What a tracker would say of a mask."""
    points, labels = np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    score = float(mask.any()) * 0.75
    box = mask_box(mask)
    return TrackedPrediction(mask, score, box, points, labels, likeness=0.5, **more)
