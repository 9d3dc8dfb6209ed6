"""The explanation of an answer: its stages, its page and its figure."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import persam
from persam import samples
from persam.cli import app
from persam.explanation import Section, panels
from persam.explanation.page import page
from persam.variants import Variant

STEPS = ["First mask", "Cascaded refinement 1", "Cascaded refinement 2"]


@pytest.fixture(scope="module")
def pocket():
    return persam.load("pocket", device="cpu")


@pytest.fixture(scope="module")
def photos() -> list[tuple[Path, Path]]:
    return [samples.files(samples.PICTURES, number) for number in (0, 1)]


def titles(found) -> list[str]:
    return [section.title for section in found.sections]


def test_persam_f_shows_every_stage(pocket, photos):
    (reference, mask), (photo, _) = photos
    dog = persam.finetune(pocket, reference, mask=mask)
    found = persam.explain(dog, photo, reference=reference)
    assert titles(found)[:3] == ["Answer", "Reference", "Location confidence map"]
    asked = STEPS[: 1 + dog.variant.refine_mask + dog.variant.refine_box]
    looked = "second_look_box_xyxy" in found.prediction.trace
    assert titles(found)[-len(asked) - looked :] == asked + looked * ["Second look"]
    first = next(section for section in found.sections if section.title == "First mask")
    assert len(first.panels) == 4  # three masks, and their weighted sum, which goes on
    assert [panel.chosen for panel in first.panels] == [False, False, False, True]
    weights = [float(re.findall(r"weight (-?\d+\.\d+)", p.caption)[0]) for p in first.panels[:3]]
    assert sum(weights) == pytest.approx(1, abs=0.02)
    # The answer is the one that segment gives, and exactly one step says that it is it.
    np.testing.assert_array_equal(found.prediction.mask, dog.segment(photo).mask)
    final = [section for section in found.sections if "is the answer" in section.text]
    assert len(final) == 1
    assert sum(panel.chosen for panel in final[0].panels) == 1


def test_the_official_recipe_has_a_guide_and_no_mask_prompt(tiny, photos):
    (reference, mask), (photo, _) = photos
    dog = persam.personalize(tiny("sam"), reference, mask=mask, variant="official")
    found = persam.explain(dog, photo, reference=reference)
    assert "Target-guided attention" in titles(found)
    assert "Location prior as mask prompt" not in titles(found)
    assert [title for title in titles(found) if title in STEPS] == STEPS
    assert "No calibration" in found.sections[0].text


def test_an_absent_object_is_said_to_be(pocket, photos):
    (reference, mask), _ = photos
    dog = persam.personalize(pocket, reference, mask=mask)
    grey = np.full((60, 80, 3), 127, dtype=np.uint8)
    found = persam.explain(dog, grey, reference=reference)
    assert "called absent, so the decoder was not asked" in found.sections[0].text
    assert not set(titles(found)) & set(STEPS)


def test_a_concept_of_a_file_has_no_picture(pocket, photos, tmp_path):
    (reference, mask), (photo, _) = photos
    persam.personalize(pocket, reference, mask=mask).save(tmp_path / "dog.safetensors")
    dog = persam.Concept.load(tmp_path / "dog.safetensors", pocket)
    shown = next(s for s in persam.explain(dog, photo).sections if s.title == "Reference")
    assert "keeps no picture" in shown.text
    assert shown.panels == ()


class Sources(HTMLParser):
    """Everything that a page would load, and how its tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.sources += [given[name] for name in ("src", "href") if given.get(name)]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(pocket, photos, tmp_path):
    (reference, mask), (photo, _) = photos
    dog = persam.personalize(pocket, reference, mask=mask)
    found = persam.explain(dog, photo, reference=reference)
    found.write(tmp_path / "out.html")
    parser = Sources()
    parser.feed((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert parser.open == []
    assert len(parser.sources) == sum(len(section.panels) for section in found.sections)
    for source in parser.sources:
        kind, data = source.split(",", 1)
        assert kind == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) <= panels.SIDE
    assert found._repr_html_() == found.html()
    assert len(repr(found)) < 100
    assert found.figure().width > 2 * panels.SIDE * 0.5


def test_what_comes_from_files_is_escaped():
    text = page("<b>&.jpg", {"model": "<i>"}, [Section("a<b", "1 < 2 & 3")])
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;.jpg" in text
    assert "1 &lt; 2 &amp; 3" in text


def test_the_command_writes_a_page_or_a_picture(photos, tmp_path):
    (reference, mask), (photo, _) = photos
    words = ["explain", str(photo), "--reference", str(reference), "--mask", str(mask)]
    for name in ("dog.html", "dog.png"):
        result = CliRunner().invoke(app, [*words, "--device", "cpu", "--out", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "Presence" in result.output
    assert (tmp_path / "dog.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with Image.open(tmp_path / "dog.png") as figure:
        assert figure.width > panels.SIDE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of --concept and --reference"),
        (("--concept", "a", "--reference", "b"), "one of --concept and --reference"),
        (("--concept", "a"), "names a page"),
    ],
)
def test_what_cannot_be_explained(words, said, tmp_path):
    result = CliRunner().invoke(app, ["explain", "a.jpg", *words, "--out", "a.txt"])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_colours_go_from_dark_to_bright():
    ramp = panels.heat(np.linspace(-3, 5, 40)[None])[0].astype(int)
    light = ramp @ [299, 587, 114]
    assert (np.diff(light) > 0).all()
    flat = panels.heat(np.full((2, 2), 7.0))
    assert (flat == flat[0, 0]).all()


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    )
)
@settings(deadline=None, max_examples=30)
def test_tiles_show_every_picture_whole(sizes):
    blue = {
        f"row {number}": [np.full((*size, 3), (0, 0, 255), np.uint8) for size in row]
        for number, row in enumerate(sizes)
    }
    sheet = panels.tiles(blue, gap=2)
    pixels = sum(height * width for row in sizes for height, width in row)
    assert np.count_nonzero((sheet == (0, 0, 255)).all(axis=2)) == pixels
    assert (np.ptp(sheet, axis=2) == 0).sum() + pixels == sheet[..., 0].size  # all else is grey


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_second_look_is_a_stage_of_its_own(pocket, photos, share):
    (reference, mask), _ = photos
    photo, _ = samples.files(samples.PICTURES, 2)  # the smallest dog
    recipe = replace(Variant.named("pocket", "persam"), second_look=share)
    dog = persam.personalize(pocket, reference, mask=mask, variant=recipe)
    found = persam.explain(dog, photo)
    final = [section.title for section in found.sections if "is the answer" in section.text]
    np.testing.assert_array_equal(found.prediction.mask, dog.segment(photo).mask)
    if share == 0:
        assert final[0] in STEPS
        return
    assert final == ["Second look"] == titles(found)[-1:]
    x0, y0, x1, y1 = found.prediction.trace["second_look_box_xyxy"].tolist()
    assert not found.prediction.mask[:y0].any() and not found.prediction.mask[:, :x0].any()
    assert found.prediction.mask[y0 : y1 + 1, x0 : x1 + 1].any()
