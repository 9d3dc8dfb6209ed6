"""A model and a concept in other processes: by pickle, and after a fork."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import persam
from persam.models.runtime.choice import missing

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
MASK = np.zeros(PICTURE.shape[:2], dtype=bool)
MASK[10:30, 20:50] = True


def learnt(backbone: Any) -> persam.Concept:
    return persam.personalize(backbone, PICTURE, mask=MASK)


def answer(concept: persam.Concept) -> tuple[bytes, float]:
    found = concept.segment(PICTURE[:, ::-1])
    return found.mask.tobytes(), found.score


@pytest.mark.parametrize("model", ["sam", "sam2", "pocket", "onnx", "openvino"])
def test_a_pickled_concept_answers_alike(tiny, model) -> None:
    if model in ("onnx", "openvino"):
        if absent := missing(model, run=True):
            pytest.skip(f"{model} needs {', '.join(absent)}")
        concept = learnt(persam.load(engine=model, precision="fp32"))
    else:
        concept = learnt(tiny(model))
    again = pickle.loads(pickle.dumps(concept))  # noqa: S301 - its own
    assert again.backbone.name == concept.backbone.name
    assert answer(again) == answer(concept)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not fork safely")
def test_a_model_of_torch_answers_alike_after_a_fork(tiny) -> None:
    concept = learnt(tiny("sam"))
    receive, send = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=lambda: send.send(answer(concept)))
    child.start()
    assert receive.poll(60)
    assert receive.recv() == answer(concept)
    child.join()
