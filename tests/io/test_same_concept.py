from __future__ import annotations

from dataclasses import replace

import parity
import pytest

from persam.concept import Concept
from persam.methods.persam import personalize


@pytest.fixture(scope="module")
def learnt(parity_sam) -> Concept:
    picture, mask = (parity.picture("vit", name) for name in ("reference", "reference_mask"))
    return personalize(parity_sam, picture, mask=mask, variant="default")


def moved(concept: Concept, share: float) -> Concept:
    """The same concept with every number larger by a share."""
    names = ("target_feature", "target_embedding", "foreground", "background")
    references = tuple(
        replace(one, **{name: getattr(one, name) * (1 + share) for name in names})
        for one in concept.references
    )
    return replace(concept, references=references)


def test_learning_again_keeps_the_numbers_that_results_are_known_by(learnt, tmp_path):
    file = tmp_path / "dog.safetensors"
    learnt.save(file)
    before = file.read_bytes()
    moved(learnt, 2e-6).save(file)  # as another number of threads rounds
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        lambda concept: moved(concept, 1e-3),
        lambda concept: replace(
            concept, variant=replace(concept.variant, min_presence=concept.variant.min_presence / 2)
        ),
        lambda concept: replace(concept, references=concept.references * 2),
        lambda concept: replace(concept, negatives=concept.references),
        lambda concept: replace(
            concept,
            references=tuple(
                replace(one, background=one.background[1:]) for one in concept.references
            ),
        ),
    ],
    ids=["numbers", "recipe", "references", "negatives", "cells"],
)
def test_what_says_something_else_is_written(learnt, tmp_path, changed):
    file, alone = tmp_path / "dog.safetensors", tmp_path / "alone.safetensors"
    learnt.save(file)
    other = changed(learnt)
    other.save(file)
    other.save(alone)
    assert file.read_bytes() == alone.read_bytes()
    learnt.save(alone)
    assert file.read_bytes() != alone.read_bytes()
