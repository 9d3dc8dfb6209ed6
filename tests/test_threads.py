"""One model and one concept in eight threads: every answer is the one of a call alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import persam
from persam import samples
from persam.io.images import read_image
from persam.models.runtime.choice import missing

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS, ROUNDS = 8, 3


def shrunk(number: int) -> np.ndarray:
    """A picture of the package, small enough for a random model."""
    photo, _ = samples.files(samples.PICTURES, number)
    return np.ascontiguousarray(read_image(photo)[::6, ::6])


PICTURES = [shrunk(number) for number in range(5)]
MASK = np.zeros(PICTURES[0].shape[:2], dtype=bool)
MASK[20:60, 25:80] = True


def jobs(backbone: Any, pictures: list[np.ndarray]) -> list[Callable[[], Any]]:
    """Learning by both methods, segmenting and tracking, guided and not, on one backbone."""
    guided = persam.personalize(backbone, PICTURES[0], mask=MASK, variant="official")
    fitted = persam.finetune(backbone, PICTURES[0], mask=MASK)

    def learn(method: Any, picture: np.ndarray) -> Any:
        concept = method(backbone, picture, mask=MASK)
        return concept.features.target_feature, concept.weights

    def segment(concept: Any, picture: np.ndarray) -> Any:
        found = concept.segment(picture)
        return found.mask, found.score, found.likeness

    def track(concept: Any) -> Any:
        return [frame["dog"].mask for frame in persam.track({"dog": concept}, PICTURES[:3])]

    found: list[Callable[[], Any]] = []
    for picture in pictures:
        for concept in (guided, fitted):
            found.append(lambda concept=concept, picture=picture: segment(concept, picture))
        for method in (persam.personalize, persam.finetune):
            found.append(lambda method=method, picture=picture: learn(method, picture))
    return [*found, lambda: track(guided), lambda: track(fitted)]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple):
        return all(same(*pair) for pair in zip(one, other, strict=True))
    return np.array_equal(one, other)


@pytest.mark.parametrize("model", ["sam", "sam_hq", "sam2", "pocket", "onnx", "openvino"])
def test_eight_threads_answer_as_one(tiny, model, monkeypatch):
    if model in ("onnx", "openvino"):
        if absent := missing(model, run=True):
            pytest.skip(f"{model} needs {', '.join(absent)}")
        backbone = persam.load(engine=model, precision="fp32")
    else:
        backbone = tiny(model)
    # The package's networks take many times longer a call than a tiny model's.
    work = jobs(backbone, PICTURES[:1] if model in ("onnx", "openvino") else PICTURES[:3])
    alone = [job() for job in work]
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(work)), ROUNDS)).tolist()
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda number: work[number](), order))
    wrong = [
        number
        for number, answer in zip(order, found, strict=True)
        if not same(answer, alone[number])
    ]
    assert not wrong
