"""Each loader on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import json
import pickle
import shutil

import layouts
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.evaluation import datasets

# A fold; of the first and the third as many as the small set has.
EPISODES = {
    "fss-1000": 20,
    "lvis-92i": 2300,
    "pascal-part": 12,
    "paco-part": 2500,
    "coco-20i": 1000,
}


@pytest.fixture(params=layouts.LAYOUTS)
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    return layouts.LAYOUTS[name](tmp_path)


def choose(names):
    """One of a list as the official loaders draw it: by name, from NumPy's one global stream."""
    return np.random.choice(np.array(names, dtype=object), 1, replace=False)[0]


def stems(dataset):
    return [(subject.reference.stem, subject.targets[0].stem) for subject in dataset.subjects]


def test_episodes_are_the_same_every_time(name, folder, tmp_path):
    once = datasets.open_dataset(name, folder)
    folds = [one.fold for one in once.subjects]
    counts = {folds.count(fold) for fold in datasets.find(name).folds}
    assert counts == {EPISODES[name]}
    state = np.random.get_state()[1].copy()
    again = datasets.open_dataset(name.upper(), tmp_path)  # the folder that holds it does as well
    assert (np.random.get_state()[1] == state).all()  # nobody else's random numbers are used up
    assert stems(once) == stems(again)
    names = [subject.name for subject in once.subjects]
    assert names == [subject.name for subject in again.subjects]
    assert len(set(names)) == len(names)
    assert all(set(n) <= set("abcdefghijklmnopqrstuvwxyzADEGHILST0123456789+-_") for n in names)
    assert (once.size, once.reference_index) == (518, None)
    assert once.settings["seed"] == 0
    assert once.settings["full_protocol"] is True
    assert once.settings["episodes"] == len(names) == once.photos


def test_fewer_episodes_are_the_first_of_the_full_run(name, folder):
    few = datasets.open_dataset(name, folder, episodes=3)
    full = datasets.open_dataset(name, folder, episodes=6)
    folds = datasets.find(name).folds
    assert few.settings["full_protocol"] is False
    assert len(few.subjects) == 3 * len(folds)
    for fold in folds:
        first, more = ([one for one in s.subjects if one.fold == fold] for s in (few, full))
        assert [one.name for one in first] == [one.name for one in more][:3]
        assert [one.photos for one in first] == [one.photos for one in more][:3]
        assert all(one.name.startswith(f"{fold}-000" if fold else "000") for one in first)


def test_a_fold_alone_is_that_fold_of_all(name, folder):
    last = len(datasets.find(name).folds) - 1
    alone = datasets.open_dataset(name, folder, folds=[last], episodes=6)
    fold = datasets.find(name).folds[last]
    every = datasets.open_dataset(name, folder, episodes=6)
    assert alone.subjects == tuple(one for one in every.subjects if one.fold == fold)


def test_reference_and_target_differ_and_masks_fit(name, folder):
    dataset = datasets.open_dataset(name, folder, episodes=4)
    for subject in dataset.subjects:
        assert subject.reference.stem != subject.targets[0].stem
        for photo in subject.photos:
            image, truth = photo.read()
            assert (image.dtype, truth.dtype) == (np.uint8, np.bool_)
            assert image.shape == (*truth.shape, 3)
            assert truth.any()
            assert not truth.all()
            np.testing.assert_array_equal(photo.truth(truth.shape), truth)
            np.testing.assert_array_equal(photo.mask, truth)
            assert photo.complaint() is None
            assert photo.stem in photo.describe()


def test_what_is_no_choice(name, folder):
    for options, said in [
        ({"folds": [99]}, "has the folds 0.*got 99"),
        ({"folds": []}, "got none"),
        ({"episodes": 0}, "at least 1; got 0"),
        ({"reference": 2}, "drawn by its protocol"),
    ]:
        with pytest.raises(InputError, match=said):
            datasets.open_dataset(name, folder, **options)


def test_missing_pictures_are_all_named(name, folder):
    dataset = datasets.open_dataset(name, folder, episodes=1)
    gone = [photo.files[0] for photo in dataset.subjects[0].photos]
    for file in gone:
        file.unlink()
    found = datasets.check(name, folder)
    assert found.dataset is None
    names = [missing for problem in found.problems for missing in problem.names]
    assert sorted(missing.rpartition("/")[2] for missing in names) == sorted(f.name for f in gone)
    with pytest.raises(datasets.IncompleteData, match=gone[0].name):
        datasets.open_dataset(name, folder)


def test_check_finds_pictures_of_another_size(name, folder):
    assert datasets.check(name, folder).problems == ()
    file = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0].files[0]
    layouts.picture(file, (6, 5))
    (problem,) = datasets.check(name, folder).problems
    assert "another size" in problem.what
    assert "6x5" in str(problem)
    assert file.stem in str(problem)
    target = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0]
    with pytest.raises(InputError, match=file.stem):
        target.read()


