from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from persam.album.result_parts import ResultParts
from persam.album.rows import schema
from persam.cli import app
from persam.io.labels.rle import encode
from persam.io.masks import read_labels, read_mask

arrow = pytest.importorskip("pyarrow")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_results_become_files(tmp_path: Path) -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:3, 2:5] = True
    counts = encode(mask).decode()
    facts = {"height": 6, "width": 8, "mask": counts}
    other = encode(~mask).decode()
    found = [{"label": 1, "mask": counts}, {"label": 2, "mask": other}]
    rows = [
        {"photo": "/a/dog.jpg", **facts},
        {"photo": "/b/dog.jpg", **facts, "found": found},
        {"photo": "s3://c/cat.jpg", "error": "is damaged"},
    ]
    with ResultParts.opened(str(tmp_path / "rows"), "") as parts:
        for row in rows:
            parts.write(arrow.Table.from_pylist([row], schema=schema()))
    result = run("cluster", "masks", tmp_path / "rows", "--out", tmp_path / "masks")
    assert result.exit_code == 0, result.output
    assert "2 masks in" in result.output
    one = read_mask(tmp_path / "masks" / "a__dog.png", (6, 8), usable=False) > 0
    np.testing.assert_array_equal(one, mask)
    two = read_labels(tmp_path / "masks" / "b__dog.png", (6, 8))
    np.testing.assert_array_equal(two, np.where(mask, 1, 2))
    result = run("cluster", "masks", tmp_path / "rows", "--out", tmp_path / "masks")
    assert "is there already" in " ".join(result.output.split())


def test_help_says_the_pip_line() -> None:
    assert "pip install 'persam[ray]'" in run("cluster", "--help").output


def test_without_ray_the_pip_line_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray.data", None)
    (tmp_path / "c").write_bytes(b"x")
    result = run("cluster", "segment", tmp_path, "--concept", tmp_path / "c", "--out", tmp_path)
    assert result.exit_code == 2
    assert "pip install 'persam[ray]'" in result.output
