from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as mask_api

from persam.errors import InputError, MissingExtra
from persam.io.labels import coco_writer as coco

if TYPE_CHECKING:
    from pathlib import Path

# pycocotools 2.0.11 decodes by an __array__ of its own that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def decode(segmentation: dict[str, Any]) -> np.ndarray:
    return mask_api.decode(segmentation).astype(bool)


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 90))))
def test_annotations_decode_to_the_mask(mask: np.ndarray) -> None:
    if mask.any():
        assert np.array_equal(decode(coco.mask_fields(mask)["segmentation"]), mask)


def test_a_text_worked_out_by_hand() -> None:
    # Column after column of a 3x3 mask with a full middle row: 1 1 2 1 2 1 1.
    mask = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)
    # 1, 1, 2; then 1-1=0, 2-2=0, 1-1=0, 1-2=-1, which is the five bits 11111: chr(48 + 31).
    assert coco.mask_fields(mask)["segmentation"]["counts"] == "112000O"


def test_without_pycocotools_the_pip_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[labels\]'"):
        coco.mask_fields(np.ones((1, 1), dtype=bool))


def test_area_and_box() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 3:8] = True
    found = coco.mask_fields(mask)
    assert (found["area"], found["bbox"]) == (10, [3, 2, 5, 2])
    assert np.array_equal(decode(found["segmentation"]), mask)


def test_a_file_is_whole_json_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    coco.write_coco_file(
        path, [{"id": 1, "name": "dog"}], [{"id": 1}], ({"image_id": 1} for _ in range(2))
    )
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
        coco.write_coco_file(path, [{"id": 1, "name": "dog"}], [], broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        coco.write_coco_file(path / "deeper.json", [], [], [])
