from __future__ import annotations

import importlib.util
import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from persam.errors import InputError, MissingExtra
from persam.io.images import read_colours, read_image
from persam.io.masks import check_mask, read_labels, read_mask

CASES = Path(__file__).parents[1] / "data" / "cases"
RED_BLUE = np.array([[[255, 0, 0], [0, 0, 255], [0, 255, 0]]], dtype=np.uint8)  # 1 x 3


@pytest.fixture
def photo(tmp_path: Path):
    def save(image: Image.Image | np.ndarray, name: str, **options: object) -> Path:
        path = tmp_path / name
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
        return path

    return save


def test_reads_path_string_pil_and_array_alike(photo) -> None:
    path = photo(RED_BLUE, "a.png")
    for source in (path, str(path), Image.fromarray(RED_BLUE), RED_BLUE):
        np.testing.assert_array_equal(read_image(source), RED_BLUE)


def test_the_answer_is_a_copy() -> None:
    image = RED_BLUE.copy()
    read_image(image)[:] = 0
    assert image.max() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_pictures_and_masks(photo, orientation: int) -> None:
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.swapaxes(a, 0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = turns[orientation](RED_BLUE)
    path = photo(RED_BLUE, "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), expected)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(image), expected)
    grey = photo(np.array([[0, 9, 200]], dtype=np.uint8), "mask.png", exif=exif)
    turned = turns[orientation](np.array([[0, 9, 200]], dtype=np.uint8))
    np.testing.assert_array_equal(read_mask(grey, turned.shape), turned)


def test_sixteen_bits_are_scaled_not_clipped(photo) -> None:
    path = photo(np.array([[0, 257, 32768, 65535]], dtype=np.uint16), "deep.png")
    assert read_image(path)[0, :, 0].tolist() == [0, 1, 128, 255]
    big_endian = photo(np.array([[0, 257, 65535]], dtype=np.uint16), "deep.tif")
    assert read_image(big_endian)[0, :, 1].tolist() == [0, 1, 255]


def test_transparency_is_laid_on_white(photo) -> None:
    pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], dtype=np.uint8)
    path = photo(Image.fromarray(pixels), "rgba.png")
    assert read_image(path).tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]


def test_colour_types(photo) -> None:
    grey = photo(np.full((2, 2), 77, dtype=np.uint8), "grey.jpg")
    assert read_image(grey).tolist() == [[[77] * 3] * 2] * 2
    palette = Image.fromarray(RED_BLUE).convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(read_image(photo(palette, "palette.png")), RED_BLUE)
    cmyk = photo(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "cmyk.jpg")
    assert np.abs(read_image(cmyk).astype(int) - (255, 0, 0)).max() < 8
    assert read_image(photo(Image.new("1", (1, 1), 1), "bit.png")).tolist() == [[[255] * 3]]


