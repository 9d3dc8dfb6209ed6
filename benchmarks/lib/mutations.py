"""Damaged files: bytes changed at random, as disks, downloads and attackers change them."""

from __future__ import annotations

import json
import struct
import tempfile
from contextlib import suppress
from fractions import Fraction
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from persam.io.labels import (
    FORMATS,
    Label,
    LabelClass,
    LabelledPicture,
    LabelSet,
    write_label_set,
)

if TYPE_CHECKING:
    from collections.abc import Callable

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)
SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "PPM": ".ppm",
    "JPEG2000": ".jp2",
    "AVIF": ".avif",
    "MPO": ".mpo",
}

# Container and codec of a clip's pictures, and of its sound.
CLIPS = (
    *(("mp4", "libx264", "aac"), ("mov", "mpeg4", "pcm_s16le"), ("mkv", "libvpx-vp9", "libopus")),
    *(("webm", "libvpx", "libopus"), ("avi", "mjpeg", "pcm_mulaw"), ("ts", "mpeg2video", "mp2")),
    *(
        ("mkv", "ffv1", "flac"),
        ("flv", "flv", None),
        ("mp4", "libx265", None),
        ("gif", "gif", None),
    ),
)


def mutated(data: bytes, noise: np.random.Generator) -> bytes:
    """Change, cut, double or drop some bytes."""
    changed = bytearray(data)
    for _ in range(int(noise.integers(1, 9))):
        place = int(noise.integers(len(changed))) if changed else 0
        match int(noise.integers(6)):
            case 0 if changed:
                changed[place] = int(noise.integers(256))
            case 1 if changed:
                changed[place] = INTERESTING[int(noise.integers(len(INTERESTING)))]
            case 2:
                length = int(noise.integers(1, 32))
                changed[place:place] = changed[place : place + length]
            case 3:
                del changed[place : place + int(noise.integers(1, 32))]
            case 4 if noise.random() < 0.2:
                del changed[place:]
            case _ if len(changed) > place + 4:
                number = int(noise.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 70_000]))
                order = ">I" if noise.random() < 0.5 else "<I"
                changed[place : place + 4] = struct.pack(order, number)
    return bytes(changed)


def mutated_header(data: bytes, noise: np.random.Generator) -> bytes:
    """A safetensors file with damaged bytes, or with a sound header that says strange things."""
    if noise.random() < 0.5:
        return mutated(data, noise)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    words = header["__metadata__"]
    for name in list(words):
        if noise.random() < 0.3:
            try:
                words[name] = json_text(json.loads(words[name]), noise).decode("latin-1")
            except ValueError:  # a plain word
                words[name] = mutated(words[name].encode(), noise).decode("latin-1")
    for entry in (e for name, e in header.items() if name != "__metadata__"):
        if noise.random() < 0.1:
            entry["dtype"] = str(noise.choice(["F16", "F64", "I64", "BF16", "U8"]))
        if noise.random() < 0.1:
            entry["shape"] = [int(side) for side in noise.integers(0, 9, 2)]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@cache