def test_check_finds_damaged_pictures(name, folder):
    file = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0].files[0]
    file.write_text("no")
    (problem,) = datasets.check(name, folder).problems
    assert problem.what == "unreadable files"
    assert str(file) in str(problem)


def test_an_empty_folder(name, tmp_path):
    with pytest.raises(InputError, match=r"missing.*persam datasets"):
        datasets.open_dataset(name, tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        datasets.open_dataset(name, tmp_path / "nowhere")


class TestFss1000:
    def test_draws_as_the_official_loader(self, tmp_path):
        got = datasets.open_dataset("fss-1000", layouts.fss(tmp_path))
        np.random.seed(0)
        expected = []
        for _ in ("abacus", "abe's_flyingfish"):
            for query in ("1", "10", "2", "3", "4", "5", "6", "7", "8", "9"):
                support = query
                while support == query:
                    support = str(np.random.choice(range(1, 11), 1, replace=False)[0])
                expected.append((support, query))
        assert stems(got) == expected
        assert [one.group for one in got.subjects[::10]] == ["abacus", "abe's_flyingfish"]
        assert got.subjects[12].name == "0012_abe_s_flyingfish"
        assert got.settings["split"] == "splits/test.txt"

    def test_object_is_grey_128_and_more(self, tmp_path):
        folder = layouts.fss(tmp_path)
        values = np.full((layouts.HEIGHT, layouts.WIDTH), 127)
        values[2, 3:5] = 128, 255
        layouts.grey(folder / "data/abacus/1.png", values)
        _, truth = datasets.open_dataset("fss-1000", folder).subjects[0].targets[0].read()
        assert np.argwhere(truth).tolist() == [[2, 3], [2, 4]]

    def test_hidden_files_and_the_other_split_file(self, tmp_path):
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

    def test_a_hundred_pictures_in_a_folder(self, tmp_path):
        folder = layouts.fss(tmp_path, classes=("run00",), count=100)
        got = datasets.open_dataset("fss-1000", folder)
        assert len(got.subjects) == 100
        assert {int(one.reference.stem) for one in got.subjects} <= set(range(1, 11))
        assert "100" in {one.targets[0].stem for one in got.subjects}

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda f: (f / "data/abacus/3.png").unlink(), "missing masks: abacus/3.png"),
            (lambda f: (f / "data/abacus/3.jpg").unlink(), "missing pictures: abacus/3.jpg"),
            (lambda f: shutil.rmtree(f / "data/abacus"), "without a folder: abacus"),
            (lambda f: (f / "splits/test.txt").unlink(), "has no splits/test.txt"),
            (lambda f: (f / "splits/test.txt").write_text("\n"), "empty list of test classes"),
        ],
    )
    def test_what_goes_wrong(self, tmp_path, spoil, said):
        folder = layouts.fss(tmp_path)
        spoil(folder)
        with pytest.raises(InputError, match=said):
            datasets.open_dataset("fss-1000", folder)

    def test_more_episodes_than_pictures(self, tmp_path):
        with pytest.raises(InputError, match="has 20 episodes here, not 21"):
            datasets.open_dataset("fss-1000", layouts.fss(tmp_path), episodes=21)


class TestCoco20i:
    def test_draws_as_the_official_loader(self, tmp_path):
        got = datasets.open_dataset("coco-20i", layouts.coco(tmp_path), folds=[1], episodes=200)
        np.random.seed(0)
        for subject in got.subjects:
            number = choose(list(range(1, 80, 4)))
            query = support = choose(layouts.coco_names(number))
            while support == query:
                support = choose(layouts.coco_names(number))
            assert subject.group == f"{number:02d}"
            assert query == f"val2014/{subject.targets[0].stem}.jpg"
            assert support == f"val2014/{subject.reference.stem}.jpg"
        assert (len(got.subjects), got.settings["classes"]) == (200, 20)

    def test_the_mask_is_the_class_number_and_one(self, tmp_path):
        got = datasets.open_dataset("coco-20i", layouts.coco(tmp_path), episodes=5)
        for subject in got.subjects:
            truth = subject.reference.read()[1]
            assert truth[1:, int(subject.group)].all()
            assert truth.sum() == layouts.HEIGHT - 1

    def test_labels_with_a_palette(self, tmp_path):
        folder = layouts.coco(tmp_path)
        for file in (folder / "annotations/val2014").iterdir():
            image = Image.fromarray(np.asarray(Image.open(file)))
            image.putpalette(np.random.RandomState(0).bytes(768))
            assert image.mode == "P"
            image.save(file)
        self.test_the_mask_is_the_class_number_and_one(tmp_path / "other")
        subject = datasets.open_dataset("coco-20i", folder, episodes=1).subjects[0]
        assert subject.reference.read()[1][1:, int(subject.group)].all()

    def test_missing_labels_and_few_pictures(self, tmp_path):
        folder = layouts.coco(tmp_path)
        file = next((folder / "annotations/val2014").iterdir())
        file.rename(tmp_path / "kept.png")
        with pytest.raises(InputError, match=f"missing files: annotations/val2014/{file.name}"):
            datasets.open_dataset("coco-20i", folder)
        (tmp_path / "kept.png").rename(file)
        listed = {number: layouts.coco_names(number) for number in range(80) if number != 8}
        layouts.store(folder / "splits/val/fold0.pkl", listed | {4: ["val2014/a.jpg"] * 2})
        with pytest.raises(InputError, match="fewer than two pictures: 4, 8"):
            datasets.open_dataset("coco-20i", folder)
        assert len(datasets.open_dataset("coco-20i", folder, folds=[1], episodes=9).subjects) == 9

    def test_coloured_labels(self, tmp_path):
        folder = layouts.coco(tmp_path)
        for file in (folder / "annotations/val2014").iterdir():
            Image.open(file).convert("RGB").save(file)
        with pytest.raises(InputError, match="type RGB; label numbers are 8-bit"):
            datasets.open_dataset("coco-20i", folder, episodes=1).subjects[0].reference.read()


