"""Tiny diffusion models, built once."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

NEEDED = ("diffusers", "peft", "accelerate")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a tiny Stable Diffusion, one that predicts velocities, and a tiny SDXL."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        pytest.skip("needs pip install persam[dreambooth]")
    import tiny_diffusion

    return {
        "sd": tiny_diffusion.build(tmp_path_factory.mktemp("sd"), xl=False),
        "v": tiny_diffusion.build(
            tmp_path_factory.mktemp("v"), xl=False, prediction="v_prediction"
        ),
        "xl": tiny_diffusion.build(tmp_path_factory.mktemp("xl"), xl=True),
    }
