"""``persam.json``: what an exported model's folder says of itself, and the names of its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.own_files import file_sha256
from persam.io.records import is_file_name, parse
from persam.io.special_files import refuse_special
from persam.io.writers import write_text
from persam.models.runtime.convertible import DECODER, ENCODER, MASKS, MATCHING, SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXPORTED = "persam.json"
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
# Engines that read a format, the first one by preference.
READERS = {"onnx": ("openvino", "onnx"), "openvino": ("openvino",)}
VERSION = 1
_SMALL = 512  # side of the square up to which a network does not fill several cores


@dataclass(frozen=True)
class Facts:
    """What ``persam.json`` says.

    Attributes:
        version: of this layout.
        name: of the model that was exported.
        family: as :class:`persam.models.adapter.Adapter` has it.
        format: ``"onnx"`` or ``"openvino"``.
        precision: ``"fp32"``, or ``"int8"`` of an encoder that was calibrated.
        square: side of the input in pixels.
        mean, std: of the normalisation, in 0..255, RGB.
        keep_aspect: whether pictures keep their aspect in the square.
        grid: channels, rows and columns of the features.
        extras: how many further maps the decoder takes.
        matching: whether the encoder's second map is what objects are compared by.
        pad_box: whether a box is followed by a padding token.
        sketch: whether prompts without a mask are drawn as one.
        recipe, ambiguous: as the backbone's.
        calibration: middle and slope, or None.
        staged: whether the encoder is three networks, see ``staged_encoder.py``; of the built-in
            model alone.
        sha256: digest of every file beside this one, by name; empty in exports before 0.2.
    """

    version: int
    name: str
    family: str
    format: str
    precision: str
    square: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    keep_aspect: bool
    grid: tuple[int, int, int]
    extras: int
    matching: bool
    pad_box: bool
    sketch: bool
    recipe: str
    ambiguous: bool
    calibration: tuple[float, float] | None = None
    staged: bool = False
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = (self.square, *self.grid, *self.std, 1 + self.extras)
        if min(sizes) <= 0 or len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError("a size of 0, or a mean and std that are not of three colours")

    @property
    def parts(self) -> tuple[str, ...]:
        """The networks, the decoder last; their files are called so."""
        return (*((SHARED, MATCHING, MASKS) if self.staged else (ENCODER,)), DECODER)

    @property
    def small(self) -> bool:
        """Whether several calls side by side are quicker than one after the other."""
        return self.square <= _SMALL

    @classmethod
    def read(cls, path: Path) -> Facts:
        """Read a file of facts.

        Raises:
            InputError: unreadable, or another version's.
        """
        refuse_special(path)
        try:
            facts = parse(path.read_bytes(), cls)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} does not describe an exported model ({error}). Export it "
                f"again with `persam export`."
            ) from error
        if facts.version != VERSION or facts.format not in SUFFIXES:
            raise InputError(
                f"{path} is of version {facts.version}, {facts.format}; this persam "
                f"reads version {VERSION}, {' and '.join(SUFFIXES)}. Export it again."
            )
        return facts

    def write(self, path: Path, files: Iterable[Path] | None = None) -> None:
        """Write the facts, whole or not at all, with digests.

        Args:
            path: of the facts.
            files: whose digests belong to them; None for all files beside it.
        """
        others = (one for one in sorted(path.parent.iterdir()) if one.name != path.name)
        sums = {one.name: file_sha256(one) for one in (others if files is None else files)}
        write_text(path, json.dumps({**asdict(self), "sha256": sums}, indent=2) + "\n")

    def check_files(self, folder: Path) -> None:
        """Compare a folder's files with their digests, where there are any.

        Raises:
            InputError: a file is missing, or not as it was written.
        """
        for name, sha256 in self.sha256.items():
            if not is_file_name(name) or file_sha256(folder / name) != sha256:
                raise InputError(
                    f"{folder / name} is damaged or gone: it is not what `persam export` wrote. "
                    f"Export the model again."
                )
