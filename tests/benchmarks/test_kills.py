"""The short version of `benchmarks/kills.py`: a real SIGKILL, and on to the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from persam.models.runtime.choice import missing

KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills by Linux's clocks")
@pytest.mark.skipif(bool(missing("onnx", run=True)), reason="needs onnxruntime")
def test_killed_commands_go_on_to_the_same_bytes() -> None:
    command = [sys.executable, str(KILLS), "--kills", "1", "--only", "segment, cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
