"""Image/mask pairs from tars or folders, kept encoded in memory and decoded when drawn."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PICTURE_SUFFIXES = (".webp", ".jpg", ".jpeg")
MASK_SUFFIX = ".png"
_CLASS = re.compile(r"n\d{8}(?=_)")  # ImageNet's class numbers, as DUTS names its files


@dataclass(frozen=True)
class Pair:
    """One encoded picture and the encoded mask of its object.

    Attributes:
        stem: of both files' names.
        picture, mask: the files' bytes.
    """

    stem: str
    picture: bytes
    mask: bytes

    @property
    def kind(self) -> str | None:
        """ImageNet's class of the object, such as ``n02084071``."""
        found = _CLASS.match(self.stem)
        return found.group() if found else None


def read_pairs(sources: Iterable[Path]) -> list[Pair]:
    """Collect the pairs of tars and folders, in order of their stems.

    Args:
        sources: tars or folders that hold ``<stem>.webp`` or ``.jpg`` beside ``<stem>.png``.

    Raises:
        InputError: a source that cannot be read, or a picture or mask without its other half.
    """
    pairs: list[Pair] = []
    for source in sources:
        files: dict[str, dict[bool, bytes]] = {}
        for name, data in _members(source):
            path = Path(name)
            if path.suffix.lower() in (*PICTURE_SUFFIXES, MASK_SUFFIX):
                files.setdefault(path.stem, {})[path.suffix.lower() == MASK_SUFFIX] = data
        lone = sorted(stem for stem, halves in files.items() if len(halves) < 2)
        if lone or not files:
            raise InputError(
                f"{source} should hold pairs of <stem>{PICTURE_SUFFIXES[0]} and "
                f"<stem>{MASK_SUFFIX}; it has {len(files)} stems, without their other half: "
                f"{', '.join(lone[:5]) or 'none'}."
            )
        pairs += [Pair(stem, h[False], h[True]) for stem, h in sorted(files.items())]
    return pairs


def _members(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.iterdir()):
            if path.is_file():
                yield path.name, path.read_bytes()
        return
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except (OSError, tarfile.TarError) as error:
        raise InputError(
            f"Training data is read from tars and folders; {source} is neither: {error}"
        ) from error


def decode(pair: Pair, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stretch a pair over a square.

    Returns:
        ``(3, side, side)`` in 0..1 and ``(1, side, side)`` soft mask in 0..1, both float32.
    """
    size = (side, side)
    picture = (
        Image.open(io.BytesIO(pair.picture)).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    )
    mask = Image.open(io.BytesIO(pair.mask)).convert("L").resize(size, Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return pixels, torch.from_numpy(np.array(mask))[None].float() / 255
