"""Any two runs into one folder, the second stopped anywhere, the first one again: its own bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from persam.album.run import LoaderOptions, Output, segment_album
from persam.album.targets import AlbumTarget
from persam.concept import Concept
from persam.methods.persam import personalize
from persam.models.loading import load

EXTRAS = frozenset({"cutouts", "overlays", "sheet"})
MINE = ("notes.txt", "mine.png", "cutouts/mine.png", "other/0.png", "sheet.txt")


class Killed(BaseException):
    """The run ends here."""


@pytest.fixture(scope="module")
def runs(tiny_sam_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What may be run into a folder, by name."""
    backbone = load(tiny_sam_folder, device="cpu")
    noise = np.random.default_rng(0)
    image = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    mask = np.zeros((48, 64), dtype=bool)
    mask[8:30, 10:40] = True
    first = personalize(backbone, image, mask=mask)
    plain = replace(first.variant, refine_mask=False, refine_box=False)  # one decoder call
    first = replace(first, variant=plain)
    (one,) = first.references
    second = replace(first, references=(replace(one, target_embedding=one.target_embedding * -3),))
    photos = []
    for number in range(2):
        photos.append(tmp_path_factory.getbasetemp() / f"killed-{number}.png")
        pixels = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos[-1])

    def run(target: Concept | dict[str, Concept] | AlbumTarget, save: frozenset[str]) -> Any:
        loader = LoaderOptions(batch=1, jobs=0)
        return lambda folder: segment_album(target, photos, Output(folder, save), loader=loader)

    return {
        "first": run(first, frozenset()),
        "first with extras": run(first, EXTRAS),
        "second": run(second, frozenset()),
        "second with extras": run(second, EXTRAS),
        "both": run({"a": first, "b": second}, EXTRAS),
        "instances": run(AlbumTarget.of(second, instances=True), frozenset()),
    }


def results(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("*.png"), *folder.glob("cutouts/*.png"), *folder.glob("overlays/*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if "mine" not in p.name}


NAMES = st.sampled_from(
    ["first", "first with extras", "second", "second with extras", "both", "instances"]
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.tuples(NAMES, NAMES), moment=st.integers(0, 12), after=st.booleans())
def test_the_first_runs_bytes_come_back(
    runs, tmp_path_factory, names: tuple[str, str], moment: int, after: bool
):
    one, other = names
    folder = tmp_path_factory.mktemp("killed")
    for name in MINE:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"a person's")
    runs[one](folder)
    wanted = results(folder)
    with pytest.MonkeyPatch.context() as patch:
        _kill_at(patch, moment, after=after)
        with suppress(Killed):
            runs[other](folder)
    summary = runs[one](folder)
    assert summary.by_hand == ()
    found = results(folder)
    assert {name: found[name] for name in wanted} == wanted
    assert [(folder / name).read_bytes() for name in MINE] == [b"a person's"] * len(MINE)
    assert not list(folder.rglob("*.part"))


def _kill_at(patch: pytest.MonkeyPatch, moment: int, *, after: bool) -> None:
    """End the run before or after the file with this number is put in its place."""
    count, replace_file = [0], Path.replace

    def replaced(self: Path, target: Path) -> Any:
        count[0] += 1
        if count[0] == moment and not after:
            raise Killed
        done = replace_file(self, target)
        if count[0] == moment:
            raise Killed
        return done

    patch.setattr(Path, "replace", replaced)
