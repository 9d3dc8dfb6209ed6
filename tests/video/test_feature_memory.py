from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.structures import Embedding, Frame, Maps, unit_length
from persam.video.feature_memory import (
    AXES,
    NEAREST,
    RECENT,
    SPREAD,
    TEMPERATURE,
    MemoryEntry,
    agreement,
    along,
    cell_places,
    main_axes,
    recollect,
    remembered,
)


def entry(seed: int, grid: tuple[int, int] = (4, 5)) -> MemoryEntry:
    cells = unit_length(np.random.default_rng(seed).standard_normal((*grid, 32)))
    coverage = (np.arange(grid[0] * grid[1]) % 3 == 0).astype(np.float32).reshape(grid)
    return MemoryEntry(cells, np.zeros((*grid, 2)), coverage)


def test_a_frame_reads_its_own_labels_back() -> None:
    one = entry(0)
    found = recollect([entry(1), one], one.cells, one.places)
    assert np.allclose(found.readout, one.coverage, atol=0.02)
    assert found.backward_agreement(one) > 0.95


def test_the_most_similar_cells_are_found_as_by_sorting() -> None:
    entries = [entry(seed, (24, 24)) for seed in (0, 1)]
    found = recollect(entries, entries[0].cells + entries[1].cells, entries[0].places)
    similar = (entries[0].rows + entries[1].rows) @ np.concatenate([e.rows for e in entries]).T
    order = np.argsort(-similar, axis=1)[:, :NEAREST]
    near = np.take_along_axis(similar, order, axis=1)
    weights = np.exp((near - near[:, :1]) / TEMPERATURE)
    shares = np.concatenate([e.coverage.ravel() for e in entries])[order]
    expected = (weights * shares).sum(axis=1) / weights.sum(axis=1)
    assert np.allclose(found.readout.ravel(), expected, atol=1e-6)


def test_background_that_looks_like_the_object_stays_background() -> None:
    pair = unit_length(np.array([[1.0, 0.1], [1.0, -0.1]]))
    cells, nowhere = np.tile(pair, (4, 2, 1)), np.zeros((4, 4, 2))
    memory = MemoryEntry(cells, nowhere, np.tile([[1.0, 0.0, 1.0, 0.0]], (4, 1)))
    found = recollect([memory], pair[None], nowhere[:1, :2]).readout[0]
    assert found[0] > 0.5 > found[1]


def test_a_twin_is_told_by_its_place() -> None:
    frame = Frame(64, 128, (32, 64), 64)
    places = cell_places(frame, (4, 8), (0, 0, 64, 64))
    assert places[0, 0].tolist() == [-0.375, -0.25]
    alike = np.ones((4, 8, 1))
    coverage = np.zeros((4, 8))
    coverage[:, :4] = 1
    read_back = recollect([MemoryEntry(alike, places, coverage)], alike, places).readout
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
    left, taken = (recollect([one], part, place).readout[0, 0] for one in (found, granted))
    assert left > taken


def test_agreement_by_hand() -> None:
    assert agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.5])) == 0.6
    assert agreement(np.zeros(3), np.zeros(3)) == 1


def test_a_tiny_object_still_has_a_cell() -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[32:34, 41:43] = True
    cells = np.random.default_rng(0).standard_normal((1, 32, 4, 5)).astype(np.float32)
    embedding = Embedding(Maps(cells, cells), Frame(40, 50, (40, 50), 50))
    assert len(MemoryEntry.of(embedding, mask).foreground) == 1


def test_long_vectors_are_compared_along_the_axes_of_the_marked_frame() -> None:
    short, deep = entry(0).cells, 5 * AXES
    assert main_axes(short) is None
    assert along(short, None) is short
    rng = np.random.default_rng(0)
    # Cells within so many directions that the axes hold all of them keep their products.
    span = np.linalg.qr(rng.standard_normal((deep, AXES)))[0].T.astype(np.float32)
    cells = unit_length(rng.standard_normal((16, 16, AXES)) @ span)
    axes = main_axes(cells)
    assert axes is not None and axes.shape == (deep, AXES)
    kept = along(cells, axes).reshape(-1, AXES)
    rows = cells.reshape(-1, deep)
    assert np.allclose(kept @ kept.T, rows @ rows.T, atol=1e-5)


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
