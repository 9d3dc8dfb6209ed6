"""Ray on this machine; one cluster of two cores for all tests here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.result_parts import read_parts
from persam.album.rows import labels_in
from persam.album.run import LoaderOptions, Output, segment_album
from persam.album.search import asking
from persam.concept import Concept
from persam.errors import InputError
from persam.integrations.ray import Segmenter, job, segment_on_ray
from persam.io.concept_file import read_concept, write_concept
from persam.io.masks import read_mask
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.structures import ModelSpec

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'persam[ray]'")
arrow = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def concept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Concept]:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    # Without torch, which every actor would have to import.
    learnt = asking(personalize(load("pocket", engine="onnx"), noise, box=(10, 10, 40, 40)), 0.0)
    path = tmp_path_factory.mktemp("concept") / "thing.safetensors"
    learnt.save(path)
    return path, learnt


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"IMG_{number}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_a_segmenter_answers_a_batch(concept: tuple[Path, Concept], photos: Path) -> None:
    segmenter = Segmenter(concept[0].read_bytes(), engine="onnx", min_presence=0.0)
    every = sorted(photos.iterdir())
    batch = {"photo": [p.name for p in every], "data": [p.read_bytes() for p in every]}
    rows = {row["photo"]: row for row in segmenter(batch).to_pylist()}
    assert set(rows) == set(batch["photo"])
    assert "is not a picture" in rows["broken.jpg"]["error"]
    for path in every[:-1]:
        mask = concept[1].segment(path).mask
        np.testing.assert_array_equal(labels_in(rows[path.name]) > 0, mask)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    # Sockets of Ray lie below this folder, and their names may not be long.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        yield
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_an_album_on_a_cluster_is_the_album_of_one_run_and_goes_on(
    cluster: None,
    concept: tuple[Path, Concept],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, how = str(tmp_path / "parts"), {"actors": 1, "cpus": 0.8, "part": 2, "engine": "onnx"}
    first = segment_on_ray([str(photos / "IMG_[01].png")], concept[0], out, **how)
    assert (first.written, first.skipped, first.failed) == (2, 0, 0)
    rest = segment_on_ray([str(photos)], concept[0], out, **how)
    assert (rest.written, rest.skipped, rest.failed) == (4, 2, 1)
    rows = {row["photo"]: row for row in read_parts(out)}
    assert len(rows) == len(list(read_parts(out))) == 6
    one_by_one = LoaderOptions(batch=1, jobs=0)
    plain = Output(tmp_path / "plain")
    summary = segment_album(concept[1], sorted(photos.iterdir()), plain, loader=one_by_one)
    for record in summary.records:
        row = rows[record.input]
        if record.error is not None:
            assert row["error"] == record.error
            continue
        mask = read_mask(record.mask(plain.folder), (48, 64), usable=False) > 0
        np.testing.assert_array_equal(labels_in(row) > 0, mask)
        assert (row["score"], row["presence"]) == (record.score, record.presence)
    with pytest.raises(InputError, match="looked for something else"):
        segment_on_ray([str(photos)], {"a": concept[0]}, out, **how)
    monkeypatch.setattr(job, "_rows", None)  # where all is done, nobody is asked
    again = segment_on_ray([str(photos)], concept[0], out, **how)
    assert (again.written, again.skipped) == (0, 6)


def test_what_cannot_work_is_said_before_a_cluster_is_started(
    concept: tuple[Path, Concept], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a cluster was started")

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    out = str(tmp_path / "parts")
    with pytest.raises(InputError, match=r"broken\.jpg is not a concept file"):
        segment_on_ray([str(photos)], photos / "broken.jpg", out)
    with pytest.raises(InputError, match="nothing"):
        segment_on_ray([str(tmp_path / "nothing")], concept[0], out)
    other = tmp_path / "other.safetensors"
    write_concept(replace(read_concept(concept[0]), model=ModelSpec("mobile-sam")), other)
    with pytest.raises(InputError, match="learnt with one model; got concepts of mobile-sam, poc"):
        segment_on_ray([str(photos)], {"a": concept[0], "b": other}, out)
    with pytest.raises(AssertionError, match="a cluster was started"):
        segment_on_ray([str(photos)], concept[0], out)
