"""Cut-outs, masks of single objects and metadata, as an album writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from drawn_many import sample, two_dogs
from PIL import ExifTags, Image, ImageCms

from persam.album.run import Output, segment_album
from persam.album.targets import AlbumTarget
from persam.errors import InputError
from persam.io.cutouts import CutoutStyle
from persam.methods.persam import personalize
from persam.models.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from persam.concept import Concept

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6" title="Dog"/></x:xmpmeta>'
EVERYTHING = frozenset({"cutouts", "overlays"})
HARD = CutoutStyle("hard")


@pytest.fixture(scope="module")
def concepts() -> dict[str, Concept]:
    pocket = load("pocket", device="cpu")
    image, mask = sample(0)
    dog = personalize(pocket, image, mask=mask)
    return {"dog": dog, "bear": personalize(pocket, sample(4)[0], box=(20, 150, 200, 400))}


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A photo that lies on its side, and says so."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    path = tmp_path / "turned.jpg"
    stored = np.rot90(sample(4)[0])
    Image.fromarray(stored).save(path, exif=exif, icc_profile=SRGB, xmp=XMP, quality=95)
    return path


def _alpha(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))[..., 3]


def test_metadata_is_carried_over_and_upright(concepts, turned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    segment_album(concepts["dog"], [turned], Output(out, EVERYTHING))
    height, width = sample(4)[0].shape[:2]
    for name in ("turned.png", "cutouts/turned.png", "overlays/turned.jpg"):
        with Image.open(out / name) as image:
            assert image.size == (width, height)
            exif = image.getexif()
            assert (exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make]) == (1, "Maker")
            assert image.info["xmp"] == XMP.replace(b'"6"', b'"1"')
            grey = image.mode == "L"  # a profile of colours says nothing about a mask
            assert image.info.get("icc_profile") == (None if grey else SRGB)


def test_strip_leaves_it_all_out(concepts, turned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    segment_album(concepts["dog"], [turned], Output(out, EVERYTHING, strip=True))
    for name in ("turned.png", "cutouts/turned.png", "overlays/turned.jpg"):
        with Image.open(out / name) as image:
            assert not image.getexif()
            assert not {"xmp", "icc_profile"} & set(image.info)


def test_each_object_has_a_mask_and_a_cutout_of_its_own(concepts, tmp_path: Path) -> None:
    photo, out = tmp_path / "both.png", tmp_path / "out"
    Image.fromarray(sample(4)[0]).save(photo)
    summary = segment_album(concepts, [photo], Output(out, EVERYTHING, style=HARD))
    with Image.open(out / "both.png") as image:
        labels = np.asarray(image)
    found = [one for one in summary.records[0].found if one.box is not None]
    assert found
    for one in found:
        with Image.open(out / f"both.{one.object}.png") as image:
            assert np.array_equal(np.asarray(image) > 0, labels == one.label)
        alpha = _alpha(out / "cutouts" / f"both.{one.object}.png")
        assert np.array_equal(alpha > 0, labels == one.label)
    assert not (out / "cutouts" / "both.png").exists()


def test_instances_are_numbered_and_old_numbers_go(concepts, tmp_path: Path) -> None:
    photo, out = tmp_path / "twice.png", tmp_path / "out"
    Image.fromarray(two_dogs()[0]).save(photo)
    target = AlbumTarget.of(concepts["dog"], instances=True)
    (record,) = segment_album(target, [photo], out).records
    numbers = [one.label for one in record.found]
    assert len(numbers) >= 2
    assert {path.name for path in out.glob("twice.*.png")} == {f"twice.{n}.png" for n in numbers}
    mine = out / "twice.9.png"
    mine.write_bytes(b"a person's own")
    Image.fromarray(np.full((60, 80, 3), 90, dtype=np.uint8)).save(photo)  # nothing is in it now
    with pytest.raises(InputError, match=r"twice\.9\.png"):
        segment_album(target, [photo], out)
    mine.unlink()
    segment_album(target, [photo], out)
    assert not list(out.glob("twice.*.png"))


def test_cutouts_are_made_again_where_they_are_to_look_otherwise(concepts, tmp_path: Path) -> None:
    photo, out = tmp_path / "dog.png", tmp_path / "out"
    Image.fromarray(sample(0)[0]).save(photo)
    save, path = frozenset({"cutouts"}), out / "cutouts" / "dog.png"
    segment_album(concepts["dog"], [photo], Output(out, save, style=HARD))
    assert set(np.unique(_alpha(path))) == {0, 255}
    made = path.stat().st_mtime_ns
    segment_album(concepts["dog"], [photo], Output(out, save, style=HARD))
    assert path.stat().st_mtime_ns == made
    summary = segment_album(concepts["dog"], [photo], Output(out, save))
    assert summary.skipped == 1
    assert len(np.unique(_alpha(path))) > 10
    cropped = CutoutStyle("hard", crop=0.0, format="webp")
    segment_album(concepts["dog"], [photo], Output(out, save, style=cropped))
    with Image.open(out / "cutouts" / "dog.webp") as image:
        x0, y0, x1, y1 = summary.records[0].box
        assert image.size == (x1 - x0, y1 - y0)


def test_photos_whose_results_would_have_one_name_are_refused(concepts, tmp_path: Path) -> None:
    photos = [tmp_path / "a.png", tmp_path / "a.dog.png"]
    for photo in photos:
        Image.fromarray(sample(0)[0]).save(photo)
    with pytest.raises(InputError, match=r"a\.dog\.png would be the mask of one photo.*Rename"):
        segment_album(concepts, photos, tmp_path / "out")
