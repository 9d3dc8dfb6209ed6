"""FSS-1000 on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import shutil

import layouts
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.evaluation import datasets


def test_draws_as_the_official_loader(tmp_path):
    got = datasets.open_dataset("fss-1000", layouts.fss(tmp_path))
    np.random.seed(0)
    expected = []
    for _ in ("abacus", "abe's_flyingfish"):
        for query in ("1", "10", "2", "3", "4", "5", "6", "7", "8", "9"):
            support = query
            while support == query:
                support = str(np.random.choice(range(1, 11), 1, replace=False)[0])
            expected.append((support, query))
    assert layouts.stems(got) == expected
    assert [one.group for one in got.subjects[::10]] == ["abacus", "abe's_flyingfish"]
    assert got.subjects[12].name == "0012_abe_s_flyingfish"
    assert got.settings["split"] == "splits/test.txt"


def test_object_is_grey_128_and_more(tmp_path):
    folder = layouts.fss(tmp_path)
    values = np.full((layouts.HEIGHT, layouts.WIDTH), 127)
    values[2, 3:5] = 128, 255
    layouts.grey(folder / "data/abacus/1.png", values)
    _, truth = datasets.open_dataset("fss-1000", folder).subjects[0].targets[0].read()
    assert np.argwhere(truth).tolist() == [[2, 3], [2, 4]]


def test_coloured_masks_are_judged_by_their_brightness(tmp_path):
    folder = layouts.fss(tmp_path)
    colours = np.zeros((layouts.HEIGHT, layouts.WIDTH, 3), np.uint8)
    colours[2, 3:6] = (255, 0, 0), (0, 255, 0), (127, 128, 129)  # 76, 150, 128
    Image.fromarray(colours).save(folder / "data/abacus/1.png")
    photo = datasets.open_dataset("fss-1000", folder).subjects[0].targets[0]
    assert np.argwhere(photo.read()[1]).tolist() == [[2, 4], [2, 5]]


def test_hidden_files_and_the_other_split_file(tmp_path):
    folder = layouts.fss(tmp_path)
    for where in ("data", "data/abacus"):
        (folder / where / ".DS_Store").write_bytes(b"x")
    (folder / "data/abacus/._1.jpg").write_bytes(b"x")
    (folder / "data/zucchini").mkdir()  # a training class
    (folder / "splits/test.txt").replace(folder / "fss_test_set.txt")
    text = (folder / "fss_test_set.txt").read_bytes().replace(b"\n", b"\r\n")
    (folder / "fss_test_set.txt").write_bytes(text + b"\r\n")
    got = datasets.open_dataset("fss-1000", folder)
    assert (len(got.subjects), got.settings["split"]) == (20, "fss_test_set.txt")


def test_a_hundred_pictures_in_a_folder(tmp_path):
    folder = layouts.fss(tmp_path, classes=("run00",), count=100)
    got = datasets.open_dataset("fss-1000", folder)
    assert len(got.subjects) == 100
    assert {int(one.reference.stem) for one in got.subjects} <= set(range(1, 11))
    assert "100" in {one.targets[0].stem for one in got.subjects}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "data/abacus/3.png").unlink(), "missing files: data/abacus/3.png"),
        (lambda f: (f / "data/abacus/3.jpg").unlink(), "missing files: data/abacus/3.jpg"),
        (lambda f: shutil.rmtree(f / "data/abacus"), "without a folder: abacus"),
        (
            lambda f: (f / "splits/test.txt").unlink(),
            "missing.*: splits/test.txt, .*or fss_test_set.txt",
        ),
        (lambda f: (f / "splits/test.txt").write_text("\n"), "empty list of test classes"),
    ],
)
def test_what_goes_wrong(tmp_path, spoil, said):
    folder = layouts.fss(tmp_path)
    spoil(folder)
    with pytest.raises(InputError, match=said):
        datasets.open_dataset("fss-1000", folder)


def test_more_episodes_than_pictures(tmp_path):
    with pytest.raises(InputError, match="has 20 episodes here, not 21"):
        datasets.open_dataset("fss-1000", layouts.fss(tmp_path), episodes=21)
