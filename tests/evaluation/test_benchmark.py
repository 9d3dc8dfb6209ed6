from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial

import answers
import numpy as np
import pytest
import torch
from answers import SIZE, Counting, Stand, box, learn
from PIL import Image

import persam
from persam.errors import InputError
from persam.evaluation import benchmark, datasets
from persam.evaluation.datasets import Dataset
from persam.evaluation.method_names import load_function
from persam.prediction import Prediction
from persam.variants import Variant


@pytest.fixture
def root(tmp_path):
    """Two objects; the photo's green channel carries what a method is going to answer."""
    return answers.draw(tmp_path)


def test_scores_by_hand(root):
    report = benchmark.evaluate_perseg(learn, Stand(), root)
    cat, mug = report.objects["cat"], report.objects["mug"]
    # cat: 100 of 100 and 200 of 600 pixels pooled; 100 of 100 and 200 of 400 found.
    assert cat.iou == pytest.approx(300 / 700)
    assert cat.acc == pytest.approx(300 / 500)
    assert cat.photos == {"01": 1.0, "02": pytest.approx(1 / 3)}
    assert cat.point_hit == 1.0  # the answer's first pixel lies on the object in both
    assert (mug.iou, mug.acc, mug.biou, mug.point_hit) == (0, 0, 0, 0)
    assert report.miou == pytest.approx(cat.iou / 2)
    assert report.macc == pytest.approx(0.3)
    assert report.point_hit == 0.5
    assert report.photos == 3
    # Bands are 1 pixel thick: 36 of 36, and 20 common of 76 + 76.
    assert cat.biou == pytest.approx((1 + 20 / 132) / 2)
    assert cat.biou_pooled == pytest.approx(56 / 168)
    assert report.fb_iou is None
    assert report.folds == {}


def test_a_mask_of_another_size_than_the_picture_is_the_methods_fault(root):
    class Cropped:
        def segment(self, image):
            answer = np.zeros((3, 4), dtype=bool)
            return Prediction(answer, 1.0, None, np.zeros((0, 2), int), np.zeros(0, int))

    with pytest.raises(InputError, match=r"method's mask of .*01.png is \(3, 4\)"):
        benchmark.evaluate_perseg(lambda *_, mask: Cropped(), Stand(), root)


def test_the_report_says_how_it_came_about(root, tmp_path):
    data = datasets.perseg(root, reference_index=1)
    told = {"precision": "fp32"}
    report = benchmark.evaluate(learn, Stand(), data_of(data, "cat"), settings=told)
    report.write(tmp_path / "reports" / "one.json")
    read = json.loads((tmp_path / "reports" / "one.json").read_text())
    assert read["settings"] == {
        "dataset": "perseg",
        "data": str(root),
        "reference_index": 1,
        "full_protocol": False,
        "method": "persam",
        "variant": json.loads(Variant(contrast=0.0).to_json()),
        "model": "reader",
        "device": "cpu",
        "precision": "fp32",
    }
    assert list(read["objects"]) == ["cat"]
    assert list(read["objects"]["cat"]["photos"]) == ["00", "02"]
    assert read["environment"]["torch"] == torch.__version__
    assert read["environment"]["device"] == "cpu"
    assert read["seconds"] >= read["learn_seconds"] >= 0
    assert read["parameters"] == 0
    assert read["version"]


def data_of(data: Dataset, name: str) -> Dataset:
    return replace(data, subjects=tuple(one for one in data.subjects if one.name == name))


def test_masks_are_kept_and_photos_announced(root, tmp_path):
    seen = []
    data, out = datasets.perseg(root), tmp_path / "out"
    benchmark.evaluate(learn, Stand(), data, out=out, on_progress=lambda *which: seen.append(which))
    benchmark.copy_masks(data, out, tmp_path / "found")
    assert seen == [("cat", "01"), ("cat", "02"), ("mug", "01")]
    kept = np.asarray(Image.open(tmp_path / "found" / "cat" / "02.png"))
    assert np.array_equal(kept == 255, box(0, 10, 20))
    assert sorted(path.name for path in (tmp_path / "found").glob("[a-z]*")) == ["cat", "mug"]
    mended = tmp_path / "found" / "cat" / "02.png"
    mended.write_bytes(b"a person's")
    with pytest.raises(InputError, match=r"02\.png would be replaced, which somebody has changed"):
        benchmark.copy_masks(data, out, tmp_path / "found")
    assert mended.read_bytes() == b"a person's"


