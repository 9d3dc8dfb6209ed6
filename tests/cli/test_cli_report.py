from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from persam.cli import app

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(*words: object):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_reports_become_a_table(tmp_path):
    out = tmp_path / "tables" / "perseg.md"
    reports = [BENCHMARKS / f"pocket-{name}-default.json" for name in ("persam", "persam-f")]
    done = run(*reports, "--out", out)
    assert done.exit_code == 0, done.output
    assert out.read_text() == done.stdout
    assert done.stdout.startswith("## perseg\n\n| method |")
    assert "| persam, pocket | pocket |" in done.stdout
    assert "| persam-f, pocket | pocket |" in done.stdout
    assert "| SegGPT |" in done.stdout


def test_what_is_no_report(tmp_path):
    done = run(BENCHMARKS / "variants.json")
    assert done.exit_code == 2
    assert "it is no report of `persam evaluate --json`" in done.output
    assert run().exit_code == 2
