"""The proof that masks were used, from logs by hand (real runs: the command's test)."""

from __future__ import annotations

import json

import pytest

from persam.dreambooth.check import check_run
from persam.errors import InputError


def log(folder, photos, *, trained=(12, 64), broken=""):
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    rows = [
        {"name": name, "cells": 64, "trained_cells": cells}
        for name, cells in zip("ab", trained, strict=True)
    ]
    (folder / "pictures.json").write_text(json.dumps(rows))
    lines = [{"step": n, "loss": 1.0, "pictures": [p]} for n, p in enumerate(photos, start=1)]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + broken)
    return folder


def photo(name, inside, outside, leak=0.0):
    return {"name": name, "inside": inside, "outside": outside, "leak": leak}


PHOTOS = [photo("a", 6.0, 5.0), photo("b", 2.0, None), photo("a", 3.0, 5.5), photo("a", 1.0, 6.0)]


def test_masks_that_were_used(tmp_path):
    found = check_run(log(tmp_path / "run", PHOTOS, broken='\n{"step": 5, "lo'))
    assert found.used
    assert found.steps == 4
    a, b = found.pictures
    assert (a.share, a.seen, a.inside, a.outside, a.leak) == (12 / 64, 3, (6, 1), (5, 6), 0)
    assert (b.share, b.seen, b.outside) == (1, 1, None)
    assert found.verdict == (
        "Masks were used: no gradient reached the background of 1 photo; b as a whole."
    )


def test_masks_that_were_not(tmp_path):
    found = check_run(log(tmp_path / "run", [*PHOTOS, photo("a", 1.0, 5.0, leak=1e-9)]))
    assert not found.used
    assert "NOT used: gradients reached the background of a." in found.verdict
    assert found.pictures[0].leak == 1e-9


def test_runs_that_prove_nothing(tmp_path):
    whole = check_run(log(tmp_path / "whole", [photo("b", 1.0, None)], trained=(64, 64)))
    assert not whole.used
    assert "No photo has a mask" in whole.verdict
    unseen = check_run(log(tmp_path / "unseen", [photo("b", 1.0, None)]))
    assert not unseen.used
    assert "shown yet" in unseen.verdict


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(InputError, match="holds no log"):
        check_run(tmp_path)
    run = log(tmp_path / "run", PHOTOS)
    (run / "log.jsonl").write_text("no line\n" + (run / "log.jsonl").read_text())
    with pytest.raises(InputError, match="Line 1"):
        check_run(run)
    run = log(tmp_path / "other", PHOTOS)
    (run / "pictures.json").unlink()
    with pytest.raises(InputError, match=r"pictures\.json cannot be read"):
        check_run(run)
