from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_labels as made
import numpy as np
import pytest
import tiny as tiny_models

from persam.concept import Concept
from persam.errors import InputError
from persam.io.concept_set import (
    PictureContent,
    is_concept_set,
    read_concept_set,
    write_concept_set,
)
from persam.io.labels import Label, LabelSet
from persam.methods.from_labels import labelled_objects, learn_labels, merged
from persam.methods.persam import personalize


@pytest.fixture(scope="module")
def backbone():
    return tiny_models.build("sam")


def test_a_reference_a_picture_and_class(tmp_path: Path):
    labels = made.scene(tmp_path)
    found = labelled_objects(labels)
    assert {name: len(shown) for name, shown in found.items()} == {"cat": 2, "my dog": 1}
    ring, _, disc = made.scene_masks()
    assert [np.array_equal(one.mask, m) for one, m in zip(found["cat"], (ring, disc), strict=True)]
    assert list(labelled_objects(labels, ["my dog"])) == ["my dog"]


def test_masks_of_one_class_in_one_picture_are_one_reference(tmp_path: Path):
    labels = made.scene(tmp_path)
    first = labels.pictures[0]
    both = tuple(replace(one, name="cat") for one in first.labels)
    (reference,) = labelled_objects(replace(labels, pictures=(replace(first, labels=both),)))["cat"]
    assert reference.mask.sum() == sum(int(one.mask.sum()) for one in both)


def test_individuals_by_their_group(tmp_path: Path):
    labels = made.scene(tmp_path)
    one, two = labels.pictures[:2]
    groups = (replace(one.labels[0], group=4), replace(one.labels[1], name="cat"))
    pictures = (
        replace(one, labels=groups),
        replace(two, labels=(replace(two.labels[0], group=4),)),
    )
    found = labelled_objects(replace(labels, pictures=pictures), per_instance=True)
    assert {name: len(shown) for name, shown in found.items()} == {"cat 1": 2, "cat 2": 1}


def test_guesses_of_models_teach_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="No person has labelled"):
        labelled_objects(made.scene(tmp_path, made.MODEL))
    with pytest.raises(InputError, match="no class 'bird'"):
        labelled_objects(made.scene(tmp_path), ["bird"])


def test_boxes_and_points_are_references_too(tmp_path: Path):
    labels = made.scene(tmp_path)
    picture = labels.pictures[0]
    marks = (
        Label.of_box("cat", (3, 4, 20, 30), picture.size),
        Label("cat", picture.size, points=((5.0, 6.0),)),
    )
    found = labelled_objects(replace(labels, pictures=(replace(picture, labels=marks),)))["cat"]
    assert [(one.box, one.points) for one in found] == [
        ((3, 4, 20, 30), None),
        (None, ((5.0, 6.0),)),
    ]


def test_a_set_of_concepts_comes_back_from_its_file(backbone, tmp_path: Path):
    labels = made.scene(tmp_path / "in")
    learnt = learn_labels(labels, labelled_objects(labels), lambda r: personalize(backbone, r))
    write_concept_set(tmp_path / "set.safetensors", learnt)
    assert is_concept_set(tmp_path / "set.safetensors")
    found = read_concept_set(tmp_path / "set.safetensors")
    assert [(c.number, c.name, c.colour) for c in found.labels.classes] == [
        (7, "cat", "#ff0000"),
        (3, "my dog", "#00ff40"),
    ]
    with found.files() as files:
        concepts = {name: Concept.load(path, backbone) for name, path in files.items()}
    assert list(concepts) == ["cat", "my dog"]
    assert not any(path.exists() for path in files.values())
    photo = labels.pictures[0].path
    moved = photo.rename(tmp_path / "renamed.png")
    known = found.known(moved)
    assert known.name == "a.png"
    assert [
        np.array_equal(a.mask, b.mask)
        for a, b in zip(known.labels, labels.pictures[0].labels, strict=True)
    ]
    assert found.known(made.picture_file(tmp_path, "other.png", (9, 9))) is None


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, None])
def test_a_file_that_is_no_set(damage: bytes | None, tmp_path: Path):
    path = tmp_path / "set.safetensors"
    if damage is not None:
        path.write_bytes(damage)
    assert not is_concept_set(path)
    with pytest.raises(InputError, match=r"set\.safetensors"):
        read_concept_set(path)


def test_later_labels_of_a_picture_count(tmp_path: Path):
    labels = made.scene(tmp_path)
    empty = replace(labels.pictures[0], labels=())
    other = LabelSet((replace(labels.classes[0], name="bird"),), (empty,))
    both = merged(labels, other)
    assert [(one.number, one.name) for one in both.classes] == [
        (7, "cat"),
        (3, "my dog"),
        (8, "bird"),
    ]
    assert [len(one.labels) for one in both.pictures] == [0, 1, 0]


def test_content_of_a_missing_picture(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        PictureContent.of(tmp_path / "gone.png")