def test_an_empty_truth_is_refused(root):
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(root / "Annotations/mug/01.png")
    with pytest.raises(InputError, match=r"01\.png is empty"):
        benchmark.evaluate_perseg(learn, Stand(), root)


def test_a_second_run_does_what_is_left(root, tmp_path):
    data, out = datasets.perseg(root), tmp_path / "out"
    first = Counting()
    whole = benchmark.evaluate(first, Stand(), data, out=out)
    assert (first.learnt, len(first.searched)) == (2, 3)
    again = Counting()
    assert benchmark.evaluate(again, Stand(), data, out=out) == whole
    assert (again.learnt, again.searched) == (0, [])
    (out / "cat" / "02.png").unlink()
    left = Counting()
    resumed = benchmark.evaluate(left, Stand(), data, out=out)
    assert (left.learnt, len(left.searched)) == (1, 1)
    assert resumed.objects["cat"].photos == whole.objects["cat"].photos


def test_a_killed_run_goes_on(root, tmp_path):
    data, out = datasets.perseg(root), tmp_path / "out"

    def kill(name: str, stem: str) -> None:
        if (name, stem) == ("cat", "02"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark.evaluate(Counting(), Stand(), data, out=out, on_progress=kill)
    log = out / "predictions.jsonl"
    with log.open("a") as file:
        file.write('{"finding": {"subject": "mug", "st')  # half a line, as a kill leaves it
    rest = Counting()
    report = benchmark.evaluate(rest, Stand(), data, out=out)
    assert (rest.learnt, len(rest.searched)) == (1, 1)
    assert report.photos == 3
    assert all(json.loads(line) for line in log.read_text().splitlines())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"precision": "bf16"}}, "precision was 'fp32', now 'bf16'"),
        ({"backbone": Stand(name="other")}, "model was 'reader', now 'other'"),
        ({"method": partial(learn, variant=Variant(alpha=2.0))}, "learner.variant was 'default'"),
        ({"reference": 1}, "reference_index was 0, now 1"),
    ],
)
def test_other_settings_are_refused_by_name(root, tmp_path, change, said):
    usual = {
        "method": partial(learn, variant="default"),
        "backbone": Stand(),
        "reference": 0,
        "settings": {"precision": "fp32"},
    }

    def run(method, backbone, reference, settings):
        data = data_of(datasets.perseg(root, reference_index=reference), "cat")
        benchmark.evaluate(method, backbone, data, out=tmp_path / "out", settings=settings)

    run(**usual)
    with pytest.raises(InputError, match="holds the results of another run") as caught:
        run(**usual | change)
    assert said in str(caught.value)


def test_other_objects_of_the_same_data_are_no_other_run(root, tmp_path):
    for name in ("cat", "mug"):
        data = datasets.perseg(root, objects=[name])
        benchmark.evaluate(learn, Stand(), data, out=tmp_path / "out")
    report = benchmark.score_only(tmp_path / "out", datasets.perseg(root))
    assert report.miou == pytest.approx(300 / 700 / 2)


def test_a_run_goes_on_wherever_its_data_and_method_lie(root, tmp_path):
    out, method = tmp_path / "out", tmp_path / "mine.py"
    method.write_text("def build(backbone, image, *, mask):\n    raise NotImplementedError\n")

    def run(data, file, device, learner):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        told = {"method": f"{file}:build", "method_sha256": digest}
        data = datasets.perseg(data)
        return benchmark.evaluate(learner, Stand(device=device), data, out=out, settings=told)

    function = load_function(f"{method}:build").__module__
    first = Counting()
    first_report = run(root, method, "cpu", first)
    (tmp_path / "elsewhere").mkdir()
    moved, file = root.rename(tmp_path / "elsewhere" / "data"), tmp_path / "elsewhere" / "my.py"
    method.rename(file)
    assert load_function(f"{file}:build").__module__ == function
    rest = Counting()
    report = run(moved, file, "cuda", rest)
    assert (rest.learnt, report.miou) == (0, first_report.miou)
    assert report.settings["data"] == str(moved)
    # On what each part was made is in the report.
    assert [one["device"] for one in report.environment] == ["cpu", "cuda"]
    assert run(moved, file, "cpu", rest).environment == report.environment
    file.write_text("# changed\n" + file.read_text())
    with pytest.raises(InputError, match="method_sha256 was"):
        run(moved, file, "cpu", rest)


