from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from persam import samples
from persam.errors import InputError
from persam.io.masks import read_mask

CASES = Path(__file__).parents[1] / "data" / "cases" / "label-map-masks"
SIZE = (480, 640)


@pytest.fixture(scope="module")
def dog(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("samples")
    samples.copy(folder)
    return read_mask(samples.files(folder, 0)[1], SIZE) > 127


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.mark.parametrize("name", ["voc_dog12", "voc_cat_void"])
def test_one_label_is_the_object_and_void_is_not(name: str, dog: np.ndarray) -> None:
    mask = read_mask(CASES / f"{name}.png", SIZE)
    assert set(np.unique(mask)) == {0, 255}
    assert iou(mask > 0, dog) > 0.9


@pytest.mark.parametrize(
    ("name", "label", "others"),
    [
        ("voc_cat_person", "8", "8, 15"),
        ("voc_two_instances", "1", "1, 2"),
        ("labels_123", "1", "1, 2, 3"),
        ("cvat_cat_and_other", "#307020", "#307020, #ffcc33"),
        ("cvat_coloured_background", "#ff00cc", "#00d7ff, #ff00cc"),
    ],
)
def test_several_labels_are_asked_about(
    name: str, label: str, others: str, dog: np.ndarray
) -> None:
    with pytest.raises(InputError, match=rf"labels: {others}\. Say which one.*--label"):
        read_mask(CASES / f"{name}.png", SIZE)
    assert iou(read_mask(CASES / f"{name}.png", SIZE, label=label) > 0, dog) > 0.9
    with pytest.raises(InputError, match=rf"has no label 77; it shows {others}"):
        read_mask(CASES / f"{name}.png", SIZE, label=77)


def test_soft_and_noisy_masks_are_no_labels(dog: np.ndarray, tmp_path: Path) -> None:
    hard = Image.fromarray(dog.astype(np.uint8) * 255)
    for name, image, options in (
        ("soft.png", hard.filter(ImageFilter.GaussianBlur(3)), {}),
        ("noisy.jpg", hard, {"quality": 60}),
        ("four.png", hard.resize((320, 240), Image.Resampling.BOX).resize((640, 480)), {}),
        ("grey.png", hard.filter(ImageFilter.GaussianBlur(2)).quantize(16), {}),
    ):
        image.save(tmp_path / name, **options)
        assert iou(read_mask(tmp_path / name, SIZE) > 127, dog) > 0.97


def test_arrays_tensors_and_bytes_are_masks_too(dog: np.ndarray) -> None:
    grey = dog.astype(np.uint8) * 255
    data = BytesIO()
    Image.fromarray(grey).save(data, "PNG")
    for source in (dog, grey, torch.from_numpy(dog), data, data.getvalue()):
        np.testing.assert_array_equal(read_mask(source, SIZE), grey)
    numbers = np.where(dog, 300, 1).astype(np.uint16)
    np.testing.assert_array_equal(read_mask(numbers, SIZE, label=300), grey)
    with pytest.raises(InputError, match="got a list"):
        read_mask([[1]], SIZE)  # pyright: ignore[reportArgumentType]