def pictures() -> dict[str, bytes]:
    """A small picture in every format and mode that is read, by a name with the suffix."""
    noise = np.random.default_rng(0)
    colour = Image.fromarray(noise.integers(0, 255, (40, 52, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    found = {}
    for kind, suffix in SUFFIXES.items():
        for mode in ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1"):
            for options in ({}, {"exif": exif}, {"progressive": True}, {"compression": "tiff_lzw"}):
                data = _saved(colour, kind, mode, options)
                if data is not None:
                    name = f"{mode.replace(';', '')}-{'-'.join(options) or 'plain'}{suffix}"
                    found[name] = data
    return found


@cache
def clips() -> dict[str, bytes]:
    """A clip of four small frames in many containers and codecs, by names; needs PyAV."""
    av = import_module("av")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for container, codec, sound in CLIPS:
            path = Path(folder) / f"{codec}.{container}"
            with suppress(av.error.FFmpegError, ValueError):  # FFmpeg was built without that codec
                _record(av, path, codec, sound)
                found[path.name] = path.read_bytes()
    return found


def _record(av: Any, path: Path, codec: str, sound: str | None) -> None:
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = 32
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        track = None if sound is None else container.add_stream(sound, rate=48000)
        for number in range(4):
            pixels = np.roll(noise.integers(0, 255, (32, 32, 3), dtype=np.uint8), number, axis=1)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            wave = (noise.standard_normal((1, 2 * 2048)) * 3000).astype(np.int16)
            heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
            heard.sample_rate, heard.pts, heard.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(track.encode(heard))
            container.mux(track.encode(None))


def label_files() -> dict[str, dict[str, bytes]]:
    """A small set of labels in every format that is read: contents by format and file."""
    rows, columns = np.mgrid[:24, :32]
    disc = (columns - 12) ** 2 + (rows - 11) ** 2 < 60
    ring = disc & ((columns - 12) ** 2 + (rows - 11) ** 2 > 12)
    found = {}
    with tempfile.TemporaryDirectory() as place:
        labels = []
        for name, mask in (("a.png", disc), ("b.png", ring)):
            path = Path(place) / name
            Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(path)
            marks = (Label.of_mask("cat", mask), Label.of_box("dog", (2, 3, 9, 8), mask.shape))
            labels.append(LabelledPicture(name, mask.shape, marks, path))
        drawn = LabelSet((LabelClass(1, "cat"), LabelClass(2, "dog")), tuple(labels))
        for name in FORMATS:
            folder = Path(place) / name
            write_label_set(drawn, folder, name)
            files = [path for path in folder.rglob("*") if path.is_file()]
            found[name] = {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}
    return found


def exif_blocks(noise: np.random.Generator) -> bytes:
    """A JPEG with an EXIF block of random entries and types."""
    entries = []
    for _ in range(int(noise.integers(1, 12))):
        tag = int(noise.choice([0x0112, 0x010F, 0x011A, 0x8769, 0x8825, 0x0201, 0xA005, 0x9286]))
        kind, count = int(noise.integers(0, 15)), int(noise.choice([0, 1, 2, 5, 2**31]))
        entries.append(struct.pack("<HHI", tag, kind, count) + noise.bytes(4))
    body = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    block = b"Exif\0\0" + body + noise.bytes(int(noise.integers(0, 64)))
    buffer = BytesIO()
    Image.new("RGB", (16, 12), (200, 30, 30)).save(buffer, "JPEG", exif=block)
    return buffer.getvalue()


def json_text(value: Any, noise: np.random.Generator) -> bytes:
    """A JSON text like another, with strange values in some places."""
    return mutated(_dump(value), noise) if noise.random() < 0.4 else _dump(_strange(value, noise))


def _strange(value: Any, noise: np.random.Generator) -> Any:
    odd: list[Callable[[], Any]] = [
        lambda: None,
        lambda: float("nan"),
        lambda: float("inf"),
        lambda: 10**39,
        lambda: -1,
        lambda: "x" * 5000,
        lambda: "a\0b",
        lambda: "../../victim",
        lambda: "~user",
        lambda: [],
        lambda: {},
        lambda: True,
        lambda: "evil/repo",
        lambda: _nested(int(noise.integers(1, 3000))),
    ]
    if noise.random() < 0.15:
        return odd[int(noise.integers(len(odd)))]()
    if isinstance(value, dict):
        kept = {k: _strange(v, noise) for k, v in value.items() if noise.random() > 0.05}
        return kept | ({"more": 1} if noise.random() < 0.1 else {})
    if isinstance(value, list):
        return [_strange(one, noise) for one in value]
    return value


def _nested(depth: int) -> str:
    return "\0nested" + str(depth)


def _dump(value: Any) -> bytes:
    text = json.dumps(value)
    while (start := text.find('"\\u0000nested')) >= 0:
        end = text.index('"', start + 1)
        depth = int(text[start + len('"\\u0000nested') : end])
        text = text[:start] + "[" * depth + "]" * depth + text[end + 1 :]
    return text.encode()


def _saved(image: Image.Image, kind: str, mode: str, options: dict[str, Any]) -> bytes | None:
    buffer = BytesIO()
    try:
        image.convert(mode if mode != "I;16" else "I").convert(mode).save(buffer, kind, **options)
    except (OSError, ValueError, KeyError, TypeError):  # that format has no such mode or option
        return None
    return buffer.getvalue()
