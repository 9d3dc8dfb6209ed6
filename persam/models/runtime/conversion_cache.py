"""Converted networks on disk, so that only the first load of a model converts it.

A folder a network, named by what it was made of: the network's weights and sizes, the engine, the
versions of all that took part. Its files' checksums lie beside them; what does not match is made
anew.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

FORMAT = "4"  # raised where what is converted, or how it is written, changes
SUMS = "sums.json"


_ROOM = 100_000_000  # bytes; a disk with less is full
_ABANDONED = 3600.0  # seconds after which an unfinished conversion is a killed one's


def folder() -> Path:
    """Where conversions are kept: PERSAM_CACHE, else persam's place in the user's cache."""
    if own := os.environ.get("PERSAM_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "persam"


def key(network: torch.nn.Module, side: int, packages: tuple[str, ...]) -> str:
    """Name a conversion by everything that it depends on.

    Args:
        network: to convert.
        side: of the model's input in pixels.
        packages: that convert and run it; their versions count, as torch's and transformers' do.
    """
    mixed = hashlib.sha256(f"{FORMAT} {side} {network}".encode())
    for package in ("torch", "transformers", *packages):
        mixed.update(f"{package} {version(package)}".encode())
    configs = (getattr(module, "config", None) for module in network.modules())
    for facts in sorted({_facts(config) for config in configs if hasattr(config, "to_dict")}):
        mixed.update(facts.encode())
    for name, tensor in network.state_dict().items():
        mixed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        mixed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return mixed.hexdigest()[:32]


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """Give the folder of a conversion, making it where it is not there, whole and as it was made.

    Args:
        name: as :func:`key` gives it.
        make: fills the folder that it is given.

    Returns:
        The folder. Where nothing can be kept on this machine, one that is made for this process.
    """
    place = folder() / "networks" / name
    if _whole(place):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        fresh = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
    except OSError:  # a home that is read only
        return _for_this_process(make)
    try:
        try:
            make(fresh)
        except (OSError, RuntimeError):  # RuntimeError is OpenVINO's word for it
            if shutil.disk_usage(fresh).free > _ROOM:
                raise
            return _for_this_process(make)
        sums = {path.name: _sum(path) for path in sorted(fresh.iterdir())}
        (fresh / SUMS).write_text(json.dumps(sums))
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    except OSError:
        if not _whole(place):  # else another process was quicker, with the same
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def _for_this_process(make: Callable[[Path], None]) -> Path:
    """A conversion in a folder that is gone when the process ends."""
    fresh = Path(tempfile.mkdtemp(prefix="persam-"))
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    make(fresh)
    return fresh


def _sweep(place: Path) -> None:
    """Remove what conversions left that were killed."""
    for part in place.glob(".part-*"):
        with suppress(OSError):  # another process was quicker
            if part.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(part, ignore_errors=True)


def _whole(place: Path) -> bool:
    try:
        sums = json.loads((place / SUMS).read_text())
        return bool(sums) and all(_sum(place / name) == sum_ for name, sum_ in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _facts(config: object) -> str:
    """A configuration without the words that say where it came from."""
    facts = config.to_dict()  # pyright: ignore[reportAttributeAccessIssue]
    return json.dumps(
        {name: facts[name] for name in facts if name[0] != "_"}, default=repr, sort_keys=True
    )
