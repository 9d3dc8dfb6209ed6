from __future__ import annotations

import json
from functools import partial

import davis_drawing as drawing
import numpy as np
import pytest
from answers import Counting
from davis_drawing import Reading, Stand, learn
from PIL import Image

from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.video import benchmark

SHIFTED = 22 / 78  # F of the square beside: 11 of 47 and 11 of 31 contour pixels match


@pytest.fixture
def root(tmp_path):
    return drawing.draw(tmp_path / "data")


@pytest.fixture
def theirs(tmp_path):
    """What another program wrote: every frame as it is true, the third object left out."""
    for name, frames in drawing.CLIPS.items():
        for number, (truth, _) in enumerate(frames):
            shown = tuple(square for square in truth if square[2] < 3)
            path = tmp_path / "theirs" / name / f"{number:05d}.png"
            drawing.write_labels(path, drawing.labels(shown))
    return tmp_path / "theirs"


def run(root, tracker=None, method=learn, **options):
    return benchmark.evaluate(
        method, tracker or Reading(), Stand(), datasets.davis(root), **options
    )


def test_scores_by_hand(root):
    report = run(root)
    one, two, bird = (report.objects[name] for name in ("dogs/1", "dogs/2", "bird/1"))
    # Found, found by half beside (128 of 384 pixels), missed; first and last frame left out.
    assert list(one.frames) == ["00001", "00002", "00003"]
    values = [pair for frame in one.frames.values() for pair in frame]
    assert values == pytest.approx([1, 1, 1 / 3, SHIFTED, 0, 0])
    assert one.j.mean == pytest.approx(4 / 9)
    assert one.j.recall == pytest.approx(1 / 3)
    # The first quarter is the first two frames, the last one the last frame.
    assert one.j.decay == pytest.approx(2 / 3)
    assert one.f.mean == pytest.approx((1 + SHIFTED) / 3)
    assert one.jf == pytest.approx((4 / 9 + (1 + SHIFTED) / 3) / 2)
    assert (two.j.mean, two.f.mean, bird.j.mean, bird.f.mean) == (1, 1, 1, 1)
    # Means are over objects, so dogs counts twice.
    assert report.j.mean == pytest.approx((4 / 9 + 1 + 1) / 3)
    assert report.j.recall == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert report.j.decay == pytest.approx(2 / 9)
    assert report.f.mean == pytest.approx(((1 + SHIFTED) / 3 + 2) / 3)
    assert report.jf == pytest.approx((report.j.mean + report.f.mean) / 2)
    dogs = report.sequences["dogs"]
    assert (dogs.objects, dogs.frames) == (2, 5)
    assert dogs.jf == pytest.approx((one.jf + 1) / 2)
    assert report.frames == 3 + 1
    assert report.not_shown == ("dogs/3",)
    assert report.missing == ()


def test_2016_has_one_object(root):
    data = datasets.davis(root, year=2016)
    report = benchmark.evaluate(learn, Reading(), Stand(), data)
    assert list(report.objects) == ["dogs/1", "bird/1"]
    # The first square alone is found of two; then of a true union with the second; then nothing.
    frames = [j for j, _ in report.objects["dogs/1"].frames.values()]
    assert frames == pytest.approx([256 / 512, 128 / (512 + 128), 0])
    assert report.not_shown == ()


def test_the_tracker_is_given_concepts_frames_and_first_masks(root):
    reading = Reading()
    run(root, reading)
    assert reading.named == [("1", "2"), ("1",)]
    assert reading.frames == [f"{number:05d}" for number in (*range(5), *range(3))]
    first = drawing.labels(drawing.DOGS[0][0])
    assert np.array_equal(reading.first[0]["2"], first == 2)


def test_label_maps_are_written_as_davis_has_them(root, tmp_path):
    out = tmp_path / "out"
    run(root, out=out)
    written = Image.open(out / "dogs/00002.png")
    assert written.mode == "P"
    assert np.array_equal(np.asarray(written), drawing.labels(drawing.DOGS[2][1]))
    assert written.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]
    assert len(list(out.glob("*/*.png"))) == 8


