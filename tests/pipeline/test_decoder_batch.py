"""Photos that go their ways in threads ask the decoder as one, and get the answers of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from persam.errors import InputError
from persam.models.wrapped_backbone import WrappedBackbone
from persam.pipeline.decoder_batch import ask_decoder, beside_others, side_by_side
from persam.structures import Guidance, Prompts


class Watched(WrappedBackbone):
    """Notes how many prompt sets it is asked at once."""

    def __init__(self, backbone: Any) -> None:
        super().__init__(backbone)
        self.sizes: list[int] = []
        self.most = 99

    def decode(self, *words: Any, **options: Any) -> Any:
        self.sizes.append(1)
        return super().decode(*words, **options)

    def decode_batch(self, embeddings: Any, *words: Any, **options: Any) -> Any:
        if len(embeddings) > self.most:
            raise RuntimeError("out of memory")
        self.sizes.append(len(embeddings))
        return super().decode_batch(embeddings, *words, **options)


def point(x: float) -> Prompts:
    return Prompts(points=np.array([[x, 9.0]]), labels=np.array([1]))


@pytest.fixture
def watched(tiny: Any) -> Watched:
    return Watched(tiny("sam"))


@pytest.fixture
def embeddings(watched: Watched) -> list[Any]:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 40, 50, 3), dtype=np.uint8)
    return watched.encode_batch(list(pictures))


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one.logits, other.logits, atol=1e-4)
    np.testing.assert_allclose(one.iou, other.iou, atol=1e-5)


def test_every_step_of_all_photos_is_one_call(watched, embeddings):
    def way(number: int) -> Any:
        first = ask_decoder(watched, embeddings[number], point(number))
        second = Prompts(box=(1, 1, 20 + number, 20), mask=first.logits[:1])
        return ask_decoder(watched, embeddings[number], second)

    alone = [way(number) for number in range(4)]
    watched.sizes.clear()
    for one, other in zip(side_by_side(way, range(4)), alone, strict=True):
        close(one, other)
    assert watched.sizes == [4, 4]


def test_photos_that_leave_early_or_ask_otherwise_hold_nobody_up(watched, embeddings):
    def way(number: int) -> Any:
        if number == 0:
            return None
        if number == 1:
            raise_after = ask_decoder(watched, embeddings[1], point(1), multimask=False)
            return ask_decoder(watched, embeddings[1], point(2)), raise_after
        return ask_decoder(watched, embeddings[number], point(number))

    found = side_by_side(way, range(4))
    assert found[0] is None
    assert sorted(watched.sizes) == [1, 1, 2]
    close(found[3], watched.decode(embeddings[3], point(3)))


def test_guidance_is_each_photos_own(watched, embeddings):
    chance = np.random.default_rng(1)
    _, channels, rows, columns = embeddings[0].features.shape
    given = [
        Guidance(
            chance.normal(size=(1, 1, 1, rows * columns)).astype(np.float32),
            chance.normal(size=(1, 1, channels)).astype(np.float32),
        )
        for _ in embeddings
    ]

    def way(number: int) -> Any:
        return ask_decoder(watched, embeddings[number], point(3), guidance=given[number])

    alone = [way(number) for number in range(4)]
    assert not np.allclose(alone[0].logits, watched.decode(embeddings[0], point(3)).logits)
    for one, other in zip(side_by_side(way, range(4)), alone, strict=True):
        close(one, other)


def test_what_fails_together_is_asked_one_by_one(watched, embeddings):
    watched.most = 2

    def way(number: int) -> Any:
        prompts = Prompts() if number == 2 else point(number)  # nothing is asked
        try:
            return ask_decoder(watched, embeddings[number], prompts)
        except InputError as error:
            return error

    found = side_by_side(way, range(4))
    assert isinstance(found[2], InputError)
    for number in (0, 1, 3):
        close(found[number], watched.decode(embeddings[number], point(number)))


def test_an_error_of_the_work_is_raised_and_holds_nobody_up(watched, embeddings):
    def way(number: int) -> Any:
        if number == 1:
            raise ValueError("no such photo")
        return ask_decoder(watched, embeddings[number], point(number))

    with pytest.raises(ValueError, match="no such photo"):
        side_by_side(way, range(4))


def test_objects_of_a_photo_are_asked_for_with_those_of_the_others(watched, embeddings):
    def look(place: tuple[int, int]) -> Any:
        return ask_decoder(watched, embeddings[place[0]], point(place[1]))

    def way(number: int) -> Any:
        found = beside_others(look, [(number, 10 * x) for x in range(number)])
        return [*found, look((number, 5))]

    alone = [way(number) for number in range(4)]
    watched.sizes.clear()
    for ones, others in zip(side_by_side(way, range(4)), alone, strict=True):
        for one, other in zip(ones, others, strict=True):
            close(one, other)
    assert len(watched.sizes) <= 4 < sum(watched.sizes) == 10


def test_an_error_of_one_object_is_raised_by_its_photo_alone(watched, embeddings):
    def look(place: tuple[int, int]) -> Any:
        if place == (1, 1):
            raise ValueError("no such object")
        return ask_decoder(watched, embeddings[place[0]], point(place[1]))

    def way(number: int) -> Any:
        try:
            return beside_others(look, [(number, x) for x in range(3)])
        except ValueError as error:
            return error

    first, second, third = side_by_side(way, range(3))
    assert isinstance(second, ValueError)
    assert len(first) == len(third) == 3


def test_nothing_to_do_is_nothing():
    assert side_by_side(str, []) == []
