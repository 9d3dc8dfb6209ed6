"""supervision, FiftyOne and ComfyUI."""

from __future__ import annotations

from pathlib import Path

import made_labels as made
import numpy as np
import plush
import pytest
import torch

from persam import samples
from persam.errors import InputError
from persam.integrations import fiftyone, supervision
from persam.integrations.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from persam.integrations.open_concepts import open_concepts
from persam.io.images import read_image

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's packages


def test_supervision_takes_what_was_found(plush_concepts: Path):
    pytest.importorskip("supervision", reason="pip install supervision")
    objects = open_concepts(plush_concepts, device="cpu")
    found = objects.find(samples.files(samples.PICTURES, 2)[0])
    detections = supervision.to_detections(found, objects.labels)
    assert detections.class_id.tolist() == [5]
    assert detections.data["class_name"].tolist() == ["plush dog"]
    assert np.array_equal(detections.mask[0], found["plush dog"].mask)
    nothing = objects.find(np.full((60, 80, 3), 127, np.uint8))
    assert len(supervision.to_detections(nothing)) == 0


def test_labels_through_supervision_and_back(tmp_path: Path):
    pytest.importorskip("supervision", reason="pip install supervision")
    labels = made.scene(tmp_path)
    picture = labels.pictures[0]
    detections = supervision.labels_to_detections(picture, labels)
    back = supervision.from_detections(detections, picture.path, picture.size)
    assert [one.name for one in back.labels] == ["cat", "my dog"]
    pairs = zip(back.labels, picture.labels, strict=True)
    assert all(np.array_equal(one.mask, other.mask) for one, other in pairs)
    detections.data.clear()
    with pytest.raises(InputError, match="class_name"):
        supervision.from_detections(detections, picture.path, picture.size)


def test_labels_through_fiftyone_samples_and_back(tmp_path: Path):
    pytest.importorskip("fiftyone", reason="pip install fiftyone")
    labels = made.scene(tmp_path, made.MODEL)
    found = fiftyone.from_fiftyone(fiftyone.to_samples(labels))
    assert [len(one.labels) for one in found.pictures] == [2, 1, 0]
    for picture, again in zip(labels.pictures, found.pictures, strict=True):
        for one, other in zip(picture.labels, again.labels, strict=True):
            assert np.array_equal(one.mask, other.mask)
            assert (other.name, other.origin.by, other.origin.score) == (one.name, "model", 0.9)


def test_comfyui_nodes(plush_concepts: Path):
    assert NODE_CLASS_MAPPINGS.keys() == NODE_DISPLAY_NAME_MAPPINGS.keys()
    load, find, mask, cut = (node() for node in NODE_CLASS_MAPPINGS.values())
    for node in (load, find, mask, cut):
        assert callable(getattr(node, node.FUNCTION))
        assert "required" in node.INPUT_TYPES()
    photo = read_image(samples.files(samples.PICTURES, 2)[0])
    image = torch.from_numpy(photo).float()[None] / 255
    (concept,) = load.load(str(plush_concepts))
    (found,) = find.find(concept, image)
    masks, presence = mask.mask(found)
    assert masks.shape == image.shape[:3]
    assert presence > 0.5
    assert plush.iou(masks[0].numpy() > 0, plush.truth(2)) > 0.8
    (cutout,) = cut.cut(image, masks)
    assert cutout.shape == (*image.shape[:3], 4)
    assert torch.equal(cutout[..., 3], masks)
