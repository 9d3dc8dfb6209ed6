from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from persam.errors import InputError
from persam.video import coco

if TYPE_CHECKING:
    from pathlib import Path


def decode(segmentation: dict[str, Any]) -> np.ndarray:
    """A mask from COCO's compressed run lengths, read as the format says."""
    height, width = segmentation["size"]
    runs: list[int] = []
    number = shift = 0
    for character in segmentation["counts"]:
        value = ord(character) - 48
        number |= (value & 31) << shift
        shift += 5
        if value & 32:
            continue
        if value & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 90))))
def test_runs_decode_to_the_mask(mask: np.ndarray) -> None:
    runs = coco.count_runs(mask)
    assert sum(runs) == mask.size
    assert sum(runs[1::2]) == mask.sum()
    counts = coco.compress_runs(runs)
    assert np.array_equal(decode({"size": list(mask.shape), "counts": counts}), mask)


def test_a_text_worked_out_by_hand() -> None:
    # Column after column of a 3x3 mask with a full middle row: 1 1 2 1 2 1 1.
    mask = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)
    assert coco.count_runs(mask) == [1, 1, 2, 1, 2, 1, 1]
    # 1, 1, 2; then 1-1=0, 2-2=0, 1-1=0, 1-2=-1, which is the five bits 11111: chr(48 + 31).
    assert coco.compress_runs(coco.count_runs(mask)) == "112000O"
    # 100 is 00011 00100: the low group with the sixth bit, 4 + 32 + 48, then 3 + 48.
    assert coco.compress_runs([100]) == "T3"


def test_area_and_box() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 3:8] = True
    found = coco.annotate(mask)
    assert (found["area"], found["bbox"]) == (10, [3, 2, 5, 2])
    assert np.array_equal(decode(found["segmentation"]), mask)


def test_a_file_is_whole_json_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    coco.write_coco(path, {"dog": 1}, [{"id": 1}], ({"image_id": 1} for _ in range(2)))
    assert json.loads(path.read_text()) == {
        "categories": [{"id": 1, "name": "dog"}],
        "images": [{"id": 1}],
        "annotations": [{"id": 1, "image_id": 1}, {"id": 2, "image_id": 1}],
    }
    before = path.read_bytes()

    def broken() -> Any:
        yield {"image_id": 1}
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        coco.write_coco(path, {"dog": 1}, [], broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        coco.write_coco(path / "deeper.json", {}, [], [])
