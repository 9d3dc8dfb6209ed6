from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from persam import geometry
from persam.fit import fit
from persam.structures import Frame
from persam.views import Known, Lesson, View


def drawn(seed: int, cells: int = 5) -> View:
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(2 * cells, 6, generator=generator), dim=1)
    return View(
        target_feature=F.normalize(vectors[:cells].mean(dim=0), dim=0),
        target_embedding=torch.randn(4, generator=generator),
        foreground=vectors[:cells],
        background=vectors[cells:],
    )


def test_a_single_view_is_known_bit_by_bit():
    view = drawn(0)
    known = Known.of([view], [], 0)
    assert known.target_feature is view.target_feature
    assert known.target_embedding is view.target_embedding
    assert torch.equal(known.foreground, view.foreground)
    assert torch.equal(known.against, view.background)
    assert known.parts.shape == (0, 6)


def test_several_views_are_averaged_and_their_cells_all_kept():
    views = [drawn(seed, cells=seed + 2) for seed in range(3)]
    rival = drawn(9)
    known = Known.of(views, [rival], 2)
    mean = sum(view.target_feature for view in views) / 3
    assert torch.allclose(known.target_feature, mean / mean.norm(), atol=1e-6)
    mean = sum(view.target_embedding for view in views) / 3
    assert torch.allclose(known.target_embedding, mean, atol=1e-6)
    assert len(known.foreground) == 2 + 3 + 4
    # What a rival looks like is one more thing that the object is not; its background is neither.
    assert torch.equal(known.against[-5:], rival.foreground)
    assert len(known.against) == 2 + 3 + 4 + 5
    assert known.parts.shape == (2, 6)


def test_all_numbers_count():
    known = Known.of([drawn(0), drawn(1)], [drawn(2)], 2)
    assert len(known.tensors()) == 3 + 2 + 2 + 1


def test_a_lesson_has_its_frames_size():
    frame = geometry.fit(10, 20, 64, keep_aspect=True)
    with pytest.raises(ValueError, match="10x20"):
        Lesson(torch.zeros(3, 8, 8), frame, np.zeros((20, 10), dtype=bool))


@pytest.mark.parametrize("size", [(1000, 600), (300, 900), (40, 50)])
def test_a_thinned_lesson_teaches_the_same(size):
    frame = geometry.fit(*size, 64, keep_aspect=True)
    generator = torch.Generator().manual_seed(3)
    logits = 4 * geometry.bilinear(torch.randn(3, 6, 6, generator=generator), (32, 32))
    mask = (geometry.to_original(logits[1:2] + 0.2 * logits[:1], frame)[0] > 0).numpy()
    whole = Lesson(logits, frame, mask)
    thin = whole.thinned()
    assert max(thin.mask.shape) == min(256, max(size))
    assert thin.frame == replace(frame, height=thin.mask.shape[0], width=thin.mask.shape[1])
    assert thin.mask.mean() == pytest.approx(mask.mean(), abs=0.01)
    there, here = fit([whole], "fast").weights, fit([thin], "fast").weights
    assert here == pytest.approx(there, abs=0.03)


def test_a_speck_survives_thinning():
    frame = Frame(2000, 2000, (64, 64), 64)
    mask = np.zeros((2000, 2000), dtype=bool)
    mask[900, 901] = True
    assert Lesson(torch.zeros(3, 8, 8), frame, mask).thinned().mask.sum() == 1
