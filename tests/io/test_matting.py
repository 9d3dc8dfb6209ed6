from __future__ import annotations

import sys
from threading import get_ident

import drawn_alpha
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError, MissingExtra
from persam.io import matting

WIDTH = 10  # pixels of the band in scenes of 160


@pytest.mark.parametrize("cell", [1, 2])
@pytest.mark.parametrize("kind", drawn_alpha.KINDS)
def test_alpha_in_the_band_is_at_least_twice_as_near_the_truth_as_a_hard_mask(
    kind: str, cell: int
) -> None:
    scene = drawn_alpha.draw(kind)
    coarse = scene.coarse(cell)
    trimap = matting.make_trimap(coarse, WIDTH)
    band = trimap == 128
    found = matting.make_matte(scene.image, trimap).alpha
    hard_error = np.abs(coarse - scene.alpha)[band].mean()
    assert np.abs(found - scene.alpha)[band].mean() <= hard_error / 2


@pytest.mark.parametrize("kind", ["hair", "fur"])
def test_a_large_photo_is_solved_small_and_made_finer(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = drawn_alpha.draw(kind, 240)
    mask = scene.coarse(3)
    trimap = matting.make_trimap(mask, 15)
    band = trimap == 128
    solved: list[int] = []
    monkeypatch.setattr(matting, "_LARGEST", 160)
    tiles = matting._solve_tiles
    monkeypatch.setattr(
        matting, "_solve_tiles", lambda *args: solved.append(len(args[0])) or tiles(*args)
    )
    found = matting.make_matte(scene.image, trimap).alpha
    assert max(solved) <= 160
    assert np.abs(found - scene.alpha)[band].mean() <= np.abs(mask - scene.alpha)[band].mean() / 2
    assert np.array_equal(found[~band], mask[~band])


@pytest.mark.parametrize("kind", drawn_alpha.KINDS)
def test_colours_of_the_edge_lose_the_old_background(kind: str) -> None:
    scene = drawn_alpha.draw(kind)
    matte = matting.soft_edges(scene.image, scene.coarse(2), WIDTH)
    edge = (scene.alpha > 0.1) & (scene.alpha < 0.9) & (matte.alpha > 0)
    halo = np.abs(scene.image[edge].astype(float) - scene.colour[edge]).mean()
    left = np.abs(matte.colours[edge].astype(float) - scene.colour[edge]).mean()
    assert left < halo / 2


def test_outside_the_band_nothing_changes() -> None:
    scene = drawn_alpha.draw("fur")
    trimap = matting.make_trimap(scene.mask, 6)
    matte = matting.make_matte(scene.image, trimap)
    known = trimap != 128
    assert np.array_equal(matte.alpha[known], (trimap == 255)[known])
    assert np.array_equal(matte.colours[known], scene.image[known])


def test_a_long_edge_is_solved_in_tiles_without_seams() -> None:
    # A straight soft edge through several tiles: alpha depends on the column alone.
    height, width = 900, 64
    alpha = np.clip((np.arange(width) - 26) / 12, 0, 1).astype(np.float32)
    colours = 200 * alpha + 40 * (1 - alpha)
    image = np.broadcast_to(colours[None, :, None], (height, width, 3)).astype(np.uint8).copy()
    mask = np.broadcast_to(alpha > 0.5, (height, width)).copy()
    found = matting.soft_edges(image, mask, 10).alpha
    assert np.abs(found - alpha).max() < 0.05
    assert found.std(axis=0).max() < 0.01


@given(
    mask=st.integers(0, 2**64 - 1).map(
        lambda n: np.array([(n >> i) & 1 for i in range(64)], dtype=bool).reshape(8, 8)
    ),
    width=st.floats(0.5, 6),
)
def test_every_mask_keeps_something_sure(mask: np.ndarray, width: float) -> None:
    trimap = matting.make_trimap(mask, width)
    assert set(np.unique(trimap)) <= {0, 128, 255}
    assert (trimap == 255).any() == mask.any()
    assert mask[trimap == 255].all()
    assert not mask[trimap == 0].any()


def test_no_pixel_of_a_hair_is_surely_the_object() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[:, :20] = mask[30, :55] = mask[44:56, :45] = True  # a body, a hair and a leg
    trimap = matting.make_trimap(mask, 10)
    assert (trimap[30, 20:55] == 128).all()
    assert (trimap[48:52, 30] == 255).any()


def test_unsure_pixels_join_the_band_near_the_edge_alone() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[:, :20] = True
    unsure = np.zeros_like(mask)
    unsure[5, 24] = unsure[5, 39] = True  # 5 and 20 pixels outside
    trimap = matting.make_trimap(mask, 2, unsure)
    assert trimap[5, 24] == 128
    assert trimap[5, 39] == 0
    assert trimap[6, 24] == 0


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_all_or_nothing_has_no_edge(value: bool) -> None:
    image = np.full((30, 20, 3), 90, dtype=np.uint8)
    matte = matting.soft_edges(image, np.full((30, 20), value))
    assert (matte.alpha == value).all()
    assert np.array_equal(matte.colours, image)


def test_the_photo_given_is_not_changed() -> None:
    scene = drawn_alpha.draw("hair", side=80)
    before = scene.image.copy()
    matting.soft_edges(scene.image, scene.mask, 5)
    assert np.array_equal(scene.image, before)


def test_sizes_that_do_not_fit_are_named() -> None:
    image = np.zeros((4, 5, 3), dtype=np.uint8)
    with pytest.raises(InputError, match=r"\(4, 5, 3\) uint8 and \(5, 4\) uint8"):
        matting.make_matte(image, np.zeros((5, 4), dtype=np.uint8))


def test_a_missing_extra_is_answered_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[matting\]'.*--edges hard"):
        matting.require_matting()


def test_compiled_loops_are_loaded_in_a_thread_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where they are loaded they may set OpenMP's number of threads, and a network's with it."""
    load, threads = matting._pymatting, set()

    def loading():
        threads.add(get_ident())
        return load()

    monkeypatch.setattr(matting, "_pymatting", loading)
    matting.require_matting()
    scene = drawn_alpha.draw(drawn_alpha.KINDS[0])
    matting.soft_edges(scene.image, scene.coarse(2))
    assert len(threads) == 1
    assert get_ident() not in threads
