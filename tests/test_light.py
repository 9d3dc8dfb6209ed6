"""The built-in model without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import persam
from persam import samples
from persam.models.runtime.choice import missing

HERE = Path(__file__).parent


def free_environment() -> dict[str, str]:
    """The environment without the tests' wish for torch."""
    taken = ("PERSAM_ENGINE", "PERSAM_PRECISION")
    return {name: value for name, value in os.environ.items() if name not in taken}


# The commands by the engine that comes with the package: they do not ask which one it is.
@pytest.mark.parametrize(("engine", "commands"), [("onnx", True), ("openvino", False)])
def test_everything_runs_where_torch_cannot_be_imported(tmp_path, engine, commands):
    if absent := missing(engine, run=True):
        pytest.skip(f"{engine} needs {', '.join(absent)}")
    env = free_environment() | {"PERSAM_ENGINE": engine, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [sys.executable, str(HERE / "light.py"), *([str(tmp_path)] if commands else [])],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]


@pytest.mark.parametrize("method", [persam.personalize, persam.finetune])
def test_the_packages_networks_say_what_its_weights_say(monkeypatch, method):
    """To be mended by `python tools/pocket_networks.py` where the weights are new."""
    if absent := missing("onnx", run=True):
        pytest.skip(f"this needs {', '.join(absent)}")
    photo, mask = samples.files(samples.PICTURES, 1)
    scene, _ = samples.files(samples.PICTURES, 2)
    torch_s, packaged = (persam.load(engine=one, precision="fp32") for one in ("torch", "onnx"))
    mine, other = (one.encode(persam.io.images.read_image(scene)) for one in (torch_s, packaged))
    for a, b in zip((mine.features, mine.matching), (other.features, other.matching), strict=True):
        np.testing.assert_allclose(b, a, atol=1e-3 * np.abs(a).max())
    masks = [method(one, photo, mask=mask).segment(scene).mask for one in (torch_s, packaged)]
    assert masks[0].any()
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.999
    for name in ("recipe", "ambiguous", "calibration", "square", "sizes"):
        if hasattr(packaged, name):
            assert getattr(packaged, name) == getattr(torch_s, name)
