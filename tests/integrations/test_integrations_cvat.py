"""CVAT's SDK itself loads the function, checks its labels and takes its shapes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plush
import pytest
from PIL import Image

from persam import samples
from persam.errors import MissingExtra
from persam.integrations import cvat

pytestmark = pytest.mark.filterwarnings("ignore")  # of CVAT's own packages


def context(**choices: object) -> SimpleNamespace:
    plain = {"frame_name": "a.jpg", "conf_threshold": None, "conv_mask_to_poly": False}
    return SimpleNamespace(**(plain | choices))


@pytest.fixture
def function(plush_concepts: Path):
    pytest.importorskip("cvat_sdk.auto_annotation", reason="pip install cvat-sdk")
    return cvat.create(str(plush_concepts), device="cpu")


def photo(number: int) -> Image.Image:
    return Image.open(samples.files(samples.PICTURES, number)[0])


def test_masks_of_what_was_learnt(function):
    masks = pytest.importorskip("cvat_sdk.masks")
    assert [label.name for label in function.spec.labels] == ["plush dog"]
    (shape,) = function.detect(context(), photo(2))
    assert str(shape.type) == "mask"
    size = {"image_width": samples.WIDTH, "image_height": samples.HEIGHT}
    assert plush.iou(masks.decode_mask(shape.points, **size), plush.truth(2)) > 0.8


def test_polygons_where_the_task_wants_them(function):
    shapes = function.detect(context(conv_mask_to_poly=True), photo(2))
    assert shapes
    assert {str(shape.type) for shape in shapes} == {"polygon"}
    assert all(len(shape.points) >= 6 for shape in shapes)


def test_nothing_below_the_threshold_and_nothing_where_nothing_is(function):
    assert function.detect(context(conf_threshold=1.1), photo(2)) == []
    empty = Image.fromarray(np.full((90, 120, 3), 127, np.uint8))
    assert function.detect(context(), empty) == []


def test_cvats_command_line_loads_it(plush_concepts: Path):
    common = pytest.importorskip("cvat_cli._internal.common", reason="pip install cvat-cli")
    loader = common.FunctionLoader(
        function_module="persam.integrations.cvat",
        function_file=None,
        function_parameters={"concept": str(plush_concepts), "device": "cpu"},
    )
    assert [label.name for label in loader.load().spec.labels] == ["plush dog"]


def test_cvats_driver_maps_labels_and_masks(function):
    driver = pytest.importorskip("cvat_sdk.auto_annotation.driver")
    models = pytest.importorskip("cvat_sdk.models")
    from logging import getLogger

    dataset = [models.Label(name="plush dog", id=77, type="any", attributes=[], sublabels=[])]
    mapper = driver._AnnotationMapper(
        getLogger("test"),
        function.spec.labels,
        dataset,
        allow_unmatched_labels=False,
        spec_nm=driver._SpecNameMapping(),
        conv_mask_to_poly=False,
    )
    shapes = function.detect(context(), photo(2))
    mapper.validate_and_remap(shapes, 4)
    assert [(shape.label_id, shape.frame) for shape in shapes] == [(77, 4)]


def test_without_the_sdk_the_pip_line(plush_concepts: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "cvat_sdk.auto_annotation", None)
    with pytest.raises(MissingExtra, match="pip install cvat-sdk"):
        cvat.create(str(plush_concepts))
