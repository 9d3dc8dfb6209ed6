from __future__ import annotations

import numpy as np

from persam.pipeline.features import ObjectFeatures, ReferenceFeatures
from persam.structures import unit_length


def drawn(seed: int, cells: int = 5) -> ReferenceFeatures:
    random = np.random.default_rng(seed)
    vectors = unit_length(random.standard_normal((2 * cells, 6)))
    return ReferenceFeatures(
        target_feature=unit_length(vectors[:cells].mean(axis=0)),
        target_embedding=random.standard_normal(4, dtype=np.float32),
        foreground=vectors[:cells],
        background=vectors[cells:],
    )


def test_a_single_reference_is_kept_bit_by_bit():
    view = drawn(0)
    known = ObjectFeatures.of([view], [], 0)
    assert known.target_feature is view.target_feature
    assert known.target_embedding is view.target_embedding
    assert np.array_equal(known.foreground, view.foreground)
    assert np.array_equal(known.background, view.background)
    assert known.parts.shape == (0, 6)


def test_several_references_are_averaged_and_their_cells_all_kept():
    views = [drawn(seed, cells=seed + 2) for seed in range(3)]
    negative = drawn(9)
    known = ObjectFeatures.of(views, [negative], 2)
    mean = sum(view.target_feature for view in views) / 3
    assert np.allclose(known.target_feature, unit_length(mean), atol=1e-6)
    mean = sum(view.target_embedding for view in views) / 3
    assert np.allclose(known.target_embedding, mean, atol=1e-6)
    assert len(known.foreground) == 2 + 3 + 4
    # A negative's foreground is one more thing that the object is not; its background is neither.
    assert np.array_equal(known.background[-5:], negative.foreground)
    assert len(known.background) == 2 + 3 + 4 + 5
    assert known.parts.shape == (2, 6)


def test_all_numbers_count():
    known = ObjectFeatures.of([drawn(0), drawn(1)], [drawn(2)], 2)
    assert len(known.arrays()) == 3 + 2 + 2 + 1 + 2
