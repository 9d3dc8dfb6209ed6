"""What this machine has, and what persam would take of it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from persam.models import registry
from persam.models.runtime.builtin_networks import runs_packaged
from persam.models.runtime.choice import RuntimeChoice, has_torch
from persam.models.runtime.cpu import cpu_class, thread_count
from persam.models.runtime.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = (
    *("persam", "numpy", "pillow", "onnxruntime", "openvino"),
    *("torch", "transformers", "huggingface-hub"),
)
FAMILIES = ("pocket", "sam", "sam2")
_REQUIREMENT = re.compile(r"^([\w.-]+).*extra\s*==\s*['\"]([\w-]+)['\"]")


@dataclass(frozen=True)
class SystemFact:
    """One line of the report.

    Attributes:
        what: was looked at.
        found: what is there.
        advice: what to do to get more; empty where there is nothing to do.
    """

    what: str
    found: str
    advice: str = ""


def examine_system() -> list[SystemFact]:
    """Look at libraries, extras, device, engines and models; downloads nothing."""
    libraries = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)))
    return [
        SystemFact("Python", f"{platform.python_version()} on {platform.platform()}"),
        SystemFact("libraries", libraries),
        *_extras(),
        *_devices(),
        *_engines(),
        _models(),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _extras() -> Iterator[SystemFact]:
    """Each extra with the packages of it that are missing."""
    packages: dict[str, list[str]] = {}
    for line in requires("persam") or ():
        if found := _REQUIREMENT.match(line):
            packages.setdefault(found[2], []).append(found[1])
    there = [extra for extra, names in packages.items() if all(map(_version, names))]
    yield SystemFact("extras installed", ", ".join(sorted(there)) or "none")
    for extra in sorted(set(packages) - set(there)):
        gone = ", ".join(name for name in packages[extra] if not _version(name))
        yield SystemFact(f"extra {extra}", f"{gone} missing", f"pip install 'persam[{extra}]'")


def _devices() -> Iterator[SystemFact]:
    cores = f"{cpu_class()}, {os.cpu_count()} cores, {thread_count()} threads"
    yield SystemFact("processor", cores)
    device = _device()
    if device.startswith("cuda"):
        import torch

        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        yield SystemFact("device", f"{torch.cuda.get_device_name(device)}, {memory:.0f} GiB")
        return
    advice = (
        "With an NVIDIA GPU and torch's CUDA build, encoders run there, the large ones in bf16, "
        "and albums in larger batches; nothing else changes."
    )
    yield SystemFact("device", device, advice)


def _device() -> str:
    """Where models run; without torch nothing but the CPU."""
    return str(choose_device("auto")) if has_torch() else "cpu"


def _engines() -> Iterator[SystemFact]:
    """What the families' encoders would be run by, in which number format."""
    wished = RuntimeChoice().wished()
    set_by = [name for name in ("PERSAM_ENGINE", "PERSAM_PRECISION") if name in os.environ]
    for family in FAMILIES:
        built_in = family == registry.POCKET and runs_packaged("auto", wished)
        if not built_in and not has_torch():
            advice = "pip install 'persam[torch]'"
            yield SystemFact(f"engine for {family}", "none: torch is missing", advice)
            continue
        device = "cpu" if built_in else _device()
        choice = wished.settled(family, device, run=built_in)
        found = f"{choice.engine}, {choice.precision}"
        found += f" (by {' and '.join(set_by)})" if set_by else f": {choice.reason}"
        slow = device == "cpu" and choice.engine == "torch" and not set_by
        advice = "quicker on this device: pip install 'persam[openvino]'" if slow else ""
        yield SystemFact(f"engine for {family}", found, advice)


def _models() -> SystemFact:
    here = [entry.name for entry in registry.CATALOG if registry.on_this_machine(entry)]
    return SystemFact("models here", ", ".join(here), "the rest are downloaded when they are named")
