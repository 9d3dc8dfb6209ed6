"""Single pictures of more than eight bits: RGBA PNG of 16 bits, and OpenEXR, by PyAV."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.video.decoding import load_av

if TYPE_CHECKING:
    from persam.io.matting import Matte


def png16(matte: Matte) -> bytes:
    """Encode an object as PNG of 16 bits a channel, alpha not multiplied in.

    Raises:
        InputError: it cannot be encoded.
        MissingExtra: PyAV is not installed.
    """
    alpha = np.round(matte.alpha * 65535).astype(np.uint16)[..., None]
    pixels = np.concatenate([matte.colours.astype(np.uint16) * 257, alpha], axis=2)
    frame = load_av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgba64le")
    return _encoded("png", frame.reformat(format="rgba64be"))


def exr(matte: Matte) -> bytes:
    """Encode an object as OpenEXR of 32-bit floats: linear light, alpha multiplied in.

    Colours are taken as sRGB; a clip of wider colours is refused before its first frame.

    Raises:
        InputError: it cannot be encoded.
        MissingExtra: PyAV is not installed.
    """
    linear = to_linear(matte.colours) * matte.alpha[..., None]
    height, width = matte.alpha.shape
    frame = load_av().VideoFrame(width, height, "gbrapf32le")
    planes = (linear[..., 1], linear[..., 2], linear[..., 0], matte.alpha)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((height, plane.line_size // 4), dtype="<f4")
        rows[:, :width] = values
        plane.update(rows.tobytes())
    return _encoded("exr", frame)


def to_linear(colours: np.ndarray) -> np.ndarray:
    """SRGB uint8 values to linear light, float32 0..1 (IEC 61966-2-1).

    Example:
        >>> [round(float(value), 4) for value in to_linear(np.array([0, 10, 128, 255], np.uint8))]
        [0.0, 0.003, 0.2159, 1.0]
    """
    values = colours.astype(np.float32) / 255
    curve = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, curve).astype(np.float32)


def _encoded(codec: str, frame: Any) -> bytes:
    av = load_av()
    try:
        encoder = av.CodecContext.create(codec, "w")
        encoder.width, encoder.height = frame.width, frame.height
        encoder.pix_fmt, encoder.time_base = frame.format.name, Fraction(1, 25)
        packets = [*encoder.encode(frame), *encoder.encode(None)]
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"A picture cannot be encoded as {codec}: {error}.") from error
    return b"".join(bytes(packet) for packet in packets)
