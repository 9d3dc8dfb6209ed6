"""Where the results of an album go, and which."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from persam.album.shards import Shard
from persam.errors import InputError
from persam.io.cutouts import CutoutStyle

Product = Literal["masks", "cutouts", "overlays", "sheet"]
PRODUCTS: tuple[Product, ...] = get_args(Product)
# Folders of products, which no mirrored folder of photos may be taken for.
RESERVED = frozenset({"cutouts", "overlays"})


@dataclass(frozen=True)
class Output:
    """Where the results of an album go, and which.

    Attributes:
        folder: for masks (``<stem>.png``), ``cutouts/``, ``overlays/``, ``sheet.html`` and
            ``manifest.jsonl``.
        save: any of :data:`PRODUCTS`; masks are always written, as a run resumes from them.
        overwrite: look again at photos that are done.
        overwrite_hand_work: replace masks and pictures that somebody changed after a run wrote
            them, and files that no run wrote.
        identity: names what the concept was made from, where that is steadier than its numbers
            (which differ in the last digits between machines). Empty: the numbers count.
        protected: files that must not be written over, besides the photos.
        mirror: folders whose sub-folders are made again among the results.
        style: how cut-outs look.
        strip: leave the photos' ICC, EXIF and XMP out of the results.
        reference: JPEG of what was taken for the object in its reference, written as
            ``reference.jpg`` and shown first in the sheet; empty for none.
        shard: look at this part of the photos alone; results are named as those of all are.

    Example:
        >>> output = Output("out", save=frozenset({"masks", "overlays"}))
        >>> output.files("dog")["overlays"].name
        'dog.jpg'
    """

    folder: str | Path
    save: frozenset[str] = frozenset({"masks"})
    overwrite: bool = False
    overwrite_hand_work: bool = False
    identity: str = ""
    protected: tuple[str | Path, ...] = ()
    mirror: tuple[str | Path, ...] = ()
    style: CutoutStyle = field(default_factory=CutoutStyle)
    strip: bool = False
    shard: Shard | None = None
    reference: bytes = b""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.save) - set(PRODUCTS))
        if unknown:
            raise InputError(f"save takes {', '.join(PRODUCTS)}; got {', '.join(unknown)}.")
        if "cutouts" in self.save:
            self.style.check()

    def files(self, stem: str) -> dict[Product, Path]:
        """Absolute paths of the files of one photo, by product, whether asked for or not.

        Args:
            stem: as :func:`persam.io.folders.name_outputs` gives it.
        """
        folder = Path(self.folder).absolute()
        return {
            "masks": folder / f"{stem}.png",
            "cutouts": folder / "cutouts" / f"{stem}.{self.style.format}",
            "overlays": folder / "overlays" / f"{stem}.jpg",
        }

    @property
    def look(self) -> str:
        """What decides how cut-outs look, in a few words; they are made again where it changes."""
        style = self.style
        crop = "" if style.crop is None else f" crop {style.crop:g}"
        behind = "" if style.background is None else f" on {style.background}"
        return f"{style.edges}{crop}{behind}{' stripped' if self.strip else ''}"

    @property
    def reference_file(self) -> Path:
        """Absolute path of the picture of the reference, whether there is one or not."""
        return Path(self.folder).absolute() / "reference.jpg"

    @property
    def sheet(self) -> Path:
        """Absolute path of the contact sheet, whether asked for or not."""
        return Path(self.folder).absolute() / "sheet.html"


def piece_file(path: Path, piece: str) -> Path:
    """The file of one object or instance beside the file of all: ``dog.png`` to ``dog.2.png``.

    Example:
        >>> piece_file(Path("masks/dog.old.png"), "2").name
        'dog.old.2.png'
    """
    name = re.sub(r'[\\/:*?"<>|]', "_", piece)
    return path.with_name(f"{path.name.removesuffix(path.suffix)}.{name}{path.suffix}")
