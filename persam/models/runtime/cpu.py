"""What this machine's processor can do, and with how many threads; no model library is asked."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

# Flags of /proc/cpuinfo, the strongest class first.
_CLASSES = (
    ("AMX", ("amx_bf16",)),
    ("AVX-512 with bf16", ("avx512_bf16",)),
    ("AVX-512 with VNNI", ("avx512_vnni",)),
    ("AVX2 with VNNI", ("avx2", "avx_vnni")),
    ("AVX-512", ("avx512f",)),
    ("AVX2", ("avx2",)),
)


@cache
def flags() -> frozenset[str]:
    """What the processor says of itself; empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(
        flag
        for name, _, value in lines
        if name.strip() in ("flags", "Features")
        for flag in value.split()
    )


def cpu_class() -> str:
    """The processor by what decides the speed of a network on it.

    Returns:
        One of ``"AMX"``, ``"AVX-512 with bf16"``, ``"AVX-512 with VNNI"``, ``"AVX2 with VNNI"``,
        ``"AVX-512"``, ``"AVX2"``; else the machine's name, as ``"arm64"``.
    """
    found = (name for name, needed in _CLASSES if flags().issuperset(needed))
    return next(found, platform.machine() or "unknown")


def computes_in_bf16() -> bool:
    """Whether the processor multiplies bf16 by itself."""
    return bool(flags() & {"amx_bf16", "avx512_bf16"})


def thread_count() -> int:
    """Threads for one call of a network: OMP_NUM_THREADS, else the cores this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    able = getattr(os, "sched_getaffinity", None)
    return max(1, len(able(0)) if able else os.cpu_count() or 1)
