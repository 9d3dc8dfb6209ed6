"""What every method on patches does alike: it runs on each family, and in the harness."""

from __future__ import annotations

import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.benchmark import evaluate, score_only
from persam.evaluation.method_names import resolve_method
from persam.evaluation.methods.patches import Patches, ask_points, union

NAMES = ("nearest-neighbour", "matcher", "gf-sam", "insid3", "p2sam")


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.RandomState(5).randint(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def block() -> np.ndarray:
    mask = np.zeros((48, 64), dtype=bool)
    mask[8:32, 16:48] = True
    return mask


@pytest.mark.parametrize("family", ["sam", "sam2", "pocket"])
@pytest.mark.parametrize("name", NAMES)
def test_families_answer_at_the_picture_s_size(tiny, family, name, noise, block):
    found = resolve_method(name)(tiny(family), noise, mask=block).segment(noise[:40])
    assert found.mask.shape == (40, 64)
    assert found.mask.dtype == np.bool_
    assert 0 <= found.score <= 1 or name in ("gf-sam", "p2sam")  # random models estimate anything
    assert (found.box is None) == (not found.mask.any())
    inside = (found.points >= 0) & (found.points < (64, 40))
    assert inside.all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_picture_gives_the_same_mask(tiny, name, noise, block):
    learn = resolve_method(name)
    first, again = (learn(tiny("sam"), noise, mask=block).segment(noise) for _ in range(2))
    np.testing.assert_array_equal(first.mask, again.mask)


@pytest.mark.parametrize("name", NAMES)
def test_in_the_harness_a_run_goes_on_and_is_scored_alone(tiny, drawn, name, tmp_path):
    data, out = datasets.perseg(drawn), tmp_path / "out"
    learn = resolve_method(name)
    whole = evaluate(learn, tiny("sam"), data, out=out)
    (out / "dog_1" / "01.png").unlink()
    again = evaluate(learn, tiny("sam"), data, out=out)
    assert again.miou == whole.miou == score_only(out, data).miou
    assert again.settings["method"] == name
    assert (again.parameters, again.failed) == (0, {})


@pytest.mark.parametrize("name", NAMES)
def test_unusable_references_are_refused(tiny, name, noise):
    with pytest.raises(InputError, match="empty"):
        resolve_method(name)(tiny("sam"), noise, mask=np.zeros((48, 64), dtype=bool))
    with pytest.raises(InputError, match="picture is"):
        resolve_method(name)(tiny("sam"), noise, mask=np.ones((47, 64), dtype=bool))


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (64, 64)])
def test_patches_leave_padding_out(tiny, shape):
    backbone = tiny("sam")
    image = np.full((*shape, 3), 90, dtype=np.uint8)
    patches = Patches.of(backbone.encode(image))
    rows, columns = patches.grid
    assert len(patches.vectors) == rows * columns
    np.testing.assert_allclose(np.linalg.norm(patches.vectors, axis=1), 1, atol=1e-5)
    mask = np.zeros(shape, dtype=bool)
    mask[:16, :16] = True
    shares = patches.shares(mask).reshape(rows, columns)
    assert shares[0, 0] == shares.max() > 0
    assert shares[-1, -1] == 0
    # A patch's middle lies in the pixels that it covers.
    x, y = patches.points([0])[0]
    assert mask[y, x]
    assert patches.upsample(np.ones(rows * columns)).shape == shape


def test_groups_of_points_are_answered_in_their_order(tiny, noise):
    backbone = tiny("sam")
    embedding = backbone.encode(noise)
    groups = [np.array([[5, 6], [20, 30]]), np.array([[40, 7]]), np.array([[9, 9], [50, 40]])]
    logits, scores = ask_points(backbone, embedding, groups)
    for group, one, score in zip(groups, logits, scores, strict=True):
        alone, own = ask_points(backbone, embedding, [group])
        np.testing.assert_allclose(one, alone[0], atol=1e-4)
        assert score == pytest.approx(own[0], abs=1e-5)
    both = union(logits[:2], Patches.of(embedding))
    either = union(logits[:1], Patches.of(embedding)) | union(logits[1:2], Patches.of(embedding))
    np.testing.assert_array_equal(both, either)


def test_a_name_that_is_nearly_right_is_suggested():
    with pytest.raises(InputError, match="did you mean gf-sam"):
        resolve_method("gf_sam")
    with pytest.raises(InputError, match="did you mean matcher"):
        resolve_method("macher")