def test_first_frame_of_an_animation(photo) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = photo(frames[0], "moving.gif", save_all=True, append_images=frames[1:])
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 2, 3), dtype=np.int64), "int64"),
        (np.full((2, 2, 3), 1.5, dtype=np.float32), r"from 0 to 1; got 1\.5 to 1\.5"),
        (np.full((2, 2), -0.1), r"got -0\.1 to -0\.1\. Divide values of 0\.\.255 by 255"),
        (np.array([[0.5, np.nan]]), "replace NaN"),
        (np.array([[0.5, np.inf]]), "to inf"),
        (np.zeros((2, 2, 4), dtype=np.uint8), r"\(2, 2, 4\)"),
        (np.zeros((0, 2), dtype=np.uint8), r"\(0, 2\)"),
        (np.zeros((2, 2), dtype=bool), "bool"),
    ],
)
def test_odd_arrays_are_refused_by_name(array: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_image(array)


def test_unreadable_files_are_named_with_the_reason(tmp_path: Path, photo) -> None:
    whole = photo(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), "w.jpg")
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (tmp_path / "letter.jpg").write_text("Dear reader")
    (tmp_path / "nothing.png").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    reasons = {
        "cut.jpg": "damaged",
        "letter.jpg": "not a picture",
        "nothing.png": "not a picture",
        "folder.jpg": "a folder",
        "dangling.jpg": "No such file",
        "missing.jpg": "No such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_file_without_permission(photo) -> None:
    path = photo(RED_BLUE, "secret.png")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read_image(path)


@pytest.mark.skipif(
    importlib.util.find_spec("pillow_heif") is not None, reason="pillow-heif is installed"
)
@pytest.mark.parametrize("name", ["photo.heic", "really_heic.jpg"])
def test_heic_without_its_extra_says_what_to_install(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(64))
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[heif\]'") as caught:
        read_image(path)
    assert name in str(caught.value)


def test_more_pixels_than_the_limit_are_an_error(photo) -> None:
    path = photo(Image.new("1", (40, 40)), "bomb.png")
    with pytest.raises(InputError, match="1,000 pixels"):
        read_image(path, max_pixels=1000)
    assert read_image(path, max_pixels=1600).shape == (40, 40, 3)


def test_bytes_tensors_and_floats_are_pictures_too(photo) -> None:
    path = photo(RED_BLUE, "p.png")
    data = path.read_bytes()
    tensor = torch.from_numpy(RED_BLUE)
    sources = (data, BytesIO(data), tensor, tensor.permute(2, 0, 1), tensor / 255)
    for source in (*sources, RED_BLUE / 255, RED_BLUE.astype(np.uint16) * 257):
        np.testing.assert_array_equal(read_image(source), RED_BLUE)
    halves = torch.from_numpy(RED_BLUE / 255).to(torch.bfloat16)
    np.testing.assert_array_equal(read_image(halves), read_image(halves.float()))  # pyright: ignore
    np.testing.assert_array_equal(
        read_image(RED_BLUE.astype(">u2") * 257), read_image(RED_BLUE.astype(np.uint16) * 257)
    )
    closed = BytesIO(data)
    closed.close()
    refused = {
        "got a NoneType": None,
        "tensor that does not become an array": torch.zeros(3, 4, 4, device="meta"),
        "tensor that does not become an array: can't convert Sparse": tensor[..., 0].to_sparse(),
        "closed BytesIO": closed,
        r"The picture is not a picture of a format .* \(3 bytes\)": b"abc",
    }
    for said, source in refused.items():
        with pytest.raises(InputError, match=said):
            read_image(source)  # pyright: ignore[reportArgumentType]


def test_bytes_are_turned_and_limited_as_files_are(photo) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photo(Image.new("RGB", (40, 20)), "p.jpg", exif=exif)
    for source in (path, path.read_bytes()):
        assert read_image(source).shape == (40, 20, 3)
        assert read_image(source, upright=False).shape == (20, 40, 3)
        with pytest.raises(InputError, match="100 pixels"):
            read_image(source, max_pixels=100)


def test_twelve_bits_in_sixteen_are_as_bright_as_in_eight() -> None:
    deep, plain = (read_image(CASES / "deep-pictures" / f"mono{n}.png") for n in (12, 8))
    assert np.abs(deep.astype(int) - plain).max() <= 1


def test_transparent_photos_keep_their_colours_and_transparency() -> None:
    photo = CASES / "transparent-photo" / "ph" / "product_rgba.png"
    colours = read_colours(photo)
    with Image.open(photo) as image:
        np.testing.assert_array_equal(colours, np.array(image))
    assert read_colours(CASES / "transparent-photo" / "ph" / "cmyk.jpg").shape == (480, 640, 3)


def test_32_bit_pictures_are_refused(photo) -> None:
    path = photo(Image.new("F", (3, 3), 0.5), "float.tif")
    with pytest.raises(InputError, match="32 bits"):
        read_image(path)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]), data=st.data())
