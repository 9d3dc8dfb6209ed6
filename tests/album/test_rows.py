from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.loop import LoaderOptions
from persam.album.rows import find_in, is_there, labels_in, row_of, schema
from persam.album.targets import AlbumTarget
from persam.concept import Concept
from persam.io.sources import Fetched
from persam.methods.persam import personalize

pytest.importorskip("pycocotools")


@pytest.fixture(scope="module")
def concept(tiny: object) -> Concept:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return personalize(tiny("sam"), noise, box=(10, 10, 40, 40))  # type: ignore[operator]


@pytest.fixture
def fetched(tmp_path: Path) -> list[Fetched]:
    found = []
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        path = tmp_path / f"{number}.png"
        Image.fromarray(noise).save(path)
        found.append(Fetched(str(path), path.read_bytes()))
    bad = [Fetched("broken.jpg", b"x"), Fetched("gone.jpg", error="it is gone")]
    return [bad[0], *found[:2], bad[1], *found[2:]]


@pytest.mark.parametrize("kind", ["one", "several", "instances"])
def test_a_row_has_what_was_found(concept: Concept, fetched: list[Fetched], kind: str) -> None:
    objects = {"a": concept, "b": concept} if kind == "several" else concept
    target = AlbumTarget.of(objects, instances=kind == "instances")
    loader = LoaderOptions(batch=1, jobs=0)
    with loader.threads() as threads:
        found = list(find_in(fetched, target, loader, threads))
    rows = {one.name: row_of(one.name, result, one.error) for one, result in found}
    assert set(rows) == {one.name for one in fetched}
    assert rows["gone.jpg"]["error"] == "it is gone"
    assert "broken.jpg is not a picture" in rows["broken.jpg"]["error"]
    for one, result in found:
        if result is None or result.answer is None:
            assert rows[one.name]["mask"] is None
            continue
        np.testing.assert_array_equal(labels_in(rows[one.name]), result.answer.labels)
        record = result.answer.record(result.photo)
        row = rows[one.name]
        assert (row["score"], row["presence"]) == (record.score, record.presence)
        assert row["box"] == (None if record.box is None else list(record.box))
        assert [f["label"] for f in row["found"] or ()] == [f.label for f in record.found or ()]
        assert is_there(row) == record.present


def test_rows_fit_the_schema(concept: Concept, fetched: list[Fetched]) -> None:
    arrow = pytest.importorskip("pyarrow")
    target, loader = AlbumTarget.of({"a": concept, "b": concept}), LoaderOptions(batch=1, jobs=0)
    with loader.threads() as threads:
        found = find_in(fetched, target, loader, threads)
        rows = [row_of(one.name, result, one.error) for one, result in found]
    assert arrow.Table.from_pylist(rows, schema=schema()).to_pylist() == rows
