from __future__ import annotations

import importlib.util
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError, MissingExtra
from persam.prediction import Prediction

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
MASK = np.zeros((24, 36), dtype=bool)
MASK[5:15, 10:30] = True
POINTS = np.array([[20, 10], [2, 2]])
FOUND = Prediction(MASK, 0.75, (10, 5, 30, 15), POINTS, np.array([1, 0]), presence=0.5)
NOTHING = Prediction(np.zeros_like(MASK), 0.0, None, POINTS[:0], POINTS[:0, 0], presence=0.01)


def test_a_prediction_is_told_in_one_line():
    assert repr(FOUND) == (
        "Prediction(200 of 24x36 pixels, box (10, 5, 30, 15), score 0.750, presence 0.500)"
    )
    assert repr(NOTHING) == "Prediction(0 of 24x36 pixels, score 0.000, presence 0.010)"


def test_it_is_written_and_shown_as_a_grey_picture(tmp_path):
    FOUND.save(tmp_path / "new" / "mask.png")
    for source in (tmp_path / "new" / "mask.png", BytesIO(FOUND._repr_png_())):
        with Image.open(source) as image:
            assert image.mode == "L"
            assert np.array_equal(np.array(image), MASK * np.uint8(255))
    with pytest.raises(InputError, match=r"PNG files.*mask\.jpg"):
        FOUND.save(tmp_path / "mask.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_an_overlay_changes_the_object_and_the_points_alone():
    drawn = np.array(FOUND.overlay(IMAGE))
    changed = (drawn != IMAGE).any(axis=2)
    assert changed[MASK].mean() > 0.9
    assert not changed[18:, 15:].any()
    assert changed[2, 2]  # the point off the object
    assert np.array_equal(np.array(NOTHING.overlay(IMAGE)), IMAGE)


def test_a_cutout_has_the_mask_as_alpha(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(IMAGE).save(path)
    cut = FOUND.cutout(path)
    assert cut.mode == "RGBA"
    assert np.array_equal(np.array(cut)[..., 3], MASK * np.uint8(255))
    assert np.array_equal(np.array(cut)[MASK][:, :3], IMAGE[MASK])


def test_a_picture_of_another_size_is_named():
    with pytest.raises(InputError, match=r"picture is 24x36.*one of 36x24 \(width x height\)"):
        FOUND.overlay(IMAGE.transpose(1, 0, 2))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
def test_coco_gives_the_mask_back():
    if importlib.util.find_spec("pycocotools") is None:
        pytest.skip("COCO needs pycocotools: pip install persam[labels]")
    from pycocotools import mask as rle

    found = FOUND.to_coco(image_id=7, category_id=3)
    assert (found["image_id"], found["category_id"], found["score"]) == (7, 3, 0.75)
    assert (found["area"], found["bbox"]) == (200, [10, 5, 20, 10])
    assert np.array_equal(rle.decode(found["segmentation"]).astype(bool), MASK)


def test_supervision_takes_the_same_box_and_mask():
    if importlib.util.find_spec("supervision") is None:
        pytest.skip("this needs supervision: pip install persam[supervision]")
    found = FOUND.to_supervision(class_id=4)
    assert found.xyxy.tolist() == [[10, 5, 30, 15]]
    assert np.array_equal(found.mask[0], MASK)
    assert (found.confidence.tolist(), found.class_id.tolist()) == ([0.75], [4])
    assert len(NOTHING.to_supervision()) == 0


@pytest.mark.parametrize(
    ("module", "extra", "convert"),
    [
        ("pycocotools", "labels", Prediction.to_coco),
        ("supervision", "supervision", Prediction.to_supervision),
    ],
)
def test_a_missing_extra_is_answered_with_the_pip_line(monkeypatch, module, extra, convert):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'persam\[{extra}\]'"):
        convert(FOUND)
