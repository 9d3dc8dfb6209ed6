from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from persam.concept import Concept
from persam.errors import InputError
from persam.evaluation import benchmark, datasets
from persam.images import read_image, read_mask
from persam.structures import Prediction
from persam.variants import Variant

SIZE = 40


@pytest.fixture
def root(tmp_path):
    """Two objects; the photo's green channel carries what a method is going to answer."""
    write(tmp_path, "cat", "00", truth=box(0, 0, 10), answer=box(0, 0, 10))
    write(tmp_path, "cat", "01", truth=box(0, 0, 10), answer=box(0, 0, 10))
    write(tmp_path, "cat", "02", truth=box(0, 0, 20), answer=box(0, 10, 20))
    write(tmp_path, "mug", "00", truth=box(5, 5, 10), answer=box(5, 5, 10))
    write(tmp_path, "mug", "01", truth=box(5, 5, 20), answer=box(30, 30, 4))
    return tmp_path / "data"


def box(y: int, x: int, side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def write(folder, name: str, stem: str, *, truth: np.ndarray, answer: np.ndarray) -> None:
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo[..., 1] = answer * 255
    for part, suffix, pixels in (
        ("Images", "png", photo),
        ("Annotations", "png", truth.astype(np.uint8)),  # grey value 1 is object already
    ):
        path = folder / "data" / part / name / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@dataclass(frozen=True, eq=False)
class Reader(Concept):
    """Finds what is written in the photo, and points at its first pixel."""

    def segment(self, image, *, trace: bool = False) -> Prediction:
        mask = read_image(image)[..., 1] > 0
        point = np.argwhere(mask)[:1, ::-1]
        labels = np.array([0, 1])
        return Prediction(mask, 1.0, None, np.vstack([[[0, 39]], point]), labels)


@dataclass(frozen=True)
class Stand:
    name: str = "reader"
    device: str = "cpu"


def learn(backbone, image, *, mask, variant="default"):
    assert read_mask(mask, read_image(image).shape[:2]).any()
    row = torch.zeros(0, 4)
    recipe = Variant(contrast=0.0)
    return Reader(backbone, "persam", recipe, torch.ones(4), torch.ones(4), row, row)


def test_scores_by_hand(root):
    report = benchmark.evaluate_perseg(learn, Stand(), root)
    cat, mug = report.objects["cat"], report.objects["mug"]
    # cat: 100 of 100 and 200 of 600 pixels pooled; 100 of 100 and 200 of 400 found.
    assert cat.iou == pytest.approx(300 / 700)
    assert cat.acc == pytest.approx(300 / 500)
    assert cat.photos == {"01": 1.0, "02": pytest.approx(1 / 3)}
    assert cat.point_hit == 1.0  # the answer's first pixel lies on the object in both
    assert (mug.iou, mug.acc, mug.biou, mug.point_hit) == (0, 0, 0, 0)
    assert report.miou == pytest.approx(cat.iou / 2)
    assert report.macc == pytest.approx(0.3)
    assert report.point_hit == 0.5
    assert report.photos == 3
    # Bands are 1 pixel thick: 36 of 36, and 20 common of 76 + 76.
    assert cat.biou == pytest.approx((1 + 20 / 132) / 2)
    assert cat.biou_pooled == pytest.approx(56 / 168)


def test_the_report_says_how_it_came_about(root, tmp_path):
    data = datasets.perseg(root, reference_index=1, objects=["cat"])
    report = benchmark.evaluate_perseg(learn, Stand(), data).with_settings(precision="fp32")
    report.write(tmp_path / "reports" / "one.json")
    read = json.loads((tmp_path / "reports" / "one.json").read_text())
    assert read["settings"] == {
        "dataset": "perseg",
        "data": str(root),
        "reference_index": 1,
        "method": "persam",
        "variant": json.loads(Variant(contrast=0.0).to_json()),
        "model": "reader",
        "device": "cpu",
        "precision": "fp32",
    }
    assert list(read["objects"]) == ["cat"]
    assert list(read["objects"]["cat"]["photos"]) == ["00", "02"]
    assert read["environment"]["torch"] == torch.__version__
    assert read["seconds"] >= 0
    assert read["version"]


def test_masks_are_kept_and_photos_announced(root, tmp_path):
    seen = []
    benchmark.evaluate_perseg(
        learn,
        Stand(),
        root,
        save_masks=tmp_path / "found",
        on_photo=lambda name, stem: seen.append((name, stem)),
    )
    assert seen == [("cat", "01"), ("cat", "02"), ("mug", "01")]
    kept = np.asarray(Image.open(tmp_path / "found" / "cat" / "02.png"))
    assert np.array_equal(kept == 255, box(0, 10, 20))


def test_an_empty_truth_is_refused(root):
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(root / "Annotations/mug/01.png")
    with pytest.raises(InputError, match=r"01\.png is empty"):
        benchmark.evaluate_perseg(learn, Stand(), root)
