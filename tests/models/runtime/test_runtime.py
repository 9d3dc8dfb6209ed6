"""Engines answer as torch does, keep what they converted, and say what is missing."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch

import persam
from persam import samples
from persam.errors import InputError, MissingExtra
from persam.models.runtime import choice, conversion_cache
from persam.models.runtime.choice import RuntimeChoice, missing
from persam.models.runtime.start_encoder import start

CPU = "cpu"
OTHERS = ("openvino", "onnx")
FAMILIES = [*tiny_models.FAMILIES, "pocket"]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, built_in_as_asked: None) -> None:
    """No wish of the environment's, and none of the tests'."""
    monkeypatch.delenv("PERSAM_ENGINE", raising=False)
    monkeypatch.delenv("PERSAM_PRECISION", raising=False)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one test's own."""
    monkeypatch.setenv("PERSAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 60, 3)
        torch.nn.init.constant_(self.layer.weight, 0.5)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.layer(pixels), 2 * pixels


def installed(engine: str) -> None:
    if absent := missing(engine):
        pytest.skip(f"{engine} needs {', '.join(absent)}: pip install persam[{engine}]")


def maps(embedding: Any) -> tuple[np.ndarray, ...]:
    return embedding.features, embedding.matching, *embedding.extras


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_answers_as_torch_does(tiny, free, random_image, family, engine):
    installed(engine)
    expected = tiny(family).encode(random_image)
    backbone = tiny_models.build(family).run_by(RuntimeChoice(engine, "fp32"))
    assert (backbone.engine, backbone.precision) == (engine, "fp32")
    together = backbone.encode_batch([random_image[:20], random_image])
    for one, other in zip(maps(together[1]), maps(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    kept = maps(together[0])[0].copy()
    backbone.encode(random_image)
    assert np.array_equal(kept, together[0].features)  # answers are not overwritten by later ones


@pytest.mark.parametrize("engine", OTHERS)
def test_what_was_converted_is_kept_and_made_anew_where_it_is_damaged(own, engine):
    installed(engine)
    network, pixels = Small().eval(), torch.ones(1, 3, 8, 8)

    def ask() -> np.ndarray:
        return start(network, pixels, RuntimeChoice(engine, "fp32"))(pixels.numpy())[0]

    expected = ask()
    (place,) = (own / "networks").iterdir()
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    ask()
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before

    largest = max(place.iterdir(), key=lambda path: path.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    largest.write_bytes(damaged)
    assert np.array_equal(ask(), expected)
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} != before
    assert [path.name for path in (own / "networks").iterdir()] == [place.name]


def test_other_weights_are_another_conversion():
    one, other = tiny_models.build("sam"), tiny_models.build("sam")
    same = [conversion_cache.key(each.network, 64, ("torch",)) for each in (one, other)]
    assert same[0] == same[1] != conversion_cache.key(one.network, 128, ("torch",))
    next(other.network.parameters()).data[0] += 1e-6
    assert conversion_cache.key(other.network, 64, ("torch",)) != same[0]


def test_a_conversion_that_fails_leaves_nothing(own):
    def make(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        conversion_cache.kept("name", make)
    assert list((own / "networks").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PERSAM_CACHE", str(blocked))
    place = conversion_cache.kept("name", lambda folder: (folder / "made").touch())
    assert (place / "made").exists()
    shutil.rmtree(place)


FULL = [OSError(28, "No space left"), RuntimeError("iostream error"), InputError("iostream error")]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_cache_is_done_without_and_a_full_machine_is_said(own, tmp_path, monkeypatch, error):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))

    def make(folder: Path) -> None:
        if folder.is_relative_to(own) or everywhere:
            raise error
        (folder / "made").touch()

    everywhere = False
    place = conversion_cache.kept("name", make)
    assert (place / "made").exists()
    everywhere = True
    with pytest.raises(InputError, match=r"neither in .*cache nor in .*tmp, which is full"):
        conversion_cache.kept("name", make)
    assert list((own / "networks").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="processes cannot be asked for")
def test_what_a_killed_conversion_left_is_cleared_away_by_the_next_one(own, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal; from persam.models.runtime import conversion_cache\n"
        "conversion_cache.kept('name', lambda folder: os.kill(os.getpid(), signal.SIGKILL))"
    )

    def killed() -> None:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
        assert done.returncode == -signal.SIGKILL

    killed()
    assert len(list((own / "networks").iterdir())) == 1
    conversion_cache.kept("other", lambda folder: (folder / "made").touch())
    assert [path.name for path in (own / "networks").iterdir()] == ["other"]
    shutil.rmtree(own)
    own.write_text("")  # nothing can be kept in it
    killed()
    conversion_cache.kept("other", lambda folder: (folder / "made").touch())
    assert len(list(tmp_path.glob(".persam-*"))) == 1


@pytest.mark.parametrize(
    ("home", "expected"),
    [
        ({"PERSAM_CACHE": "/mine", "XDG_CACHE_HOME": "/xdg"}, "/mine"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/persam"),
        ({"HOME": "/home/one"}, "/home/one/.cache/persam"),
    ],
)
def test_where_conversions_are_kept(monkeypatch, home, expected):
    for name in ("PERSAM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    assert conversion_cache.folder() == Path(expected)


def test_auto_takes_the_first_engine_that_is_installed(free, monkeypatch):
    for absent, expected in (([], "openvino"), (["openvino"], "onnx"), ([*OTHERS], "torch")):
        monkeypatch.setattr(
            choice, "missing", lambda name, run=False, gone=absent: [name] * (name in gone)
        )
        assert RuntimeChoice().settled("pocket", CPU).engine == expected
    assert RuntimeChoice().settled("pocket", "mps").engine == "torch"


@pytest.mark.parametrize("bf16", [False, True])
def test_auto_takes_bf16_where_the_cpu_has_it_and_answers_stay_the_same(monkeypatch, bf16):
    monkeypatch.setattr(choice, "computes_in_bf16", lambda: bf16)
    chosen = {
        family: RuntimeChoice("torch").settled(family, CPU).precision
        for family in ("sam", "mobile_sam", "sam2", "pocket", "another")
    }
    low = "bf16" if bf16 else "fp32"
    assert chosen == {
        **dict.fromkeys(("sam", "mobile_sam", "sam2"), low),
        **dict.fromkeys(("pocket", "another"), "fp32"),
    }


def test_the_environment_stands_in_for_auto_alone(free, monkeypatch):
    assert RuntimeChoice().wished() == RuntimeChoice()
    monkeypatch.setenv("PERSAM_ENGINE", "torch")
    monkeypatch.setenv("PERSAM_PRECISION", "bf16")
    assert RuntimeChoice().wished() == RuntimeChoice("torch", "bf16")
    assert RuntimeChoice("onnx", "fp32").wished() == RuntimeChoice("onnx", "fp32")
    backbone = persam.load(device="cpu")
    assert (backbone.engine, backbone.precision) == ("torch", "bf16")
    monkeypatch.setenv("PERSAM_ENGINE", "steam")
    with pytest.raises(InputError, match=r"one of auto, torch.*got 'steam'"):
        persam.load(device="cpu")


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_that_is_not_installed_names_the_extra(free, monkeypatch, engine):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"pip install 'persam\[{engine}\]'"):
        persam.load(device="cpu", engine=engine)


def test_what_an_engine_cannot_do_is_said(free):
    for engine in OTHERS:
        installed(engine)
        with pytest.raises(InputError, match="on the CPU here, not on cuda"):
            RuntimeChoice(engine).settled("sam", "cuda")
    with pytest.raises(InputError, match="fp32 on a CPU; got precision 'bf16'"):
        RuntimeChoice("onnx", "bf16").settled("sam", CPU)
    with pytest.raises(InputError, match="one of auto, fp32"):
        RuntimeChoice("torch", "fp8")


def test_a_network_that_does_not_convert_is_named(free):
    installed("openvino")

    class Odd(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (torch.special.bessel_j0(pixels),)

    level = logging.getLogger().level
    with pytest.raises(InputError, match="Odd for OpenVINO failed"):
        start(Odd().eval(), torch.zeros(1, 3, 4, 4), RuntimeChoice("openvino", "fp32"))
    assert logging.getLogger().level == level  # others' warnings are heard as before


def test_openvino_reports_nothing_to_its_makers():
    installed("openvino")
    from persam.models.runtime.openvino import silent

    silent()
    from openvino.tools.ovc import convert_impl, telemetry_stub

    assert convert_impl.tm is telemetry_stub


def test_bf16_by_openvino_is_nearly_the_same(free, random_image, tiny):
    installed("openvino")
    from persam.models.runtime.openvino import silent

    openvino = silent()
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in bf16")
    rough = tiny_models.build("sam").run_by(RuntimeChoice("openvino", "bf16"))
    wanted, found = tiny("sam").encode(random_image), rough.encode(random_image)
    error = np.abs(found.features - wanted.features).mean() / np.abs(wanted.features).mean()
    assert 0 < error < 0.05


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_compiled_is_torch_all_the_same():
    if shutil.which("g++") is None:
        pytest.skip("compiling for a CPU needs g++")
    network, pixels = Small().eval(), torch.ones(1, 3, 8, 8)
    compiled = start(network, pixels, RuntimeChoice("compile", "fp32"))
    assert compiled.name == "compile"
    expected = network(pixels)[0].detach().numpy()
    np.testing.assert_allclose(compiled(pixels.numpy())[0], expected, rtol=1e-5)


def test_an_object_is_found_by_any_engine(free):
    installed("openvino")
    photo, mask = samples.files(samples.PICTURES, 1)
    scene, _ = samples.files(samples.PICTURES, 2)
    masks = []
    for engine in ("torch", "openvino"):
        backbone = persam.load(device="cpu", engine=engine, precision="fp32")
        masks.append(persam.personalize(backbone, photo, mask=mask).segment(scene).mask)
    assert masks[0].any()
    assert (masks[0] != masks[1]).mean() < 1e-3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say")
def test_openvino_leaves_its_threads_to_every_core(random_image):
    """Shards side by side would all wait for the first core, with the others idle."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core")
    pocket = persam.load("pocket", engine="openvino")
    asking, seen = threading.get_native_id(), set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(frozenset(os.sched_getaffinity(asking)))

    watching = threading.Thread(target=watch)
    watching.start()
    for _ in range(3):
        assert pocket.encode(random_image).features.any()
    done.set()
    watching.join()
    assert seen == {frozenset(cores)}