def test_the_report_says_how_it_came_about(root, tmp_path):
    report = run(root, settings={"method": "persam", "precision": "fp32"})
    report.write(tmp_path / "one.json")
    read = json.loads((tmp_path / "one.json").read_text())
    settings = read["settings"]
    assert (settings["dataset"], settings["year"], settings["split"]) == ("davis", 2017, "val")
    assert (settings["data"], settings["model"], settings["device"]) == (str(root), "reader", "cpu")
    assert settings["precision"] == "fp32"
    assert settings["tracker"] == {"function": "davis_drawing.Reading"}
    assert read["seconds"] >= read["learn_seconds"] >= 0
    assert read["peak_memory"] > 2**20
    assert read["frames_per_second"] > 0
    assert read["parameters"] == 0
    assert read["version"]
    assert read["environment"]["torch"]
    assert read["objects"]["dogs/1"]["frames"]["00002"] == pytest.approx([1 / 3, SHIFTED])


def test_reading_is_not_counted(root):
    def slow(concepts, frames, *, first):
        from time import sleep

        for answer in Reading()(concepts, frames, first=first):
            sleep(0.02)
            yield answer

    report = run(root, slow)
    assert report.sequences["dogs"].seconds >= 5 * 0.02
    assert report.frames_per_second <= 50


def test_a_second_run_does_what_is_left(root, tmp_path):
    out = tmp_path / "out"
    whole = run(root, out=out)
    again = Reading()
    assert run(root, again, out=out) == whole
    assert again.frames == []
    (out / "bird/00001.png").unlink()
    left = Reading()
    resumed = run(root, left, out=out)
    assert left.frames == ["00000", "00001", "00002"]  # a sequence is begun again
    assert resumed.objects["bird/1"].frames == whole.objects["bird/1"].frames


