from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.palette import PALETTE
from persam.io.writers import write_labels
from persam.video import labels as video_labels

LABELS = np.array([[0, 1, 1], [2, 0, 254]], dtype=np.uint8)


def test_label_maps_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "00000.png"
    write_labels(path, LABELS)
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert np.array(image).tolist() == LABELS.tolist()
        assert np.array(image.convert("RGB"))[1, 0].tolist() == [0, 128, 0]
    objects = video_labels.read_objects(path, (2, 3))
    assert list(objects) == [1, 2, 254]
    assert objects[1].tolist() == [[False, True, True], [False, False, False]]


def test_masks_into_a_map_and_out_again() -> None:
    numbers = video_labels.number_objects(["dog", "cat"])
    masks = {"dog": LABELS == 1, "cat": LABELS == 2}
    labels = video_labels.label_map(masks, numbers)
    assert labels.tolist() == [[0, 1, 1], [2, 0, 0]]
    again = video_labels.split_labels(labels, numbers)
    assert all(np.array_equal(again[name], masks[name]) for name in masks)
    with pytest.raises(InputError, match="'cat' overlaps"):
        video_labels.label_map({"dog": LABELS > 0, "cat": LABELS == 2}, numbers)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["3", "1"], [3, 1]),
        (["1", "dog"], [1, 2]),
        (["1", "01"], [1, 2]),
        (["0", "1"], [1, 2]),
        (["255"], [1]),
    ],
)
def test_objects_named_by_numbers_keep_them(names: list[str], numbers: list[int]) -> None:
    assert list(video_labels.number_objects(names).values()) == numbers


def test_more_objects_than_a_map_holds() -> None:
    assert len(video_labels.number_objects([f"o{n}" for n in range(254)])) == 254
    for names in ([f"o{n}" for n in range(255)], []):
        with pytest.raises(InputError, match=f"got {len(names)}"):
            video_labels.number_objects(names)


def picture(path: Path, pixels: np.ndarray, mode: str) -> Path:
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(PALETTE)
    else:
        image = image.convert(mode)
    image.save(path)
    return path


def test_void_is_no_object(tmp_path: Path) -> None:
    path = picture(tmp_path / "m.png", np.array([[0, 3, 255]], dtype=np.uint8), "P")
    assert list(video_labels.read_objects(path, (1, 3))) == [3]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_a_plain_mask_is_one_object(tmp_path: Path, mode: str) -> None:
    path = picture(tmp_path / "m.png", np.array([[0, 255, 255]], dtype=np.uint8), mode)
    objects = video_labels.read_objects(path, (1, 3))
    assert [(number, mask.tolist()) for number, mask in objects.items()] == [
        (1, [[False, True, True]])
    ]


def test_a_soft_grey_mask_is_cut_at_half(tmp_path: Path) -> None:
    soft = np.array([[0, 20, 100, 140, 255, 255]], dtype=np.uint8)
    for top in (255, 200):
        path = picture(tmp_path / "soft.png", np.minimum(soft, top), "L")
        assert video_labels.read_objects(path, (1, 6))[1].tolist() == [[False] * 3 + [True] * 3]
    # Values that fill areas are label numbers.
    path = picture(tmp_path / "labels.png", np.repeat([[0, 20, 100]], 3, axis=1).astype("u1"), "L")
    assert list(video_labels.read_objects(path, (1, 9))) == [20, 100]


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((2, 3), dtype=np.uint8), "is empty"),
        (np.full((2, 3), 255, dtype=np.uint8), "covers the whole picture"),
        (np.eye(5, dtype=np.uint8), "5x5, but its picture is 3x2"),
    ],
)
def test_masks_that_show_no_object(tmp_path: Path, pixels: np.ndarray, said: str) -> None:
    for mode in ("P", "L"):
        with pytest.raises(InputError, match=said):
            video_labels.read_objects(picture(tmp_path / "m.png", pixels, mode), (2, 3))


CASES = Path(__file__).parents[1] / "data" / "cases" / "object-masks"
FULL = (480, 640)


def areas(name: str) -> dict[int, int]:
    found = video_labels.read_objects(CASES / name, FULL)
    return {number: int(mask.sum()) for number, mask in found.items()}


def test_first_masks_are_what_a_person_means() -> None:
    assert areas("L012.png") == {1: 78411, 2: 8000}
    assert areas("u16_ids.png") == {1: 78411, 300: 8000}
    for name in ("soft200.png", "jpg235.jpg"):  # steps of an edge are no objects
        found = areas(name)
        assert list(found) == [1]
        assert 78000 < found[1] < 90000


def test_a_255_beside_other_areas_is_asked_about() -> None:
    with pytest.raises(InputError, match="100, 255, where 255 may be an object or void"):
        areas("L100_255.png")


def test_a_deep_map_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="640x480, but its picture is 64x48"):
        video_labels.read_objects(CASES / "u16_ids.png", (48, 64))
