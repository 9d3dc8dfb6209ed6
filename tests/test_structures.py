"""Maps of a picture are worked out when they are asked for, each kind once."""

from __future__ import annotations

import numpy as np
import pytest

from persam.structures import Embedding, Frame, LaterMaps, Maps

FRAME = Frame(30, 40, (3, 4), 4)


def test_each_kind_of_maps_is_worked_out_once_and_by_itself():
    asked = []
    maps = np.ones((1, 2, 3, 4), np.float32)

    def made(name: str, *found: np.ndarray) -> tuple[np.ndarray, ...]:
        asked.append(name)
        return found

    later = LaterMaps(lambda: made("matching", maps)[0], lambda: made("decoder", maps, 2 * maps))
    embedding = Embedding(later, FRAME)
    assert not asked
    assert embedding.cells.shape == (3, 4, 2)
    assert embedding.matching is maps
    assert asked == ["matching"]
    assert embedding.features is maps
    assert np.array_equal(embedding.extras[0], 2 * maps)
    assert asked == ["matching", "decoder"]


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 1, 3, 4)])
def test_maps_are_of_one_picture(shape: tuple[int, ...]):
    right, wrong = np.zeros((1, 1, 3, 4)), np.zeros(shape)
    with pytest.raises(ValueError, match="features are"):
        Maps(wrong, right)
    with pytest.raises(ValueError, match="matching are"):
        Maps(right, wrong)