class TestLvis92i:
    def test_draws_as_the_official_loader(self, tmp_path):
        got = datasets.open_dataset("lvis-92i", layouts.lvis(tmp_path), folds=[3], episodes=200)
        np.random.seed(0)
        usable = [one for one in layouts.LVIS_CLASSES if len(layouts.lvis_pictures(one)) > 1]
        classes = [usable[3], usable[13]]  # 20 usable classes: two a fold
        for place, subject in enumerate(got.subjects):
            number = classes[place % 2]
            query = support = choose(layouts.lvis_pictures(number))
            while support == query:
                support = choose(layouts.lvis_pictures(number))
            assert subject.group == f"{number:04d}"
            assert query.endswith(f"/{subject.targets[0].stem}.jpg")
            assert support.endswith(f"/{subject.reference.stem}.jpg")
        assert (len(got.subjects), got.settings["annotations"]) == (200, "lvis_val.pkl")

    def test_all_instances_are_one_mask(self, tmp_path):
        got = datasets.open_dataset("lvis-92i", layouts.lvis(tmp_path), episodes=1)
        truth = got.subjects[0].reference.read()[1]
        np.testing.assert_array_equal(truth, layouts.square(1, 1) | layouts.square(7, 5))

    def test_the_original_json(self, tmp_path):
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

    def test_too_few_classes_or_other_values(self, tmp_path):
        folder = layouts.lvis(tmp_path)
        layouts.store(folder / "lvis_val.pkl", {1: {"a.jpg": {"annotations": []}}})
        with pytest.raises(InputError, match="has 0 classes with two pictures"):
            datasets.open_dataset("lvis-92i", folder)
        layouts.store(folder / "lvis_val.pkl", {1: {"a.jpg": {"masks": []}}})
        with pytest.raises(InputError, match=r"otherwise than expected.*annotations"):
            datasets.open_dataset("lvis-92i", folder)
        (folder / "lvis_val.pkl").unlink()
        with pytest.raises(InputError, match=r"neither lvis_val.pkl nor lvis_v1_val.json"):
            datasets.open_dataset("lvis-92i", folder)
        (folder / "lvis_v1_val.json").write_text("{")
        with pytest.raises(InputError, match="is not JSON"):
            datasets.open_dataset("lvis-92i", folder)


