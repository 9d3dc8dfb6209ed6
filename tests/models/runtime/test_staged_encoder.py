"""The built-in encoder's networks are asked only for what is read."""

from __future__ import annotations

import numpy as np
import pytest

import persam
from persam import samples
from persam.models.registry import POCKET_FILE
from persam.models.runtime.builtin_networks import FACTS, PREFIX, load_packaged
from persam.models.runtime.choice import RuntimeChoice
from persam.models.runtime.convertible import MASKS, MATCHING, SHARED
from persam.models.runtime.exported import first_installed
from persam.models.runtime.exported_metadata import READERS, Facts
from persam.models.runtime.staged_encoder import StagedEncoder


@pytest.fixture
def encoder() -> StagedEncoder:
    """Of the package's own networks."""
    files = (POCKET_FILE.parent / f"{PREFIX}{part}.onnx" for part in (SHARED, MATCHING, MASKS))
    return StagedEncoder(first_installed(READERS["onnx"]), *files, precision="fp32")


def refuse(_inputs: object) -> list[np.ndarray]:
    raise AssertionError("this network has no work here")


def test_an_absent_object_costs_no_decoder_features(encoder, monkeypatch):
    backbone = load_packaged(RuntimeChoice())
    photo, mask = samples.files(samples.PICTURES, 0)
    concept = persam.personalize(backbone, photo, mask=mask)
    monkeypatch.setattr(encoder, "_masks", refuse)
    monkeypatch.setattr(backbone, "encoder", encoder)
    noise = np.random.RandomState(0).randint(0, 256, (48, 64, 3), np.uint8)
    assert not concept.segment(noise).present


def test_a_crop_that_is_only_asked_for_its_mask_has_no_matching_features(encoder, monkeypatch):
    backbone = load_packaged(RuntimeChoice())
    monkeypatch.setattr(encoder, "_matching", refuse)
    monkeypatch.setattr(backbone, "encoder", encoder)
    crop = backbone.encode(np.zeros((48, 64, 3), np.uint8))
    asked = persam.Prompts(box=(5, 5, 40, 30))
    assert backbone.decode(crop, asked, multimask=False).logits.shape == (1, 96, 96)


def test_the_facts_name_the_networks():
    facts = Facts.read(POCKET_FILE.parent / FACTS)
    assert facts.parts == (SHARED, MATCHING, MASKS, "decoder")
    named = {f"{PREFIX}{part}.onnx" for part in facts.parts}
    assert named == facts.sha256.keys() - {POCKET_FILE.name}
