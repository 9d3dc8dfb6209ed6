from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.io.masks import read_mask
from persam.metrics import iou


def test_demo_runs_the_main_job(tmp_path, tiny_sam_folder):
    out = tmp_path / "demo"
    done = CliRunner().invoke(app, ["demo", "--out", str(out), "--model", str(tiny_sam_folder)])
    assert done.exit_code == 0, done.output
    rows = re.findall(r"(0\d)\.jpg\D+([\d.]+)%\D+([\d.]+)%", done.output)
    assert [stem for stem, *_ in rows] == ["01", "02", "03", "04", "05", "06"]
    size = (samples.HEIGHT, samples.WIDTH)
    for stem, *shown in rows:
        _, truth = samples.files(out / "samples", int(stem))
        true = read_mask(truth, size) > 0
        for method, percent in zip(("persam", "persam-f"), shown, strict=True):
            found = read_mask(out / method / f"{stem}.png", size, usable=False) > 0
            assert iou(found, true) * 100 == pytest.approx(float(percent), abs=0.06)
    for method in ("persam", "persam-f"):
        assert str(out / method / "sheet.html") in done.output
        assert (out / method / "sheet.html").stat().st_size > 0
        assert len(list((out / method / "cutouts").glob("*.png"))) == 6
        assert len(list((out / method / "overlays").glob("*.jpg"))) == 6


def test_an_unknown_model_is_one_line(tmp_path):
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--model", "./no/such/model"])
    assert done.exit_code == 2
    assert "no/such/model" in done.output
    assert "Traceback" not in done.output


def test_no_file_of_a_person_is_replaced(tmp_path, tiny_sam_folder):
    words = ["demo", "--out", str(tmp_path), "--model", str(tiny_sam_folder)]
    theirs = [tmp_path / "persam" / name for name in ("03.png", "sheet.html", "cutouts/02.png")]
    sample = tmp_path / "samples/Images/plush_dog/02.jpg"
    for path in (*theirs, sample):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a person's")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "02.jpg is there already and no sample" in done.output
    assert sample.read_bytes() == b"a person's"
    sample.unlink()
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert [path.read_bytes() for path in theirs] == [b"a person's"] * 3
