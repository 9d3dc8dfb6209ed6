"""What a trace holds: exactly the names and shapes of the table, and no others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import parity
import pytest

from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.pipeline.trace import STAGES
from persam.structures import Calibration
from persam.variants import Variant

PAGE = Path(__file__).parents[2] / "docs" / "trace.md"
REFERENCE = parity.picture("vit", "reference")
MASK = parity.picture("vit", "reference_mask")
TEST = parity.picture("vit", "test")


def traces(sam) -> list[dict[str, np.ndarray]]:
    """Of both methods, with everything switched on, and of an object that is not there."""
    recipe = Variant(prior_mask=1.0, contrast=0.5, parts=2)
    plain = personalize(sam, REFERENCE, mask=MASK, variant=recipe)
    strict = replace(plain, calibration=Calibration(0.99, 50), variant=replace(recipe, parts=0))
    strict = replace(strict, variant=replace(strict.variant, min_presence=0.9))
    fitted = finetune(sam, REFERENCE, mask=MASK)
    found = [concept.segment(TEST, trace=True) for concept in (plain, fitted, strict)]
    assert [one.present for one in found] == [True, True, False]
    return [dict(one.trace) for one in found]


def test_the_page_has_the_same_table():
    rows = re.findall(r"^\| `(\w+)` \| `(\(.*?\))` \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == dict(STAGES)
    assert len(rows) == len(STAGES)


def test_runs_keep_exactly_these_stages_in_these_shapes(parity_sam):
    kept = traces(parity_sam)
    # Random weights find nothing in a crop; tests/explanation looks again with the built-in model.
    assert set().union(*kept) == set(STAGES) - {"second_look_box_xyxy"}
    for trace in kept:
        sizes: dict[str, int] = {}
        for name, array in trace.items():
            axes = [axis for axis in STAGES[name].strip("()").replace(" ", "").split(",") if axis]
            assert array.ndim == len(axes), name
            for axis, size in zip(axes, array.shape, strict=True):
                if axis.isdigit():
                    assert size == int(axis), name
                elif axis in "chwdgvm":  # one picture's own; n, k, H and W differ between stages
                    assert sizes.setdefault(axis, size) == size, name


def test_an_absent_object_was_looked_for_and_not_decoded(parity_sam):
    *_, absent = traces(parity_sam)
    assert not any(name.startswith("step") for name in absent)
    assert not absent["final_mask"].any()


@pytest.mark.parametrize("learn", [personalize, finetune])
def test_nothing_is_kept_where_nobody_asked(parity_sam, learn):
    assert learn(parity_sam, REFERENCE, mask=MASK).segment(TEST).trace == {}
