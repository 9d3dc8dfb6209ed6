"""The page on large albums: commands that exist, figures of the reports, job files that parse."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import yaml
from typer.main import get_command

from persam.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def report(name: str) -> dict[str, object]:
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())


def test_every_command_is_one_that_persam_takes() -> None:
    lines = re.findall(r"^persam .*$", PAGE, re.MULTILINE)
    assert len(lines) >= 10
    group = get_command(app)
    for line in lines:
        words = shlex.split(line)[1:]
        with group.make_context("persam", [], resilient_parsing=True) as context:
            name, command, rest = group.resolve_command(context, words)
            command.make_context(name, list(rest), parent=context).close()


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert "://" in link or (ROOT / "docs" / link).exists(), link


def test_the_job_files_call_persam_as_it_is() -> None:
    (job,) = yaml.safe_load_all((ROOT / "examples" / "kubernetes-job.yaml").read_text())
    assert job["spec"]["completionMode"] == "Indexed"
    shell = job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    script = (ROOT / "examples" / "slurm-array.sh").read_text()
    assert f"--shard $n/{job['spec']['completions']}" in shell
    assert "#SBATCH --array=1-16" in script
    assert "shard=$SLURM_ARRAY_TASK_ID/16" in script


def test_the_costs_are_those_of_the_report() -> None:
    for row in report("cost")["a million photos"]:  # type: ignore[union-attr]
        assert f"{row['core hours']:,}" in PAGE  # type: ignore[index]


def test_the_index_loses_what_the_page_says() -> None:
    for name in ("index", "index-half"):
        found = report(name)
        lost = found["area under the curve"]["lost"]  # type: ignore[index]
        assert lost <= 0.005
        assert f"{lost:.4f}" in PAGE
        assert f"{found['bytes of codes a photo']:,} bytes" in PAGE
