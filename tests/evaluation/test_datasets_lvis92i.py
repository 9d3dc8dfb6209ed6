"""LVIS-92i on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import pickle

import layouts
import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation import datasets


def test_draws_as_the_official_loader(tmp_path):
    got = datasets.open_dataset("lvis-92i", layouts.lvis(tmp_path), folds=[3], episodes=200)
    np.random.seed(0)
    usable = [one for one in layouts.LVIS_CLASSES if len(layouts.lvis_pictures(one)) > 1]
    classes = [usable[3], usable[13]]  # 20 usable classes: two a fold
    for place, subject in enumerate(got.subjects):
        number = classes[place % 2]
        query = support = layouts.choose(layouts.lvis_pictures(number))
        while support == query:
            support = layouts.choose(layouts.lvis_pictures(number))
        assert subject.group == f"{number:04d}"
        assert query.endswith(f"/{subject.targets[0].stem}.jpg")
        assert support.endswith(f"/{subject.reference.stem}.jpg")
    assert (len(got.subjects), got.settings["annotations"]) == (200, "lvis_val.pkl")


def test_all_instances_are_one_mask(tmp_path):
    got = datasets.open_dataset("lvis-92i", layouts.lvis(tmp_path), episodes=1)
    truth = got.subjects[0].reference.read()[1]
    np.testing.assert_array_equal(truth, layouts.square(1, 1) | layouts.square(7, 5))


def test_the_original_json(tmp_path):
    folder = layouts.lvis(tmp_path)
    official = datasets.open_dataset("lvis-92i", folder, episodes=2)
    layouts.lvis_json(folder)
    got = datasets.open_dataset("lvis-92i", folder)
    assert got.settings["annotations"] == "lvis_v1_val.json"
    assert got.settings["full_protocol"] is False
    assert got.settings["classes"] == official.settings["classes"] == 20
    # Here the classes go by number; the protocol's file has them the other way round.
    assert [one.group for one in got.subjects[:2]] == ["0011", "0021"]
    assert [one.group for one in official.subjects[:2]] == ["0031", "0020"]
    truth = got.subjects[0].reference.read()[1]
    np.testing.assert_array_equal(truth, layouts.square(1, 1) | layouts.square(7, 5))


def test_too_few_classes_or_other_values(tmp_path):
    folder = layouts.lvis(tmp_path)
    layouts.store(folder / "lvis_val.pkl", {1: {"a.jpg": {"annotations": []}}})
    with pytest.raises(InputError, match="has 0 classes with two pictures"):
        datasets.open_dataset("lvis-92i", folder)
    layouts.store(folder / "lvis_val.pkl", {1: {"a.jpg": {"masks": []}}})
    with pytest.raises(InputError, match=r"another layout than expected.*annotations"):
        datasets.open_dataset("lvis-92i", folder)
    (folder / "lvis_val.pkl").unlink()
    with pytest.raises(InputError, match=r"missing.*: lvis_val.pkl \(or lvis_v1_val.json\)"):
        datasets.open_dataset("lvis-92i", folder)
    (folder / "lvis_v1_val.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        datasets.open_dataset("lvis-92i", folder)


def test_pickles_cannot_run_anything(tmp_path):
    class Order:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    folder = layouts.lvis(tmp_path)
    layouts.store(folder / "lvis_val.pkl", {1: Order()})
    with pytest.raises(InputError, match="not a pickle of plain values"):
        datasets.open_dataset("lvis-92i", folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_age(tmp_path, protocol):
    folder = layouts.lvis(tmp_path)
    held = pickle.loads((folder / "lvis_val.pkl").read_bytes())  # noqa: S301  (drawn above)
    one = next(iter(held[31].values()))
    one["annotations"] = [
        {"segmentation": {"size": [12, 10], "counts": [0, 5, 115]}},
        {"segmentation": layouts.square(7, 5).astype(np.uint8), "area": np.float64(9)},
        {"segmentation": {"size": [8, 10], "counts": b"9180O1O2N00N2O?"}},
    ]
    (folder / "lvis_val.pkl").write_bytes(pickle.dumps(held, protocol=protocol))
    assert len(datasets.open_dataset("lvis-92i", folder, folds=[0], episodes=2).subjects) == 2
