from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.structures import Frame, unit_length
from persam.video.feature_memory import (
    RECENT,
    SPREAD,
    MemoryEntry,
    agreement,
    backward_agreement,
    cell_places,
    read,
    remembered,
)


def entry(seed: int, grid: tuple[int, int] = (4, 5)) -> MemoryEntry:
    cells = unit_length(np.random.default_rng(seed).standard_normal((*grid, 32)))
    coverage = (np.arange(grid[0] * grid[1]) % 3 == 0).astype(np.float32).reshape(grid)
    return MemoryEntry(cells, np.zeros((*grid, 2)), coverage)


def test_a_frame_reads_its_own_labels_back() -> None:
    one = entry(0)
    assert np.allclose(read([one, entry(1)], one.cells, one.places), one.coverage, atol=0.02)
    assert backward_agreement(one, one) > 0.95


def test_background_that_looks_like_the_object_stays_background() -> None:
    pair = unit_length(np.array([[1.0, 0.1], [1.0, -0.1]]))
    cells, nowhere = np.tile(pair, (4, 2, 1)), np.zeros((4, 4, 2))
    memory = MemoryEntry(cells, nowhere, np.tile([[1.0, 0.0, 1.0, 0.0]], (4, 1)))
    found = read([memory], pair[None], nowhere[:1, :2])[0]
    assert found[0] > 0.5 > found[1]


def test_a_twin_is_told_by_its_place() -> None:
    frame = Frame(64, 128, (32, 64), 64)
    places = cell_places(frame, (4, 8), (0, 0, 64, 64))
    assert places[0, 0].tolist() == [-0.375, -0.25]
    alike = np.ones((4, 8, 1))
    coverage = np.zeros((4, 8))
    coverage[:, :4] = 1
    read_back = read([MemoryEntry(alike, places, coverage)], alike, places)
    assert (read_back[:, 0] > 0.6).all()
    assert (read_back[:, 7] < 0.4).all()


def test_what_is_beside_a_mask_that_was_only_found_is_not_remembered() -> None:
    coverage = np.zeros((1, 7))
    coverage[0, 0] = 0.7
    cells = unit_length(np.eye(7)[None])
    nowhere = np.zeros((1, 7, 2))
    granted = MemoryEntry(cells, nowhere, coverage)
    assert granted.known.all()
    found = MemoryEntry(cells, nowhere, coverage, granted=False)
    assert found.known.tolist() == [[True, False, False, True, True, True, True]]
    # A part that the mask has missed is not told to be background.
    part = unit_length((0.8 * cells[0, 0] + 0.6 * cells[0, 1])[None, None])
    place = nowhere[:, :1]
    assert read([found], part, place)[0, 0] > read([granted], part, place)[0, 0]


def test_agreement_by_hand() -> None:
    assert agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.5])) == 0.6
    assert agreement(np.zeros(3), np.zeros(3)) == 1


def test_a_tiny_object_still_has_a_cell() -> None:
    coverage = np.zeros((4, 5))
    coverage[3, 4] = 0.2
    assert len(MemoryEntry(entry(0).cells, entry(0).places, coverage).foreground) == 1


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
