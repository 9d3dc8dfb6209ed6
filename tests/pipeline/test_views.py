from __future__ import annotations

import torch
import torch.nn.functional as F

from persam.pipeline.views import ConceptFeatures, ReferenceView


def drawn(seed: int, cells: int = 5) -> ReferenceView:
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(2 * cells, 6, generator=generator), dim=1)
    return ReferenceView(
        target_feature=F.normalize(vectors[:cells].mean(dim=0), dim=0),
        target_embedding=torch.randn(4, generator=generator),
        foreground=vectors[:cells],
        background=vectors[cells:],
    )


def test_a_single_view_is_known_bit_by_bit():
    view = drawn(0)
    known = ConceptFeatures.of([view], [], 0)
    assert known.target_feature is view.target_feature
    assert known.target_embedding is view.target_embedding
    assert torch.equal(known.foreground, view.foreground)
    assert torch.equal(known.against, view.background)
    assert known.parts.shape == (0, 6)


def test_several_views_are_averaged_and_their_cells_all_kept():
    views = [drawn(seed, cells=seed + 2) for seed in range(3)]
    negative = drawn(9)
    known = ConceptFeatures.of(views, [negative], 2)
    mean = sum(view.target_feature for view in views) / 3
    assert torch.allclose(known.target_feature, mean / mean.norm(), atol=1e-6)
    mean = sum(view.target_embedding for view in views) / 3
    assert torch.allclose(known.target_embedding, mean, atol=1e-6)
    assert len(known.foreground) == 2 + 3 + 4
    # A negative's foreground is one more thing that the object is not; its background is neither.
    assert torch.equal(known.against[-5:], negative.foreground)
    assert len(known.against) == 2 + 3 + 4 + 5
    assert known.parts.shape == (2, 6)


def test_all_numbers_count():
    known = ConceptFeatures.of([drawn(0), drawn(1)], [drawn(2)], 2)
    assert len(known.tensors()) == 3 + 2 + 2 + 1
