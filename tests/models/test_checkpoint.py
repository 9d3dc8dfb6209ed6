"""What a stopped training run goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from persam.errors import InputError
from persam.models.checkpoint import read_checkpoint


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_checkpoints_that_are_none_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.pt"
    assert read_checkpoint(path, "cpu") is None
    if content is None:
        torch.save([1], path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="is no checkpoint"):
        read_checkpoint(path, "cpu")
