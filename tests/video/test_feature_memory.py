from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

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
    generator = torch.Generator().manual_seed(seed)
    cells = grid[0] * grid[1]
    features = F.normalize(torch.randn(cells, 32, generator=generator), dim=1)
    coverage = (torch.arange(cells) % 3 == 0).float()
    return MemoryEntry(features, coverage, grid)


def test_a_frame_reads_its_own_labels_back() -> None:
    one = entry(0)
    found = read([one, entry(1)], one.map).flatten()
    assert torch.allclose(found, one.coverage, atol=0.02)
    assert backward_agreement(one, one) > 0.95


def test_background_that_looks_like_the_object_stays_background() -> None:
    features = F.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1]]).repeat(8, 1), dim=1)
    memory = MemoryEntry(features, torch.tensor([1.0, 0.0]).repeat(8), (4, 4))
    found = read([memory], features[:2].T.reshape(2, 1, 2)).flatten()
    assert found[0] > 0.5 > found[1]


def test_agreement_by_hand() -> None:
    assert agreement(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.5, 0.5])) == 0.6
    assert agreement(torch.zeros(3), torch.zeros(3)) == 1


def test_a_tiny_object_still_has_a_cell() -> None:
    small = MemoryEntry(entry(0).features, torch.tensor([0.0] * 19 + [0.2]), (4, 5))
    assert len(small.foreground) == 1


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
