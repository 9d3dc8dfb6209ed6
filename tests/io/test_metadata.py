from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from persam.io.images import read_image
from persam.io.metadata import NOTHING, PhotoMetadata, read_metadata

if TYPE_CHECKING:
    from pathlib import Path

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="Dog"/></rdf:RDF></x:xmpmeta>'
)
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def _exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.DateTime] = "2024:01:02 03:04:05"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight] = 60, 40
    details[ExifTags.Base.MakerNote] = b"MAKERNOTE" * 10
    details[ExifTags.Base.LensSpecification] = (24.0, 70.0, 2.8, 2.8)
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "N", (48.0, 8.0, 12.5)
    return exif


def _saved(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    buffer.seek(0)
    return Image.open(buffer)


def _photo(path: Path, kind: str, orientation: int = 6) -> Path:
    metadata = PhotoMetadata(SRGB, _exif(orientation).tobytes(), XMP)
    Image.fromarray(PIXELS).save(path, kind, **metadata.save_options(kind, "RGB"))
    return path


@pytest.mark.parametrize("written", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("read", ["PNG", "JPEG", "WEBP"])
def test_every_field_that_went_in_comes_out_upright(
    tmp_path: Path, read: str, written: str
) -> None:
    photo = _photo(tmp_path / "photo", read)
    metadata = read_metadata(photo)
    upright = Image.fromarray(read_image(photo))
    assert upright.size == (40, 60)
    out = _saved(upright, written, **metadata.save_options(written, "RGB"))
    exif = out.getexif()
    assert exif[ExifTags.Base.Orientation] == 1
    assert exif[ExifTags.Base.Make] == "Maker"
    assert exif[ExifTags.Base.DateTime] == "2024:01:02 03:04:05"
    details, wanted = exif.get_ifd(ExifTags.IFD.Exif), _exif().get_ifd(ExifTags.IFD.Exif)
    sides = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
    assert [details[side] for side in sides] == [40, 60]
    rest = set(wanted) - set(sides)
    assert {tag: details[tag] for tag in rest} == {tag: wanted[tag] for tag in rest}
    assert dict(exif.get_ifd(ExifTags.IFD.GPSInfo)) == dict(_exif().get_ifd(ExifTags.IFD.GPSInfo))
    assert out.info["icc_profile"] == SRGB
    assert out.info["xmp"] == XMP.replace(b'Orientation="6"', b'Orientation="1"')


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_sides_are_swapped_only_where_the_photo_is_turned(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif.load(read_metadata(_photo(tmp_path / "a.jpg", "JPEG", orientation)).exif)
    assert exif[ExifTags.Base.Orientation] == 1
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 60


def test_a_grey_mask_gets_no_profile_of_colours(tmp_path: Path) -> None:
    metadata = read_metadata(_photo(tmp_path / "a.jpg", "JPEG"))
    options = metadata.save_options("PNG", "L")
    assert "icc_profile" not in options
    assert _saved(Image.new("L", (4, 4)), "PNG", **options).getexif()[ExifTags.Base.Make] == "Maker"


def test_what_jpeg_has_no_room_for_stays_behind_there_alone() -> None:
    metadata = PhotoMetadata(xmp=XMP + b" " * 70_000)
    assert metadata.save_options("JPEG", "RGB") == {}
    assert len(metadata.save_options("WEBP", "RGB")["xmp"]) > 70_000


def test_the_preview_of_the_whole_photo_is_left_out(tmp_path: Path) -> None:
    exif = _exif()
    exif.get_ifd(ExifTags.IFD.IFD1)[ExifTags.Base.Compression] = 6
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif.tobytes())
    again = Image.Exif()
    again.load(read_metadata(tmp_path / "a.jpg").exif)
    assert not again.get_ifd(ExifTags.IFD.IFD1)


def test_the_layout_of_a_tiff_is_not_carried_over(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", exif=_exif().tobytes(), icc_profile=SRGB)
    metadata = read_metadata(tmp_path / "a.tif")
    exif = _saved(Image.new("RGB", (8, 8)), "PNG", **metadata.save_options("PNG", "RGB")).getexif()
    known = {"Make", "DateTime", "Orientation", "ExifOffset", "GPSInfo"}
    assert {ExifTags.TAGS[tag] for tag in exif} == known
    assert metadata.icc == SRGB


def test_arrays_and_plain_pictures_say_nothing(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert read_metadata(tmp_path / "a.png") == read_metadata(PIXELS) == NOTHING
    assert NOTHING.save_options("PNG", "RGB") == {}


def test_a_damaged_block_is_left_out(tmp_path: Path) -> None:
    block = b"Exif\x00\x00 this is not TIFF"
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=block, icc_profile=SRGB)
    assert read_metadata(tmp_path / "a.jpg") == PhotoMetadata(icc=SRGB)
