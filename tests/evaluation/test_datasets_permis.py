"""PerMIS, drawn in the layout that the authors' script writes."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest

import persam
from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.benchmark import evaluate, score_only
from persam.evaluation.datasets.permis import MASKS


def video(root: Path, number: int, sides: tuple[int, ...] = (4, 4, 4)) -> Path:
    """Three frames with a square that moves, saved with ``np.save`` as the script does."""
    folder = root / "PerMIRS" / str(number)
    held = []
    for frame, side in enumerate(sides):
        layouts.picture(folder / f"{frame}.jpg")
        mask = layouts.square(frame, frame, side) if side else np.zeros((12, 10), bool)
        held.append({7: mask.astype(np.uint8)})
    np.save(folder / MASKS.removesuffix(".npy"), np.array(held, dtype=object), allow_pickle=True)
    return folder


def test_frame_0_is_shown_and_frame_1_searched(tmp_path):
    for number in (10, 2):
        video(tmp_path, number)
    data = datasets.open_dataset("permis", tmp_path)
    assert [subject.name for subject in data.subjects] == ["2", "10"]
    subject = data.subjects[0]
    assert (subject.reference.stem, [photo.stem for photo in subject.targets]) == ("0", ["1"])
    picture, truth = subject.targets[0].read()
    assert picture.shape == (12, 10, 3)
    np.testing.assert_array_equal(truth, layouts.square(1, 1, 4))
    assert {one.group for one in data.subjects} == {"all videos"}
    assert data.settings == {"videos": 2, "full_protocol": False}


def test_pixels_of_all_videos_are_pooled(tmp_path, tiny):
    for number, side in ((1, 4), (2, 6)):
        video(tmp_path, number, (side,) * 3)
    data, out = datasets.open_dataset("permis", tmp_path), tmp_path / "out"
    report = evaluate(persam.personalize, tiny("sam"), data, out=out)
    assert list(report.objects) == ["all videos"]
    assert report.photos == 2
    assert score_only(out, data).miou == report.miou


def test_a_tiny_object_leaves_its_video_out(tmp_path):
    video(tmp_path, 1)
    video(tmp_path, 2, (4, 0, 4))
    assert [s.name for s in datasets.open_dataset("permis", tmp_path).subjects] == ["1"]


def test_what_is_missing_or_damaged_is_named(tmp_path):
    (video(tmp_path, 1) / "1.jpg").unlink()
    with pytest.raises(InputError, match=r"1/1\.jpg"):
        datasets.open_dataset("permis", tmp_path)
    folder = video(tmp_path, 1)
    (folder / MASKS).write_bytes(b"no array")
    with pytest.raises(InputError, match="not a list that np"):
        datasets.open_dataset("permis", tmp_path)
    np.save(folder / MASKS.removesuffix(".npy"), np.zeros(3))
    with pytest.raises(InputError, match="holds float64"):
        datasets.open_dataset("permis", tmp_path)


def test_no_videos_and_no_choices(tmp_path):
    with pytest.raises(InputError, match="holds no"):
        datasets.open_dataset("permis", tmp_path)
    video(tmp_path, 1)
    with pytest.raises(InputError, match="frame 0"):
        datasets.open_dataset("permis", tmp_path, reference=1)


def test_a_mask_of_another_size_is_found(tmp_path):
    folder = video(tmp_path, 1)
    layouts.picture(folder / "1.jpg", (9, 10))
    (problem,) = datasets.check("permis", tmp_path).problems
    assert "1/1.jpg (12x10, not 9x10)" in str(problem)


def test_nothing_in_the_file_is_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    folder = video(tmp_path, 1)
    held = np.array([{1: Evil()}] * 3, dtype=object)
    np.save(folder / MASKS.removesuffix(".npy"), held, allow_pickle=True)
    with pytest.raises(InputError, match="print, which is no plain value"):
        datasets.open_dataset("permis", tmp_path)