def test_what_cannot_be_learnt_counts_as_not_found(root, tmp_path):
    data = datasets.perseg(root)
    report = benchmark.evaluate(Counting(refused=((5, 5),)), Stand(), data, out=tmp_path / "out")
    assert report.failed == {"mug": "too small to be learnt"}
    assert report.objects["mug"].iou == 0
    assert report.objects["mug"].point_hit is None
    assert report.point_hit == 1.0
    assert not np.asarray(Image.open(tmp_path / "out" / "mug" / "01.png")).any()


def test_a_method_that_learns_nothing_is_refused(root):
    everything = Counting(refused=((5, 5), (0, 0)))
    with pytest.raises(InputError, match=r"learnt of cat, mug\. .* cat: too small"):
        benchmark.evaluate(everything, Stand(), datasets.perseg(root))


def test_scoring_alone_gives_the_same(root, tmp_path):
    data, out = datasets.perseg(root), tmp_path / "out"
    report = benchmark.evaluate(learn, Stand(), data, out=out, settings={"method": "mine"})
    assert benchmark.score_only(out, data) == report
    assert report.settings["method"] == "mine"
    (tmp_path / "moved").mkdir()
    root.rename(tmp_path / "moved" / "data")
    moved = benchmark.score_only(out, datasets.perseg(tmp_path / "moved" / "data"))
    assert moved.miou == report.miou
    assert moved.settings["data"] == str(tmp_path / "moved" / "data")


def test_scoring_alone_names_what_is_missing(root, tmp_path):
    data, out = datasets.perseg(root), tmp_path / "out"
    benchmark.evaluate(learn, Stand(), data, out=out)
    (out / "mug" / "01.png").unlink()
    report = benchmark.score_only(out, data)
    assert report.missing == ("mug/01",)
    assert report.miou == pytest.approx(300 / 700)  # of what is there
    for stem in ("01", "02"):
        (out / "cat" / f"{stem}.png").unlink()
    with pytest.raises(InputError, match=r"the first should be .*01\.png"):
        benchmark.score_only(out, data)


def test_masks_of_another_program_are_scored(root, tmp_path):
    for name, stem in (("cat", "01"), ("cat", "02"), ("mug", "01")):
        path = tmp_path / "theirs" / name / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        red = np.zeros((SIZE, SIZE, 3), np.uint8)
        red[:10, :10, 0] = 128  # as the official script paints them
        Image.fromarray(red).save(path)
    report = benchmark.score_only(tmp_path / "theirs", datasets.perseg(root))
    assert report.objects["cat"].iou == pytest.approx((100 + 100) / (100 + 400))
    assert (report.point_hit, report.seconds, report.parameters) == (None, None, None)
    assert "model" not in report.settings
    assert report.environment == {}  # nobody knows on what they were made


def test_a_prediction_of_another_size_is_named(root, tmp_path):
    data, out = datasets.perseg(root), tmp_path / "out"
    benchmark.evaluate(learn, Stand(), data, out=out)
    Image.fromarray(np.zeros((SIZE, SIZE + 2), np.uint8)).save(out / "mug" / "01.png")
    with pytest.raises(InputError, match=r"prediction .*01\.png cannot be scored.*42x40"):
        benchmark.score_only(out, data)


def test_a_real_model_says_what_it_trained(root, tiny):
    data = data_of(datasets.perseg(root), "cat")
    two = benchmark.evaluate(persam.finetune, tiny("sam"), data)
    none = benchmark.evaluate(persam.personalize, tiny("sam"), data)
    assert (two.parameters, none.parameters) == (2, 0)
    assert len(two.objects["cat"].weights) == 3
    assert none.objects["cat"].weights is None
