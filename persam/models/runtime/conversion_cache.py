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
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.writers import part_path, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

FORMAT = "4"  # raised where what is converted, or how it is written, changes
SUMS = "sums.json"


_ROOM = 100_000_000  # bytes; a disk with less is full
# What a full disk is to those who write networks; RuntimeError is OpenVINO's word for it, which
# becomes an InputError while a network is converted.
_FAILURES = (OSError, RuntimeError, InputError)


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

    Raises:
        InputError: there is no room for that either.
    """
    place = folder() / "networks" / name
    if _whole(place):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = _fresh(place.parent)
    except OSError:  # a home that is read only
        return _for_this_process(make)
    try:
        try:
            make(fresh)
            sums = {path.name: _sum(path) for path in sorted(fresh.iterdir())}
            (fresh / SUMS).write_text(json.dumps(sums))
        except _FAILURES:
            if shutil.disk_usage(fresh).free > _ROOM:
                raise
            shutil.rmtree(fresh)  # it may be on the same disk
            return _for_this_process(make)
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
    place = Path(tempfile.gettempdir())
    try:
        fresh = _fresh(place)
        atexit.register(shutil.rmtree, fresh, ignore_errors=True)
        make(fresh)
    except _FAILURES as error:
        if shutil.disk_usage(place).free > _ROOM:
            raise
        raise InputError(
            f"The converted network can be kept neither in {folder()} nor in {place}, which is "
            f'full. Make room, set PERSAM_CACHE to a folder elsewhere, or give engine="torch".'
        ) from error
    return fresh


def _fresh(place: Path) -> Path:
    """A new folder for a conversion, and what conversions left that were killed removed."""
    remove_abandoned(place)
    start, end = part_path(place / "network").stem, ".part"
    return Path(tempfile.mkdtemp(prefix=f"{start}-", suffix=end, dir=place))


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