class TestPacoPart:
    def test_draws_as_the_official_loader(self, tmp_path):
        got = datasets.open_dataset("paco-part", layouts.paco(tmp_path), folds=[0], episodes=200)
        np.random.seed(0)
        # Of the order in the training file, fold 0 has places 0 and 4; class 60 has one picture.
        assert got.settings["classes"] == 1
        boxes = {1: (0, 0, 5, 5), 2: (4, 5, 10, 11)}
        for subject in got.subjects:
            number = choose([40])
            query = support = choose(range(3))
            seen = choose([1, 2])
            while support == query:
                support = choose(range(3))
            shown = choose([1, 2])
            assert subject.group == f"{number:04d}"
            for photo, place, thing in (
                (subject.targets[0], query, seen),
                (subject.reference, support, shown),
            ):
                _, name = layouts.paco_picture(number, place)
                assert name == f"val2017/{photo.stem}.jpg"
                assert photo.box == boxes[thing]

    def test_the_object_is_cut_out_and_its_parts_are_joined(self, tmp_path):
        got = datasets.open_dataset("paco-part", layouts.paco(tmp_path), folds=[1], episodes=20)
        photo = next(one.reference for one in got.subjects if one.reference.box[0] == 4)
        image, truth = photo.read()
        assert image.shape == (6, 6, 3)  # x from 4.5 to 4.5 + 5.9, y from 5.2 to 11.5, cut off
        assert abs(int(image[0, 0, 0]) - 50) < 10  # row 5 of the whole picture
        assert abs(int(image[0, 0, 1]) - 40) < 10  # column 4
        joined = layouts.square(6, 5, side=2) | layouts.square(9, 7, side=2)
        np.testing.assert_array_equal(truth, joined[5:11, 4:10])
        np.testing.assert_array_equal(photo.image, image)
        with pytest.raises(InputError, match="is shown as 6x6"):
            photo.truth((12, 10))

    def test_a_fold_without_classes_and_other_values(self, tmp_path):
        folder = layouts.paco(tmp_path)
        train = {number: [] for number in (1, 2, 3, 4, 5, 6, 7, 8)}
        layouts.store(folder / "paco/paco_part_train.pkl", {"cid2img": train})
        with pytest.raises(InputError, match="without a class of two pictures: 0"):
            datasets.open_dataset("paco-part", folder)
        layouts.store(folder / "paco/paco_part_val.pkl", {"cid2img": {}})
        with pytest.raises(InputError, match=r"paco_part_val.pkl.*img2anno"):
            datasets.open_dataset("paco-part", folder)


class TestPascalPart:
    def test_draws_as_the_official_loader(self, tmp_path):
        got = datasets.open_dataset("pascal-part", layouts.pascal(tmp_path), folds=[0])
        np.random.seed(0)
        names = [f"2008_an{number}" for number in range(4)]

        def draw(taken=""):
            while True:
                name = choose(names)
                if name == taken:
                    continue
                # Picture 0 has a second dog, without any part.
                if choose(["bare", "whole"] if name == names[0] else ["whole"]) == "whole":
                    return name

        for place, subject in enumerate(got.subjects):
            query = draw()
            support = draw(query)
            assert subject.group == ("dog+HEAD", "dog+TAIL")[place % 2]
            assert (subject.reference.stem, subject.targets[0].stem) == (support, query)
        # Three parts of four pictures each are listed, LEGS among them.
        assert len(got.subjects) == 12

    def test_cut_out_and_left_out(self, tmp_path):
        got = datasets.open_dataset("pascal-part", layouts.pascal(tmp_path))
        assert got.settings["folds"] == ["animals", "indoor", "person", "vehicles"]
        groups = {one.group for one in got.subjects}
        assert "aeroplane+HEAD" in groups
        assert not groups & {"aeroplane+TAIL", "dog+LEGS"}
        image, truth = got.subjects[0].reference.read()
        assert image.shape == (9, 5, 3)
        np.testing.assert_array_equal(truth, layouts.square(2, 2)[2:11, 1:6])

    def test_missing_annotations_are_named(self, tmp_path):
        folder = layouts.pascal(tmp_path)
        parts = "Annotations_Part_json_merged_part_classes"
        (folder / parts / "2008_an1.json").unlink()
        (folder / "JPEGImages" / "2008_an2.jpg").unlink()
        with pytest.raises(InputError, match=r"merged_part_classes/2008_an1.json, JPEG.*2008_an2"):
            datasets.open_dataset("pascal-part", folder)

    def test_annotations_that_do_not_belong_to_the_lists(self, tmp_path):
        folder = layouts.pascal(tmp_path)
        parts = folder / "Annotations_Part_json_merged_part_classes"
        for number in (1, 2, 3):
            held = json.loads((parts / f"2008_an{number}.json").read_text())
            held["object"][0]["parts"] = []
            (parts / f"2008_an{number}.json").write_text(json.dumps(held))
        with pytest.raises(InputError, match=r"dog\+HEAD, fewer than two have a dog"):
            datasets.open_dataset("pascal-part", folder)
        (parts / "2008_an0.json").write_text('{"object": []}')
        with pytest.raises(InputError, match=r"2008_an0.json has no dog"):
            datasets.open_dataset("pascal-part", folder, folds=[0])
        (parts / "2008_an0.json").write_text("{}")
        with pytest.raises(InputError, match=r"2008_an0.json is laid out otherwise.*object"):
            datasets.open_dataset("pascal-part", folder, folds=[0])


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


def test_a_box_outside_the_picture(tmp_path):
    layouts.picture(tmp_path / "a.jpg")
    photo = datasets.SegmentedPhoto("a", tmp_path / "a.jpg", (), "lid", box=(20, 2, 25, 4))
    with pytest.raises(InputError, match=r"a.jpg, class lid: the object's box \(20, 2, 25, 4\)"):
        photo.read()
