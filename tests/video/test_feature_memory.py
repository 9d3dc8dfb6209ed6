from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.structures import unit_length
from persam.video.feature_memory import (
    RECENT,
    SPREAD,
    MemoryEntry,
    agreement,
    backward_agreement,
    read,
    remembered,
)


def entry(seed: int, grid: tuple[int, int] = (4, 5)) -> MemoryEntry:
    cells = unit_length(np.random.default_rng(seed).standard_normal((*grid, 32)))
    coverage = (np.arange(grid[0] * grid[1]) % 3 == 0).astype(np.float32).reshape(grid)
    return MemoryEntry(cells, coverage)


def test_a_frame_reads_its_own_labels_back() -> None:
    one = entry(0)
    assert np.allclose(read([one, entry(1)], one.cells), one.coverage, atol=0.02)
    assert backward_agreement(one, one) > 0.95


def test_background_that_looks_like_the_object_stays_background() -> None:
    pair = unit_length(np.array([[1.0, 0.1], [1.0, -0.1]]))
    memory = MemoryEntry(np.tile(pair, (4, 2, 1)), np.tile([[1.0, 0.0, 1.0, 0.0]], (4, 1)))
    found = read([memory], pair[None])[0]
    assert found[0] > 0.5 > found[1]


def test_agreement_by_hand() -> None:
    assert agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.5])) == 0.6
    assert agreement(np.zeros(3), np.zeros(3)) == 1


def test_a_tiny_object_still_has_a_cell() -> None:
    coverage = np.zeros((4, 5))
    coverage[3, 4] = 0.2
    assert len(MemoryEntry(entry(0).cells, coverage).foreground) == 1


@given(st.integers(0, 3000))
def test_memory_is_bounded_and_never_takes_back_what_it_let_go(count: int) -> None:
    before, now = remembered(range(count)), remembered(range(count + 1))
    assert len(now) <= RECENT + SPREAD
    assert now == sorted(now)
    assert set(now) <= {*before, count}
    assert now[-min(RECENT, count + 1) :] == list(range(count + 1))[-RECENT:]


def test_old_frames_are_spread_over_time() -> None:
    assert remembered(range(1000)) == [256, 512, 768, 997, 998, 999]
    assert remembered([]) == []
    with pytest.raises(TypeError):
        remembered(None)  # pyright: ignore
