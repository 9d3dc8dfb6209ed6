"""The story: five labelled pictures of two classes in, the rest out, in every tool's format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import plush
import pytest
from lib.tool_openers import TOOLS
from made_albums import ALBUMS, LABELLED, MadeAlbum
from typer.testing import CliRunner

from persam.cli import app
from persam.io.labels import read_label_set, write_label_set

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's packages


@dataclass(frozen=True)
class Told:
    """What came of the story.

    Attributes:
        album: which pictures.
        format: of the labels.
        given: folder of the labels that a person made.
        made: folder of all labels.
        said: by the commands.
    """

    album: MadeAlbum
    format: str
    given: Path
    made: Path
    said: str


# Every format with the drawn album; with large photos run lengths and brushes.
STORIES = [("drawn", kind) for kind in TOOLS]
STORIES += [("personal", kind) for kind in ("coco", "label-studio")]


@pytest.fixture(scope="module")
def albums(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MadeAlbum]:
    """Give an album by its name, made once."""
    return cache(lambda name: ALBUMS[name](tmp_path_factory.mktemp(name) / "photos"))


@pytest.fixture(scope="module", params=STORIES, ids="-".join)
def told(
    request: pytest.FixtureRequest,
    albums: Callable[[str], MadeAlbum],
    tmp_path_factory: pytest.TempPathFactory,
) -> Told:
    name, kind = request.param
    album, folder = albums(name), tmp_path_factory.mktemp(kind)
    write_label_set(album.labelled(), folder / "given", kind)
    learnt, out = folder / "pets.safetensors", folder / "out"
    kept = album.folder.parent / "cache"  # the pictures are the same for every format
    said = run("learn", folder / "given", "--images", album.folder, "--out", learnt)
    words = ("segment", "--concept", learnt, album.folder, "--out", out, "--cache", kept)
    said += run(*words, "--save", kind)
    return Told(album, kind, folder / "given", out / "labels" / kind, said)


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split()) + "\n"


def test_a_few_are_labelled_and_the_rest_is_found(told: Told):
    assert f"{LABELLED} photos labelled by hand, left as labelled" in told.said
    found = read_label_set(told.made)
    given = read_label_set(told.given, [told.album.folder])
    assert found.problems == given.problems == ()
    assert found.classes == given.classes
    assert [one.name for one in found.classes] == [one.name for one in told.album.classes]
    by = {Path(one.name).stem: one for one in found.pictures}
    assert by.keys() == told.album.truth.keys()
    for number, (stem, truth) in enumerate(told.album.truth.items()):
        assert {one.name for one in by[stem].labels} == set(truth)
        for label in by[stem].labels:
            by_hand = number < LABELLED
            assert label.origin.by == ("person" if by_hand else "model")
            assert plush.iou(label.mask, truth[label.name]) > (0.97 if by_hand else 0.7)


def test_the_tools_own_library_opens_both(told: Told):
    """Names and ids of the classes are equal, and every picture shows what it should."""
    tool = TOOLS[told.format]
    pytest.importorskip(tool.module, reason=f"{tool.package} is not installed")
    given, made = tool.open(told.given), tool.open(told.made)
    assert given.classes == made.classes
    assert list(made.classes.values()) == [one.name for one in told.album.classes]
    assert made.pictures == {stem: sorted(kinds) for stem, kinds in told.album.truth.items()}
    assert given.pictures == {stem: made.pictures[stem] for stem in given.pictures}
    assert len(given.pictures) == LABELLED
