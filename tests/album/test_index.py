from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.codebook import Codebook, typical_cells
from persam.album.embedding_cache import Cache
from persam.album.index import index_album
from persam.album.index_parts import facts_in, index_files, read_index
from persam.album.index_search import candidates, look_at_hits, search_index
from persam.album.loop import LoaderOptions
from persam.album.search import Hit, search
from persam.concept import Concept
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.pipeline.reference import Reference
from persam.structures import unit_length

pytest.importorskip("pyarrow")
ONE = LoaderOptions(batch=1, jobs=0)


@pytest.fixture(scope="module")
def index(built_in: object, album: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "album"
    done = index_album(built_in, album, folder, loader=ONE)  # type: ignore[arg-type]
    assert (done.written, done.skipped) == (10, 0)
    assert [Path(name).name for name, _ in done.errors] == ["broken.jpg"]
    return folder


@pytest.fixture(scope="module")
def concept(built_in: object, album: list[Path]) -> Concept:
    mask = Path(str(album[0]).replace("Images", "Annotations"))
    return personalize(built_in, album[0], mask=mask)  # type: ignore[arg-type]


def test_codes_give_vectors_back_nearly() -> None:
    chance = np.random.default_rng(0)
    vectors = unit_length(chance.standard_normal((2000, 30)))
    codebook = Codebook.learn(vectors)
    codes = codebook.encode(vectors[:50])
    assert (codes.shape, codes.dtype) == ((50, 8), np.uint8)
    cosines = (codebook.decode(codes) * codebook.project(vectors[:50])).sum(axis=1)
    assert cosines.min() > 0.9
    # Of so few channels all axes are kept: products are those of the vectors themselves.
    products = codebook.project(vectors[:50]) @ codebook.project(vectors[:50]).T
    np.testing.assert_allclose(products, vectors[:50] @ vectors[:50].T, atol=1e-5)
    np.testing.assert_array_equal(Codebook.learn(vectors).examples, codebook.examples)


def test_the_axes_along_which_vectors_differ_are_kept() -> None:
    chance = np.random.default_rng(0)
    few = chance.standard_normal((600, 40))
    vectors = unit_length(few @ chance.standard_normal((40, 300)))  # of 300 channels, 40 count
    codebook = Codebook.learn(vectors.astype(np.float32))
    assert codebook.axes.shape == (300, 256)
    products = codebook.project(vectors) @ codebook.project(vectors).T
    np.testing.assert_allclose(products, vectors @ vectors.T, atol=1e-4)


def test_typical_cells_are_those_that_there_are() -> None:
    three = unit_length(np.random.default_rng(0).standard_normal((3, 16)))
    many = np.repeat(three, [40, 50, 60], axis=0)
    found = typical_cells(many, 8)
    assert found.shape == (8, 16)
    assert (found @ three.T).max(axis=1) == pytest.approx(1, abs=1e-5)
    assert (found @ three.T).max(axis=0) == pytest.approx(1, abs=1e-5)
    assert typical_cells(three, 8) is three


@pytest.fixture(scope="module")
def looked(concept: Concept, album: list[Path]) -> dict[str, Hit]:
    """What a search of the whole album says, by photo."""
    return {hit.photo: hit for hit in search(concept, album, loader=ONE)}


def test_an_index_ranks_as_a_search_does(
    concept: Concept, album: list[Path], index: Path, looked: dict[str, Hit]
) -> None:
    hits = search_index(concept, [index])
    assert [hit.photo for hit in hits if hit.error] == [str(album[-1])]
    assert all(hit.score is None and hit.box is None for hit in hits if not hit.error)
    own = {str(path) for path in album if path.parent.name == "dog_1" and path != album[-1]}
    assert {hit.photo for hit in hits[:3]} == own
    assert all(abs(looked[hit.photo].presence - hit.presence) < 0.35 for hit in hits[:-1])


def test_a_negative_counts_in_an_index(concept: Concept, album: list[Path], index: Path) -> None:
    other = next(path for path in album if path.parent.name == "dog_2")
    own, mask = (Path(str(one).replace("Images", "Annotations")) for one in (album[0], other))
    negative = Reference(other, mask=mask)
    careful = personalize(concept.backbone, album[0], mask=own, negatives=[negative])
    with_it, without = (
        {hit.photo: hit.presence or 0.0 for hit in search_index(one, [index])}
        for one in (careful, concept)
    )
    assert with_it[str(other)] < without[str(other)] - 0.1
    assert with_it[str(album[0])] > 0.9


def test_hits_are_looked_at_where_that_is_asked(
    concept: Concept, album: list[Path], index: Path, looked: dict[str, Hit]
) -> None:
    hits = search_index(concept, [index])
    near, opened = candidates(concept, hits), []
    found = look_at_hits(concept, hits, lambda: opened.append(1), loader=ONE)
    assert len(opened) == len(near) < len(album)
    full = {photo: looked[photo] for photo in near}
    assert {hit.photo: hit for hit in found if hit.photo in full} == full
    assert len(found) == len(hits)


def test_an_index_grows_and_goes_on(
    built_in: object, album: list[Path], index: Path, concept: Concept, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(index, tmp_path / "index"))
    again = index_album(built_in, album, folder, loader=ONE)  # type: ignore[arg-type]
    assert (again.written, again.skipped) == (1, 9)  # what could not be read is tried again
    other = tmp_path / "other.png"
    Image.fromarray(np.zeros((40, 60, 3), dtype=np.uint8)).save(other)
    assert index_album(built_in, [other], folder, loader=ONE).written == 1  # type: ignore[arg-type]
    first, *rest = index_files(folder)
    np.testing.assert_array_equal(*(facts_in(p).codes.examples for p in (first, rest[-1])))  # type: ignore[union-attr]
    shutil.copyfile(album[0], other)  # the last row of a photo counts
    os.utime(other, ns=(1, 1))
    index_album(built_in, [other], folder, loader=ONE)  # type: ignore[arg-type]
    hits = {hit.photo: hit for hit in search_index(concept, [folder])}
    assert len(hits) == 11
    assert hits[str(other)].presence == hits[str(album[0])].presence


def test_the_cache_is_enough(
    built_in: object, album: list[Path], index: Path, tmp_path: Path
) -> None:
    cached = LoaderOptions(batch=1, jobs=0, cache=Cache(tmp_path / "cache"))
    for number in range(2):
        index_album(built_in, album[:3], tmp_path / str(number), loader=cached)  # type: ignore[arg-type]
    rows = [next(read_index(*index_files(tmp_path / str(n)), ["cells"])) for n in range(2)]
    assert rows[0] == rows[1]


def test_a_row_is_a_few_kilobytes_and_knows_the_content(album: list[Path], index: Path) -> None:
    (part,) = index_files(index)
    (rows,) = read_index(part, ["photo", "sha256", "cells"])
    assert all(cells is None or len(cells) <= 8192 for cells in rows[2])
    assert len(set(rows[1])) == 10
    assert facts_in(part).model == "pocket"


def test_other_models_and_other_files_are_refused(
    tiny: object, concept: Concept, album: list[Path], index: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="was made with the model 'pocket'"):
        index_album(tiny("sam"), album, index)  # type: ignore[operator]
    with pytest.raises(InputError, match="There is no index at"):
        search_index(concept, [tmp_path])
    (tmp_path / "index-000000.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="no part of an index, or damaged"):
        search_index(concept, [tmp_path])
    with pytest.raises(InputError, match="None of the first"):
        index_album(concept.backbone, album[-1:], tmp_path / "none", loader=ONE)


def test_a_picture_of_one_colour_teaches_what_it_can(built_in: object, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((40, 60, 3), 90, dtype=np.uint8)).save(path)
    assert index_album(built_in, [path], tmp_path / "index", loader=ONE).written == 1  # type: ignore[arg-type]
    vectors = unit_length(np.ones((5, 8)))
    codebook = Codebook.learn(vectors)
    alike = codebook.decode(codebook.encode(vectors)) @ codebook.project(vectors).T
    assert alike == pytest.approx(1)
