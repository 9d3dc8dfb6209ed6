from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import parity
import pytest
from safetensors.numpy import load_file, save_file

from persam.concept import Concept
from persam.errors import InputError
from persam.io.concept_file import FORMAT, concept_model
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.structures import Calibration, Maps, ModelSpec
from persam.variants import Variant

REFERENCE = parity.picture("vit", "reference")
MASK = parity.picture("vit", "reference_mask")
TEST = parity.picture("vit", "test")


@pytest.fixture(scope="module")
def learnt(parity_sam) -> dict[str, Concept]:
    return {
        "persam": personalize(parity_sam, REFERENCE, mask=MASK),
        "persam-f": finetune(parity_sam, REFERENCE, mask=MASK),
    }


@pytest.fixture
def saved(learnt, tmp_path):
    path = tmp_path / "dog.safetensors"
    learnt["persam"].save(path)
    return path


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_round_trip_finds_the_same(learnt, method, tmp_path, parity_sam):
    concept = learnt[method]
    concept.save(tmp_path / "dog.safetensors")
    again = Concept.load(tmp_path / "dog.safetensors", parity_sam)
    assert (again.method, again.variant, again.weights) == (
        concept.method,
        concept.variant,
        concept.weights,
    )
    assert [dict(view.facts) for view in again.references] == [
        dict(v.facts) for v in concept.references
    ]
    before, after = concept.segment(TEST), again.segment(TEST)
    assert np.array_equal(before.mask, after.mask)
    assert before.score == after.score
    assert [entry.name for entry in tmp_path.iterdir()] == ["dog.safetensors"]


def test_a_prediction_is_whole_and_its_trace_is_asked_for(learnt):
    found = learnt["persam"].segment(TEST)
    assert found.mask.shape == TEST.shape[:2]
    assert found.trace == {}
    rows, columns = np.nonzero(found.mask)
    assert found.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    trace = learnt["persam"].segment(TEST, trace=True).trace
    assert np.array_equal(trace["final_mask"], found.mask)
    assert "ref_foreground" in trace


def test_a_list_of_pictures_gives_a_list(learnt):
    concept = learnt["persam"]
    pictures = [TEST, REFERENCE, TEST[:, ::-1].copy()]
    found = concept.segment(pictures)
    assert [one.mask.shape for one in found] == [picture.shape[:2] for picture in pictures]
    for picture, one in zip(pictures, found, strict=True):
        assert np.array_equal(one.mask, concept.segment(picture).mask)
    assert concept.segment([]) == []
    assert isinstance(concept.segment((TEST,)), list)


def test_a_found_box_goes_back_in_as_it_is(learnt, parity_sam):
    found = learnt["persam"].segment(TEST)
    again = personalize(parity_sam, TEST, box=found.box)
    assert again.references[0].facts["value"] == list(found.box)
    speck = personalize(parity_sam, TEST, box=(120, 90, 121, 91))  # a box of one pixel is legal
    assert speck.references[0].facts["value"] == [120, 90, 121, 91]


def test_values_are_told_in_one_line(learnt, parity_sam):
    assert repr(learnt["persam"]) == "Concept(persam, parity, 1 reference)"
    for value in (parity_sam, parity_sam.encode(TEST), learnt["persam"].references[0]):
        assert "\n" not in repr(value) and len(repr(value)) < 120


def test_the_positive_point_is_where_the_prior_peaks(learnt, parity_sam):
    seen = learnt["persam"].locate(parity_sam.encode(TEST))
    (x, y), *_, (far_x, far_y) = seen.prompts.points
    assert seen.prior[y, x] == seen.prior.max()
    assert seen.prior[far_y, far_x] == seen.prior.min()


@pytest.fixture(scope="module")
def calibrated(parity_sam) -> Concept:
    """As if the model had a calibration: likeness 0.9 is as likely the object as not."""
    concept = personalize(parity_sam, REFERENCE, mask=MASK, variant=Variant(contrast=0.5))
    return replace(concept, calibration=Calibration(middle=0.9, slope=30.0))


