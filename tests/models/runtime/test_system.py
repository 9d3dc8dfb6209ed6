from __future__ import annotations

import pytest

from persam.models.runtime import choice, cpu, system


@pytest.mark.parametrize(
    ("flags", "processor", "why"),
    [
        ("avx2", "AVX2", "AVX2 has no bf16, and int8 is on request"),
        ("avx2 avx512f avx512_vnni", "AVX-512 with VNNI", "AVX-512 with VNNI has no bf16"),
        ("avx512f avx512_vnni avx512_bf16 amx_bf16", "AMX", "bf16 is multiplied here"),
    ],
)
def test_it_says_what_a_processor_gets_and_why(
    monkeypatch: pytest.MonkeyPatch, flags: str, processor: str, why: str
) -> None:
    monkeypatch.setattr(cpu, "flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr(choice, "missing", lambda *_, **__: [])
    monkeypatch.setattr(system, "_device", lambda: "cpu")
    for name in ("PERSAM_ENGINE", "PERSAM_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    found = {fact.what: fact.found for fact in system.examine_system()}
    assert found["processor"].startswith(f"{processor}, ")
    assert found["engine for sam"].startswith("openvino, ")
    assert why in found["engine for sam"]
    assert "openvino, fp32: the quickest" in found["engine for pocket"]
