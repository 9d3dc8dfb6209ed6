"""The short version of `make fuzz`."""

from __future__ import annotations

import signal
from collections import Counter

import pytest
from robustness import READERS, _hang, one

FEWER = {"clips": 40}  # some milliseconds each


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it leaves out of EXIF
@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_read_or_refused_and_nothing_else(kind, tmp_path):
    if kind == "clips":
        pytest.importorskip("av", reason="needs PyAV: pip install 'persam[video]'")
    signal.signal(signal.SIGALRM, _hang)
    counts: Counter[str] = Counter()
    bad = []
    inputs = FEWER.get(kind, 200)
    for seed in range(inputs):
        outcome, what = one(kind, seed, tmp_path)
        counts[outcome] += 1
        bad += [what] if what else []
    assert bad == []
    assert counts["answers"] + counts["clean errors"] == inputs
