from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam import samples
from persam.errors import InputError
from persam.evaluation import datasets


def picture(path: Path, size: tuple[int, int] = (8, 6), **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path, **options)


@pytest.fixture
def root(tmp_path):
    for name in ("cat", "mug"):
        for stem in ("00", "01", "02"):
            picture(tmp_path / "Images" / name / f"{stem}.jpg")
            picture(tmp_path / "Annotations" / name / f"{stem}.png")
    return tmp_path


def test_reads_the_layout_by_stem(root):
    (root / "Images" / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "Images" / ".DS_Store").write_bytes(b"x")
    (root / "Annotations" / "cat" / "notes.txt").write_text("x")
    (root / "Images" / "mug" / "01.jpg").rename(root / "Images" / "mug" / "01.JPEG")
    got = datasets.perseg(root)
    assert [subject.name for subject in got.subjects] == ["cat", "mug"]
    assert got.photos == 4
    mug = got.subjects[1]
    assert mug.reference.image == root / "Images/mug/00.jpg"
    assert [photo.image.name for photo in mug.targets] == ["01.JPEG", "02.jpg"]
    assert all(photo.image.stem == photo.mask.stem for photo in mug.targets)


def test_a_root_with_the_reference_number_in_its_name(root):
    moved = root.parent / "run00"
    root.rename(moved)
    assert datasets.perseg(moved).photos == 4


def test_other_reference_and_chosen_objects(root):
    got = datasets.perseg(root, reference_index=2, objects=["mug"])
    assert [subject.name for subject in got.subjects] == ["mug"]
    assert got.subjects[0].reference.stem == "02"
    assert [photo.stem for photo in got.subjects[0].targets] == ["00", "01"]


def test_the_upright_size_counts(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(root / "Images/cat/01.jpg", (6, 8), exif=exif)
    assert datasets.perseg(root).photos == 4


def test_all_missing_masks_are_named(root):
    (root / "Annotations/cat/01.png").unlink()
    (root / "Annotations/cat/02.png").unlink()
    with pytest.raises(InputError, match=r"cat: pictures without a mask: 01, 02"):
        datasets.perseg(root)
    # Objects that are not asked for may be broken.
    assert datasets.perseg(root, objects=["mug"]).photos == 2


def test_all_other_sizes_are_named(root):
    for stem in ("00", "02"):
        picture(root / f"Annotations/mug/{stem}.png", (9, 6))
    with pytest.raises(InputError, match=r"mug.00\.png \(6x9, not 6x8\).*mug.02\.png"):
        datasets.perseg(root)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: (r / "Images/cat/02.jpg").unlink(), "masks without a picture: 02"),
        (lambda r: picture(r / "Images/dog/00.jpg"), "pictures but no masks: dog"),
        (lambda r: picture(r / "Annotations/dog/00.png"), "masks but no pictures: dog"),
        (lambda r: picture(r / "Images/cat/01.png"), "both 01.jpg and 01.png"),
        (
            lambda r: (r / "Images/cat/01.jpg").write_text("no"),
            "01.jpg is not a picture",
        ),
        (lambda r: (r / "Images").rename(r / "Pictures"), "missing .*: Images"),
    ],
)
def test_folders_that_do_not_add_up(root, spoil, said):
    spoil(root)
    with pytest.raises(InputError, match=said):
        datasets.perseg(root)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reference_index": 7}, "no photo 07.*00, 01, 02"),
        ({"objects": ["cat", "cow"]}, "No such objects: cow. The folder has cat, mug"),
        ({"objects": []}, "none named"),
    ],
)
def test_options_that_do_not_fit(root, options, said):
    with pytest.raises(InputError, match=said):
        datasets.perseg(root, **options)


def test_only_a_reference(root):
    for stem in ("01", "02"):
        (root / f"Images/cat/{stem}.jpg").unlink()
        (root / f"Annotations/cat/{stem}.png").unlink()
    with pytest.raises(InputError, match="only their reference 00 and nothing to search: cat"):
        datasets.perseg(root)


def test_empty_folders(tmp_path):
    for part in ("Images", "Annotations"):
        (tmp_path / part).mkdir()
    with pytest.raises(InputError, match="no object folders in: Annotations, Images"):
        datasets.perseg(tmp_path)
    for part in ("Images", "Annotations"):
        (tmp_path / part / "cat").mkdir()
    with pytest.raises(InputError, match=r"holds no .jpg or .jpeg or .png files"):
        datasets.perseg(tmp_path)


def test_the_samples_are_a_data_set():
    got = datasets.perseg(samples.PICTURES)
    assert (len(got.subjects), got.photos) == (1, 6)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cat_2", "cat"),
        ("toy_cat_10", "toy_cat"),
        ("toy_cat", "toy_cat"),
        ("cat2", "cat2"),
        ("cat_", "cat_"),
        ("_2", "_2"),
        ("7", "7"),
    ],
)
def test_what_an_object_is_one_of(name, kind):
    photo = datasets.Photo("00", Path("00.jpg"), Path("00.png"))
    assert datasets.Subject(name, photo, ()).kind == kind


def test_reading_a_photo(root):
    grey = np.zeros((6, 8), np.uint8)
    grey[2, 3] = 1
    Image.fromarray(grey).save(root / "Annotations/cat/01.png")
    cat = datasets.perseg(root).subjects[0]
    assert [photo.stem for photo in cat.photos] == ["00", "01", "02"]
    image, truth = cat.photos[1].read()
    assert (image.shape, image.dtype) == ((6, 8, 3), np.uint8)
    assert truth.dtype == np.bool_
    assert np.argwhere(truth).tolist() == [[2, 3]]
    with pytest.raises(InputError, match=r"02\.png is empty"):
        cat.photos[2].read()