def test_an_object_is_most_surely_in_its_own_picture(learnt, calibrated):
    assert learnt["persam"].segment(TEST).presence is None
    itself, noise = (calibrated.segment(picture).presence for picture in (REFERENCE, TEST[::-1]))
    assert itself == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-3)
    assert 0 <= noise < itself


def test_an_object_that_is_not_there_gets_an_empty_mask_and_no_score(calibrated, parity_sam):
    presence = calibrated.segment(TEST).presence
    strict = replace(calibrated.variant, min_presence=presence + 0.01)
    concept = replace(calibrated, variant=strict)
    calls = []
    head = parity_sam.model.mask_decoder.register_forward_hook(lambda *_: calls.append(1))
    try:
        absent = concept.segment(TEST, trace=True)
    finally:
        head.remove()
    assert not absent.present
    assert (absent.score, absent.box, absent.presence) == (0.0, None, presence)
    assert not absent.trace["final_mask"].any()
    assert calls == []  # the decoder has nothing to say
    here = replace(concept, variant=replace(strict, min_presence=presence)).segment(TEST)
    assert here.present
    assert np.array_equal(here.mask, calibrated.segment(TEST).mask)


def test_the_likeness_that_goes_with_the_threshold(calibrated):
    def least(presence: float) -> float:
        recipe = replace(calibrated.variant, min_presence=presence)
        return replace(calibrated, variant=recipe).min_likeness

    assert least(0.5) == pytest.approx(0.9)
    assert (least(0.0), least(1.0)) == (0, 1)
    assert replace(calibrated, calibration=None).min_likeness == 0


def test_without_a_calibration_nothing_is_called_absent(learnt):
    concept = learnt["persam"]
    strict = concept.with_choices(min_presence=1.0)
    found = strict.segment(TEST)
    assert found.presence is None
    assert found.present


def test_one_picture_does_not_change_the_next(learnt):
    first = learnt["persam"].segment(TEST)
    learnt["persam"].segment(REFERENCE)
    again = learnt["persam"].segment(TEST)
    assert np.array_equal(first.mask, again.mask)
    assert first.score == again.score


