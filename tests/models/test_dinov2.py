"""DINOv2 as the source of the location prior: beside every kind of SAM, and on the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from persam import geometry
from persam.cli import app
from persam.concept import Concept
from persam.errors import InputError, ModelNotFound
from persam.evaluation.baselines.adapter import adapter
from persam.io.concept_file import concept_model
from persam.methods.fit import Schedule
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.models.dinov2 import MatchedBackbone, Matcher, scaled
from persam.models.loading import load
from persam.pipeline import similarity
from persam.structures import ModelSpec, Prompts, unit_length

FAMILIES = ("sam", "sam_hq", "sam2", "pocket")
PICTURE = np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)
OTHER = np.random.RandomState(4).randint(0, 256, (44, 36, 3), dtype=np.uint8)
MASK = np.zeros((40, 52), dtype=np.uint8)
MASK[8:30, 10:30] = 255


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher("tiny-dino", tiny_models.dinov2_model())


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """A SAM and a DINOv2 on disk."""
    root = tmp_path_factory.mktemp("models")
    tiny_models.build("sam").model.save_pretrained(root / "sam")
    tiny_models.dinov2_model().save_pretrained(root / "dino")
    return {name: str(root / name) for name in ("sam", "dino")}


@pytest.mark.parametrize("registers", [False, True])
def test_features_are_the_last_layers_patches(registers):
    model = tiny_models.dinov2_model(registers=registers)
    found = Matcher("tiny", model)
    assert found.square == 56
    image = np.random.RandomState(0).randint(0, 256, (56, 56, 3), dtype=np.uint8)
    features = found.features(found.preprocess(image, geometry.fit(56, 56, 1024, keep_aspect=True)))
    pixels = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tensor = torch.from_numpy(pixels).float().permute(2, 0, 1)[None]
    tokens = model(tensor).last_hidden_state
    assert tokens.shape[1] == 16 + (4 if registers else 1)
    for row, column in ((0, 0), (1, 3), (3, 2)):
        token = tokens[0, -16 + 4 * row + column]
        np.testing.assert_allclose(features[0, :, row, column], token, rtol=1e-3, atol=1e-4)


def test_dinov3_s_patches_are_taken_at_a_size_of_their_own():
    model = tiny_models.dinov3_model()
    found = Matcher("tiny", model)
    assert (model.config.image_size, found.square) == (224, 768)
    image = np.random.RandomState(0).randint(0, 256, (90, 60, 3), dtype=np.uint8)
    pixels = found.preprocess(image, geometry.fit(90, 60, 1024, keep_aspect=True))
    features = found.features(pixels)
    assert features.shape == (1, 24, 48, 48)
    tokens = model(torch.from_numpy(pixels)).last_hidden_state
    assert tokens.shape[1] == 48 * 48 + 5
    np.testing.assert_allclose(features[0, :, 2, 7], tokens[0, 5 + 2 * 48 + 7], atol=1e-5)


def test_a_folder_of_dinov3_matches_for_persam(tmp_path):
    tiny_models.dinov3_model().save_pretrained(tmp_path / "dino")
    tiny_models.build("sam").model.save_pretrained(tmp_path / "sam")
    backbone = load(str(tmp_path / "sam"), match_with=str(tmp_path / "dino"), device="cpu")
    concept = personalize(backbone, PICTURE, mask=MASK)
    assert concept.features.target_feature.shape == (24,)
    assert concept.segment(OTHER).mask.shape == OTHER.shape[:2]


def test_the_input_is_a_whole_number_of_patches():
    model = tiny_models.dinov2_model()
    model.config.image_size = 62
    assert Matcher("tiny", model).square == 56


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.booleans(), st.sampled_from([56, 384, 518, 1024])
)
def test_both_grids_cover_the_same_ground(height, width, keep_aspect, square):
    frame = geometry.fit(height, width, 1024, keep_aspect=keep_aspect)
    other = scaled(frame, square)
    assert (other.height, other.width, other.square) == (height, width, square)
    for one, two in zip(frame.resized, other.resized, strict=True):
        # To half a pixel of each; the thinnest picture keeps one.
        half = 0.5 / square + 0.5 / frame.square + 1e-9
        assert abs(one / frame.square - two / square) <= (1 / square if two == 1 else half)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_matching_features_are_dinos(tiny, matcher, family):
    sam = tiny(family)
    both = MatchedBackbone(sam, matcher)
    mine, plain = both.encode(PICTURE), sam.encode(PICTURE)
    assert np.array_equal(mine.features, plain.features)
    assert all(np.array_equal(a, b) for a, b in zip(mine.extras, plain.extras, strict=True))
    assert mine.frame == plain.frame == both.frame(40, 52)
    assert np.array_equal(mine.matching, matcher.features(matcher.preprocess(PICTURE, plain.frame)))
    assert mine.matching.shape == (1, 24, 4, 4)
    prompts = Prompts(np.array([[20, 12]]), np.array([1]))
    assert np.array_equal(both.decode(mine, prompts).logits, sam.decode(plain, prompts).logits)
    assert (both.square, both.recipe, both.device) == (sam.square, sam.recipe, sam.device)
    assert np.array_equal(both.mean, sam.mean)
    assert np.array_equal(both.std, sam.std)


@pytest.mark.parametrize("family", FAMILIES)
def test_dino_says_where_and_sam_gives_the_target(tiny, matcher, family):
    both = MatchedBackbone(tiny(family), matcher)
    concept = personalize(both, PICTURE, mask=MASK, variant="official")
    channels = both.encode(PICTURE).features.shape[1]
    assert concept.features.target_feature.shape == (24,)
    assert concept.features.target_embedding.shape == (channels,)

    trace = concept.segment(OTHER, trace=True).trace
    frame = both.frame(*OTHER.shape[:2])
    cells = similarity.official_cells(MASK, both.frame(40, 52), (4, 4), both.mean, both.std)
    shown = matcher.features(matcher.preprocess(PICTURE, both.frame(40, 52)))[0]
    target = unit_length(shown[:, cells].mean(axis=1))
    found = matcher.features(matcher.preprocess(OTHER, frame))[0]
    expected = unit_length(np.moveaxis(found, 0, -1)) @ target
    np.testing.assert_allclose(trace["similarity"], expected, atol=1e-5)
    prior = similarity.location_prior(expected, frame)
    x, y = trace["points_xy"][0]
    assert prior[y, x] == pytest.approx(prior.max(), abs=1e-5)
    side = both.encode(OTHER).features.shape[-1]
    assert trace["attention_similarity"].shape == (side, side)


@pytest.mark.parametrize("learner", [personalize, finetune])
def test_a_concept_is_saved_with_both_names_and_found_again(folders, tmp_path, learner):
    both = load(folders["sam"], match_with=folders["dino"], device="cpu")
    concept = learner(both, PICTURE, mask=MASK)
    path = tmp_path / "dog.safetensors"
    concept.save(path)

    model = concept_model(path)
    assert model == both.spec == ModelSpec(folders["sam"], match_with=folders["dino"])
    again = Concept.load(path, load(model, device="cpu"))
    assert again.backbone.spec == both.spec
    before, after = concept.segment(OTHER), again.segment(OTHER)
    assert np.array_equal(before.mask, after.mask)
    assert before.score == pytest.approx(after.score, rel=1e-4)

    alone = load(folders["sam"], device="cpu")
    with pytest.raises(InputError, match="matched with"):
        Concept.load(path, alone)
    with pytest.raises(InputError, match="24"):
        concept.segment_embedding(alone.encode(OTHER))


def test_a_baseline_hangs_into_the_sam_behind_it(tiny, matcher):
    both = MatchedBackbone(tiny("sam"), matcher)
    learnt = adapter(both, PICTURE, mask=MASK, schedule=Schedule(steps=8, rate=1e-2))
    assert learnt.losses[-1, 1:].sum() < learnt.losses[0, 1:].sum()
    assert learnt.segment(OTHER).mask.shape == OTHER.shape[:2]


def test_a_picture_that_is_none(tiny, matcher):
    with pytest.raises(InputError, match="uint8"):
        MatchedBackbone(tiny("sam"), matcher).encode(PICTURE.astype(np.float32))


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("pocket", InputError, "'pocket' is no model to match with.*DINOv2"),
        ("sam-vit-huge", InputError, "no model to match with"),
        ("facebook/dinov2-none", ModelNotFound, "facebook/dinov2-none"),
        ("nowhere", ModelNotFound, "nowhere"),
    ],
)
def test_models_that_do_not_match(wrong, error, said):
    with pytest.raises(error, match=said):
        load("pocket", match_with=wrong, device="cpu")


def test_a_sam_is_not_one_to_match_with(folders, tmp_path):
    with pytest.raises(InputError, match="type 'sam'; what runs here is dinov2"):
        load("pocket", match_with=folders["sam"], device="cpu")
    file = tmp_path / "weights.pth"
    file.write_bytes(b"none")
    with pytest.raises(InputError, match="no model to match with"):
        load("pocket", match_with=file, device="cpu")
    with pytest.raises(InputError, match="type 'dinov2'"):
        load(folders["dino"], device="cpu")


def test_one_matcher_is_enough(folders):
    spec = ModelSpec("pocket", match_with=folders["dino"])
    with pytest.raises(InputError, match="says itself"):
        load(spec, match_with=folders["dino"], device="cpu")


@pytest.fixture
def desk(tmp_path) -> Any:
    """A reference, its mask and a folder of one photo."""
    Image.fromarray(PICTURE).save(tmp_path / "dog.png")
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    (tmp_path / "photos").mkdir()
    Image.fromarray(OTHER).save(tmp_path / "photos" / "park.png")
    return tmp_path


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [*map(str, words), "--device", "cpu"])


def test_learn_and_segment_on_the_command_line(desk, folders):
    models = ("--model", folders["sam"], "--match-with", folders["dino"])
    concept, shown = desk / "dog.safetensors", ("--mask", desk / "mask.png")
    done = run("learn", desk / "dog.png", *shown, *models, "--out", concept)
    assert done.exit_code == 0, done.output
    assert concept_model(concept) == ModelSpec(folders["sam"], match_with=folders["dino"])

    done = run("segment", desk / "photos", "--concept", concept, "--out", desk / "one")
    assert done.exit_code == 0, done.output
    reference = ("--reference", desk / "dog.png", *shown)
    done = run("segment", desk / "photos", *reference, *models, "--out", desk / "two")
    assert done.exit_code == 0, done.output
    one, two = ((desk / name / "park.png").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_concept_has_settled_what_it_is_matched_with(desk, folders):
    concept = desk / "dog.safetensors"
    personalize(load(folders["sam"], device="cpu"), PICTURE, mask=MASK).save(concept)
    words = ("--concept", concept, "--match-with", folders["dino"], "--out", desk / "out")
    done = run("segment", desk / "photos", *words)
    assert done.exit_code == 2
    assert "--match-with would do nothing" in " ".join(done.output.split())
    assert not (desk / "out").exists()
