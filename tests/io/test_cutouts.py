from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import drawn_alpha
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError, MissingExtra
from persam.io.cutouts import CutoutStyle, make_cutout

if TYPE_CHECKING:
    from pathlib import Path

HARD = CutoutStyle("hard")


def _square() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:30, 20:50] = True
    image[mask] = (200, 30, 30)
    return image, mask


def test_hard_edges_keep_the_object_and_hide_nothing_elsewhere() -> None:
    image, mask = _square()
    found = make_cutout(image, mask, HARD)
    assert np.array_equal(found[mask][:, :3], image[mask])
    assert (found[mask][:, 3] == 255).all()
    assert (found[~mask] == 0).all()


def test_soft_edges_are_the_default_and_have_values_between() -> None:
    scene = drawn_alpha.draw("hair")
    found = make_cutout(scene.image, scene.coarse(2), width=10)
    alpha = found[..., 3]
    assert ((alpha > 0) & (alpha < 255)).sum() > 200
    assert (found[alpha == 0] == 0).all()


@pytest.mark.parametrize(
    ("margin", "size"), [(None, (40, 60)), (0.0, (20, 30)), (0.1, (26, 36)), (5.0, (40, 60))]
)
def test_crop_leaves_a_margin_within_the_photo(margin: float | None, size: tuple[int, int]) -> None:
    image, mask = _square()
    found = make_cutout(image, mask, CutoutStyle("hard", crop=margin))
    assert found.shape == (*size, 4)
    assert (found[..., 3] == 255).sum() == mask.sum()


def test_an_empty_mask_gives_an_empty_cutout_of_the_photos_size() -> None:
    image, mask = _square()
    found = make_cutout(image, np.zeros_like(mask), CutoutStyle("soft", crop=0.0))
    assert found.shape == (40, 60, 4)
    assert not found.any()
    with pytest.raises(InputError, match=r"\(40, 60, 3\)"):
        make_cutout(image, np.zeros((30, 60), dtype=bool))


@pytest.mark.parametrize("word", ["white", "#ffffff"])
def test_a_colour_lies_behind(word: str) -> None:
    image, mask = _square()
    found = make_cutout(image, mask, CutoutStyle("hard", background=word))
    assert found.shape == (40, 60, 3)
    assert (found[~mask] == 255).all()
    assert np.array_equal(found[mask], image[mask])


def test_a_picture_lies_behind_scaled_to_cover(tmp_path: Path) -> None:
    image, mask = _square()
    Image.new("RGB", (10, 10), (0, 0, 250)).save(tmp_path / "sea.png")
    found = make_cutout(image, mask, CutoutStyle("hard", background=str(tmp_path / "sea.png")))
    assert (found[~mask] == (0, 0, 250)).all()


def test_a_blurred_background_has_no_glow_of_the_object() -> None:
    image, mask = _square()
    found = make_cutout(image, mask, CutoutStyle("hard", background="blur"))
    assert np.abs(found[~mask].astype(int) - 100).max() <= 1
    assert np.array_equal(found[mask], image[mask])


def test_soft_edges_mix_with_the_background_by_alpha() -> None:
    scene = drawn_alpha.draw("fur")
    style = CutoutStyle(background="#00ff00")
    found = make_cutout(scene.image, scene.coarse(2), style, width=10).astype(float)
    share = scene.alpha[..., None]
    wanted = scene.colour * share + np.array((0, 255, 0)) * (1 - share)
    hard = np.where(scene.mask[..., None], scene.image, np.array((0, 255, 0)))
    edge = (scene.alpha > 0) & (scene.alpha < 1)
    assert np.abs(found - wanted)[edge].mean() < np.abs(hard - wanted)[edge].mean() / 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"edges": "fluffy"}, "soft or hard; got 'fluffy'"),
        ({"format": "jpg"}, "png or webp; got 'jpg'"),
        ({"crop": -0.1}, "between 0 and 10"),
        ({"background": "no such colour"}, "no colour and no file"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        CutoutStyle(**options)


def test_the_extra_is_asked_for_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(MissingExtra, match="persam\\[matting\\]"):
        CutoutStyle().check()
    HARD.check()
