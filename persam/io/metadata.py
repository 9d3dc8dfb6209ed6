"""What a photo says about itself, carried over to what is made from it: ICC, EXIF and XMP.

Results are upright, so an orientation that the photo had becomes 1. The small preview that EXIF may
hold is left out: it would still show the whole photo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from persam.io.picture_bytes import PictureBytes, PictureSource
from persam.io.picture_checks import DAMAGE
from persam.io.picture_file import read_picture

if TYPE_CHECKING:
    from persam.io.images import Source

FileKind = Literal["PNG", "JPEG", "WEBP"]

_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[1-8]')
# How a TIFF lays out its own pixels, which says nothing of another file's; its ICC and XMP blocks.
_LAYOUT = {*range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(320, 326)}
_LAYOUT |= {338, 339, 347, *range(512, 522), 529, 530, 531, 532, 700, 34675}
_MOST_IN_JPEG = 65_000  # bytes of one segment, its header subtracted
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB ", "P": b"RGB "}


@dataclass(frozen=True)
class PhotoMetadata:
    """The metadata blocks of a photo; any may be absent.

    Attributes:
        icc: colour profile.
        exif: with the ``Exif`` header, as Pillow reads and writes it.
        xmp: a packet of RDF.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    def save_options(self, kind: FileKind, mode: str) -> dict[str, Any]:
        """What to hand to :meth:`PIL.Image.Image.save`.

        A profile goes along only where it describes pixels of that mode: the RGB profile of a photo
        says nothing about a grey mask, and a CMYK profile nothing about RGB. JPEG has no room for
        blocks of 64 KB and more; they stay behind there.

        Args:
            kind: of the file that is written.
            mode: Pillow's mode of the picture that is written.
        """
        options: dict[str, Any] = {}
        if self.icc is not None and self.icc[16:20] == _SPACES.get(mode):
            options["icc_profile"] = self.icc
        blocks = {"exif": self.exif, "xmp": self.xmp}
        kept = {
            name: block
            for name, block in blocks.items()
            if block and not (kind == "JPEG" and len(block) > _MOST_IN_JPEG)
        }
        if kind == "PNG" and "xmp" in kept:
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", kept.pop("xmp").decode("utf-8", "replace"))
            options["pnginfo"] = info
        return options | kept


NOTHING = PhotoMetadata()


def read_metadata(source: Source | PictureBytes) -> PhotoMetadata:
    """Read what a photo says about itself, for results that are upright.

    Args:
        source: a path, a file's contents by name, or a PIL image; arrays say nothing.

    Raises:
        InputError: not a readable picture; the message names the file and the reason.
    """
    if isinstance(source, str | PictureSource):
        return read_picture(Path(source) if isinstance(source, str) else source, _metadata_of)
    return _metadata_of(source) if isinstance(source, Image.Image) else NOTHING


def _metadata_of(source: Image.Image) -> PhotoMetadata:
    xmp = source.info.get("xmp") or source.info.get("XML:com.adobe.xmp")
    return PhotoMetadata(source.info.get("icc_profile"), _upright_exif(source), _upright_xmp(xmp))


def _upright_exif(image: Image.Image) -> bytes | None:
    exif = Image.Exif()
    try:
        exif.load(image.getexif().tobytes())
    except (OSError, *DAMAGE):  # a damaged block says nothing that could be carried over
        return None
    for tag in _LAYOUT & set(exif):
        del exif[tag]
    if not exif:
        return None
    if ExifTags.Base.Orientation in exif:
        if exif[ExifTags.Base.Orientation] in (5, 6, 7, 8):
            _swap_sides(exif)
        exif[ExifTags.Base.Orientation] = 1
    return exif.tobytes()


def _swap_sides(exif: Image.Exif) -> None:
    details = exif.get_ifd(ExifTags.IFD.Exif)
    wide, high = ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight
    if wide in details and high in details:
        details[wide], details[high] = details[high], details[wide]


def _upright_xmp(xmp: bytes | str | None) -> bytes | None:
    if not xmp:
        return None
    packet = xmp.encode() if isinstance(xmp, str) else xmp
    return _ORIENTATION.sub(rb"\g<1>1", packet)