def test_a_killed_run_goes_on(root, tmp_path):
    out = tmp_path / "out"
    log = out / "predictions.jsonl"

    def kill(sequence: str, frame: str) -> None:
        if (sequence, frame) == ("bird", "00001"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(root, out=out, on_progress=kill)
    with log.open("a") as file:
        file.write('{"finding": {"subject": "bird", "st')  # half a line, as a kill leaves it
    rest = Reading()
    report = run(root, rest, out=out)
    assert rest.named == [("1",)]
    assert report.objects["bird/1"].j.mean == 1
    assert report.missing == ()
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_other_settings_are_refused_and_other_sequences_are_not(root, tmp_path):
    out = tmp_path / "out"
    for name in ("bird", "dogs"):
        data = datasets.davis(root, sequences=[name])
        benchmark.evaluate(learn, Reading(), Stand(), data, out=out)
    assert benchmark.score_only(out, datasets.davis(root)).frames == 4
    data = datasets.davis(root, year=2016)
    with pytest.raises(InputError, match="year was 2017, now 2016"):
        benchmark.evaluate(learn, Reading(), Stand(), data, out=out)
    with pytest.raises(InputError, match="model was 'reader', now 'other'"):
        benchmark.evaluate(learn, Reading(), Stand("other"), datasets.davis(root), out=out)
    with pytest.raises(InputError, match=r"tracker\.function was"):
        run(root, partial(_silent, 1), out=out)


def _silent(after: int, concepts, frames, *, first):
    """Answers so many frames, then no more."""
    for _, answer in zip(range(after), Reading()(concepts, frames, first=first), strict=False):
        yield answer


def test_what_cannot_be_learnt_counts_as_not_found(root, tmp_path):
    reading = Reading()
    refusing = Counting(refused=((16, 40),))  # where the second object begins

    def method(backbone, image, *, mask):
        return refusing(backbone, image, mask=mask).reader

    report = run(root, reading, method=method, out=tmp_path / "out")
    assert report.failed == {"dogs/2": "too small to be learnt"}
    assert reading.named[0] == ("1",)
    assert (report.objects["dogs/2"].j.mean, report.objects["dogs/2"].f.mean) == (0, 0)
    assert report.objects["dogs/1"].j.mean == pytest.approx(4 / 9)


def test_nothing_at_all_learnt_is_an_error(root):
    def method(backbone, image, *, mask):
        raise InputError("too small to be learnt")

    with pytest.raises(InputError, match=r"learnt of dogs/1, dogs/2, bird/1\. .*too small"):
        run(root, method=method)


def test_what_is_learnt_has_to_be_a_concept(root):
    with pytest.raises(InputError, match="gives a Finder, but only a Concept"):
        run(root, method=Counting())


def test_answers_have_to_fit_the_frames(root):
    def answering(*masks):
        def tracker(concepts, frames, *, first):
            found = dict(zip("12", map(drawing.prediction, masks), strict=True))
            return (found for _ in frames)

        return tracker

    full = np.ones((drawing.HEIGHT, drawing.WIDTH), dtype=bool)
    with pytest.raises(InputError, match="overlaps another object's"):
        run(root, answering(full, full))
    with pytest.raises(InputError, match=r"object 2 is \(3, 4\), its frame \(40, 64\)"):
        run(root, answering(full, full[:3, :4]))
    with pytest.raises(InputError, match=r"no answer for frame 00002 of dogs"):
        run(root, partial(_silent, 2))


def test_scoring_alone_gives_the_same(root, tmp_path):
    out = tmp_path / "out"
    report = run(root, out=out, settings={"method": "persam"})
    seen = []
    again = benchmark.score_only(out, datasets.davis(root), lambda: seen.append(1))
    assert again == report
    assert len(seen) == 4
    (tmp_path / "moved").mkdir()
    root.rename(tmp_path / "moved/data")
    moved = benchmark.score_only(out, datasets.davis(tmp_path / "moved/data"))
    assert moved.jf == report.jf
    assert moved.settings["data"] == str(tmp_path / "moved/data")


def test_masks_of_another_program(root, theirs):
    report = benchmark.score_only(theirs, datasets.davis(root))
    assert (report.jf, report.j.recall, report.j.decay) == (1, 1, 0)
    assert (report.seconds, report.frames_per_second, report.peak_memory) == (None, None, None)
    assert report.parameters is None
    assert report.not_shown == ("dogs/3",)
    # An object that a prediction does not hold is an empty mask.
    drawing.write_labels(theirs / "dogs/00001.png", drawing.labels((drawing.TWO,)))
    report = benchmark.score_only(theirs, datasets.davis(root))
    assert report.objects["dogs/1"].j.mean == pytest.approx(2 / 3)
    assert report.objects["dogs/2"].j.mean == 1


def test_grey_masks_of_another_program_do_for_2016(root, theirs):
    for path in theirs.glob("*/*.png"):
        drawing.write_grey(path, np.asarray(Image.open(path)))
    report = benchmark.score_only(theirs, datasets.davis(root, year=2016))
    # The third object belongs to the true union of one frame.
    assert report.objects["dogs/1"].j.mean == pytest.approx((1 + 1 + 512 / 768) / 3)
    with pytest.raises(InputError, match="holds 255, but the objects of dogs are 1, 2"):
        benchmark.score_only(theirs, datasets.davis(root))


def test_numbers_that_no_object_has_are_named(root, theirs):
    drawing.write_labels(theirs / "dogs/00003.png", drawing.labels(drawing.DOGS[3][0]))
    with pytest.raises(InputError, match=r"00003\.png holds 3, but the objects of dogs are 1, 2"):
        benchmark.score_only(theirs, datasets.davis(root))


def test_missing_frames_are_named(root, theirs):
    for stem in ("00000", "00004"):  # nobody asks for the first and the last
        (theirs / f"dogs/{stem}.png").unlink()
    assert benchmark.score_only(theirs, datasets.davis(root)).missing == ()
    (theirs / "dogs/00002.png").unlink()
    (theirs / "bird/00001.png").unlink()
    report = benchmark.score_only(theirs, datasets.davis(root))
    assert report.missing == ("dogs/00002", "bird/00001")
    assert list(report.sequences) == ["dogs"]
    assert report.frames == 2
    for path in theirs.glob("*/*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"the first should be .*00001\.png"):
        benchmark.score_only(theirs, datasets.davis(root))
    with pytest.raises(InputError, match="is not a folder"):
        benchmark.score_only(theirs / "nowhere", datasets.davis(root))


def test_predictions_of_another_size_are_named(root, theirs):
    drawing.write_labels(theirs / "dogs/00001.png", np.ones((40, 66), np.uint8))
    with pytest.raises(InputError, match=r"prediction .*00001\.png cannot be scored.*66x40"):
        benchmark.score_only(theirs, datasets.davis(root))