def test_damage_gives_a_picture_or_an_input_error(kind: str, data: st.DataObject) -> None:
    buffer = BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(buffer, kind)
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(1, len(raw)))]
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"persam-damage-{os.getpid()}"  # noqa: S108
    path.write_bytes(raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_image(path).shape[2] == 3
    except InputError as error:
        assert path.name in str(error)
    finally:
        path.unlink()


# -- masks


def test_mask_arrays() -> None:
    shape = np.array([[True, False]])
    assert read_mask(shape, (1, 2)).tolist() == [[255, 0]]
    assert read_mask(np.array([[7, 0]], dtype=np.uint8), (1, 2)).tolist() == [[7, 0]]
    assert read_mask(np.array([[1, 0]], dtype=np.uint16), (1, 2)).tolist() == [[1, 0]]
    assert read_mask(np.array([[65535, 0]], dtype=np.uint16), (1, 2)).tolist() == [[255, 0]]
    for wrong in (np.zeros((1, 2)), np.zeros((1, 2), dtype=np.int64)):
        with pytest.raises(InputError, match=str(wrong.dtype)):
            read_mask(wrong, (1, 2))


def test_mask_is_the_largest_channel_so_that_palettes_count(photo) -> None:
    indexed = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), mode="L").convert("P")
    indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 64, 0])
    assert read_mask(photo(indexed, "davis.png"), (1, 3)).tolist() == [[0, 128, 64]]


def test_alpha_is_the_mask_unless_it_is_opaque(photo) -> None:
    cut = np.array([[[9, 9, 9, 255], [250, 9, 9, 0]]], dtype=np.uint8)
    assert read_mask(photo(cut, "cut.png"), (1, 2)).tolist() == [[255, 0]]
    opaque = np.array([[[0, 0, 0, 255], [250, 9, 9, 255]]], dtype=np.uint8)
    assert read_mask(photo(opaque, "opaque.png"), (1, 2)).tolist() == [[0, 250]]


def test_mask_of_another_size_names_both(photo) -> None:
    path = photo(np.eye(3, dtype=np.uint8), "small.png")
    with pytest.raises(InputError, match=r"3x3.*640x480"):
        read_mask(path, (480, 640))


def test_masks_without_information_are_refused_unless_wanted(photo) -> None:
    empty = photo(np.zeros((2, 2), dtype=np.uint8), "empty.png")
    with pytest.raises(InputError, match=r"empty\.png is empty"):
        read_mask(empty, (2, 2))
    assert read_mask(empty, (2, 2), usable=False).max() == 0
    with pytest.raises(InputError, match="is empty"):
        check_mask(np.zeros((2, 2), dtype=np.uint8), full=False)


def test_masks_of_everything_are_refused_only_where_that_is_asked_for() -> None:
    whole = np.full((2, 2), 200, dtype=np.uint8)
    assert read_mask(whole, (2, 2)).tolist() == whole.tolist()
    with pytest.raises(InputError, match="covers the whole picture; is it inverted"):
        check_mask(whole, full=False)
    # Compression noise in the background is no object.
    check_mask(np.array([[255, 3]], dtype=np.uint8), full=False)


def test_pixels_as_they_are_stored(photo) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned = photo(Image.fromarray(RED_BLUE), "turned.png", exif=exif)
    assert np.array_equal(read_image(turned, upright=False), RED_BLUE)
    assert np.array_equal(read_image(turned), np.rot90(RED_BLUE, -1))
    with Image.open(turned) as image:
        assert np.array_equal(read_image(image, upright=False), RED_BLUE)
    labels = np.array([[1, 2, 3]], dtype=np.uint8)
    path = photo(Image.fromarray(labels), "labels.png", exif=exif)
    assert read_labels(path, (1, 3)).tolist() == [[1, 2, 3]]


def test_luminance_is_how_bright_a_colour_is(photo) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255], [0, 0, 0]]], dtype=np.uint8)
    path = photo(colours, "colours.png")
    assert read_labels(path, (1, 4), luminance=True).tolist() == [[76, 150, 255, 0]]
    with pytest.raises(InputError, match="type RGB"):
        read_labels(path, (1, 4))
