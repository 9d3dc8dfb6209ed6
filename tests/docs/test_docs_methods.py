"""The table of methods in docs/methods.md is benchmarks/methods.json's."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_report_s():
    report = json.loads((ROOT / "benchmarks" / "methods.json").read_text(encoding="utf-8"))
    rows = sorted(report["rows"], key=lambda row: -row["miou"])
    figures = [
        f"| {row['method']} | {100 * row['miou']:.1f} | {100 * row['biou']:.1f} | "
        f"{row['seconds_a_photo']:.2f} |"
        for row in rows
    ]
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert "\n".join(figures) in page
    assert (report["objects"], report["photos"]) == (48, 192)