SWITCHES = {
    "contrast": (0.0, "similarity"),
    "smoothing": (0.5, "similarity"),
    "positive_points": (2, "points_xy"),
    "parts": (2, "points_xy"),
    "negative_point": (False, "points_xy"),
    "guided_attention": (False, "step1_logits"),
    "alpha": (3.0, "step1_logits"),
    "guide_frame": ("official", "attention_similarity"),
    "semantic_prompt": (False, "step1_logits"),
    "prior_mask": (2.0, "step1_logits"),
    "pooling": ("mean+max", "target_feature"),
    "foreground": ("official", "ref_foreground"),
    "box_in_step_2": (True, "step2_logits"),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_its_stage_and_none_before(learnt, parity_sam, name):
    value, stage = SWITCHES[name]
    base = replace(Variant(), contrast=0.5)
    assert getattr(base, name) != value
    mask = (MASK > 0).astype(np.uint8) * 128  # at 255 both foreground rules may agree
    traces = [
        personalize(parity_sam, REFERENCE, mask=mask, variant=v).segment(TEST, trace=True).trace
        for v in (base, replace(base, **{name: value}))
    ]
    order = ["ref_foreground", "target_feature", "similarity", "points_xy", "attention_similarity"]
    order += ["step1_logits", "step2_logits"]
    changed = [s for s in order if not same(traces[0].get(s), traces[1].get(s))]
    if stage == "attention_similarity":
        assert changed[0] == stage
    else:
        assert stage in changed
        assert all(order.index(s) >= order.index(stage) for s in changed if s != order[4])


def same(left: np.ndarray | None, right: np.ndarray | None) -> bool:
    if left is None or right is None:
        return left is right
    return np.array_equal(left, right)


@pytest.mark.parametrize("method", [personalize, finetune])
def test_all_families_learn_and_find(backbone, method):
    random = np.random.default_rng(5)
    image = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    mask = np.zeros((48, 64), dtype=bool)
    mask[10:30, 20:50] = True
    found = method(backbone, image, mask=mask).segment(image[:, ::-1].copy())
    assert found.mask.shape == (48, 64)
    assert np.isfinite(found.score)


def test_a_one_pixel_picture_gets_its_answer(learnt):
    found = learnt["persam"].segment(np.zeros((1, 1, 3), dtype=np.uint8))
    assert found.mask.shape == (1, 1)


def test_another_models_concept_is_refused_with_both_names(saved, tiny):
    with pytest.raises(InputError, match=r"'parity'.*'tiny-sam'"):
        Concept.load(saved, tiny("sam"))


def test_the_model_can_be_asked_for_before_it_is_loaded(saved):
    assert concept_model(saved) == ModelSpec("parity")


def test_embeddings_of_another_width_are_refused(learnt, parity_sam):
    embedding = parity_sam.encode(TEST)
    halved = replace(embedding, maps=Maps(embedding.features, embedding.matching[:, :16]))
    with pytest.raises(InputError, match="16 matching channels"):
        learnt["persam"].segment_embedding(halved)


def test_a_missing_file_a_folder_and_rubbish_are_named(tmp_path, parity_sam):
    rubbish = tmp_path / "rubbish.safetensors"
    rubbish.write_bytes(b"not a concept at all")
    for path in (tmp_path / "missing.safetensors", tmp_path, rubbish):
        with pytest.raises(InputError, match=path.name):
            Concept.load(path, parity_sam)


def test_foreign_and_truncated_files_are_refused(saved, tmp_path, parity_sam):
    foreign = tmp_path / "weights.safetensors"
    save_file({"w": np.zeros((2), dtype=np.float32)}, foreign)
    with pytest.raises(InputError, match="not a concept"):
        Concept.load(foreign, parity_sam)
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        Concept.load(saved, parity_sam)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("persam_concept", "99", "format 99"),
        ("method", "magic", "'magic'"),
        ("weights", "[1, 2]", "damaged"),
        ("weights", "{", "damaged"),
        ("variant", "{}", "another version"),
        ("weights", "[0.2, 0.3, 0.5]", "PerSAM none"),
        ("calibration", '{"middle": 0.3}', "damaged"),
        ("calibration", '{"middle": 0.3, "slope": -1}', "damaged"),
        ("references", "[]", "at least one reference"),
        ("references", "[{}, {}]", "damaged"),
        ("model", "[1]", "damaged"),
        ("model", '{"name": "parity", "plugins": 1}', "damaged"),
        ("negatives", "{", "damaged"),
    ],
)
def test_damaged_headers_are_refused(saved, parity_sam, field, value, words):
    header = {
        "persam_concept": FORMAT,
        "model": '{"name": "parity"}',
        "method": "persam",
        "variant": Variant().to_json(),
        "weights": "null",
        "calibration": "null",
        "references": "[{}]",
        "negatives": "[]",
    }
    save_file(load_file(saved), saved, metadata=header | {field: value})
    with pytest.raises(InputError, match=words):
        Concept.load(saved, parity_sam)


def test_nan_in_a_file_does_not_travel(saved, parity_sam, learnt):
    (view,) = learnt["persam"].references
    broken = replace(view, target_feature=view.target_feature * np.nan)
    replace(learnt["persam"], references=(broken,)).save(saved)
    with pytest.raises(InputError, match="target_feature"):
        Concept.load(saved, parity_sam)


def test_saving_where_nothing_can_be_written_is_named(learnt, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="file"):
        learnt["persam"].save(tmp_path / "file" / "dog.safetensors")
    (tmp_path / "file").unlink()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder"):
        learnt["persam"].save(tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_contrast_needs_the_cells_that_were_not_kept(parity_sam):
    concept = personalize(parity_sam, REFERENCE, mask=MASK, variant="official")
    assert len(concept.features.foreground) == 0
    with pytest.raises(InputError, match="contrast"):
        concept.with_choices(contrast=0.5)


def test_the_reference_is_told_in_json(learnt):
    assert json.loads(json.dumps(dict(learnt["persam"].references[0].facts))) == {
        "size": [180, 240],
        "prompt": "mask",
        "pieces": 1,
    }
