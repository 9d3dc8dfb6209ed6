from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def text(result: Result) -> str:
    return " ".join(result.output.split())


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def shown(tmp_path: Path, tiny_sam_folder: Path) -> list[object]:
    """The words that show an object to the tiny model."""
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[10:40, 20:50] = 255
    Image.fromarray(picture(0)).save(tmp_path / "ref.png")
    Image.fromarray(mask).save(tmp_path / "ref-mask.png")
    where = [tmp_path / "ref.png", "--mask", tmp_path / "ref-mask.png"]
    return ["--reference", *where, "--model", tiny_sam_folder, "--device", "cpu"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (1, 2, 10):
        Image.fromarray(picture(number)).save(folder / f"IMG_{number}.jpg")
    return folder


def lines(out: Path) -> dict[str, dict[str, object]]:
    parsed = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    return {Path(line["input"]).name: line for line in parsed}


def test_help_is_light() -> None:
    code = (
        "import sys, persam.cli; from typer.testing import CliRunner;"
        "assert CliRunner().invoke(persam.cli.app, ['--help']).exit_code == 0;"
        "assert CliRunner().invoke(persam.cli.app, ['segment', '--help']).exit_code == 0;"
        "heavy = {'torch', 'transformers', 'scipy', 'numpy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_command_and_option_has_help() -> None:
    import typer

    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # pyright: ignore
        assert command.help, name
        for option in command.params:
            if option.param_type_name == "option" and option.name != "help":
                assert option.help, f"{name} {option.name}"


def test_a_folder_of_photos(shown: list[object], photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("segment", *shown, photos, "--out", out)
    assert result.exit_code == 0, result.output
    assert "of 3 photos" in text(result)
    assert sorted(path.name for path in out.glob("*.png")) == [
        "IMG_1.png", "IMG_10.png", "IMG_2.png"
    ]  # fmt: skip
    assert list(lines(out)) == ["IMG_1.jpg", "IMG_2.jpg", "IMG_10.jpg"]

    again = run("segment", *shown, photos, "--out", out)
    assert again.exit_code == 0
    assert "3 photos skipped, done already" in text(again)
    assert "skipped" not in text(run("segment", *shown, photos, "--out", out, "--overwrite"))
    # Another recipe is another result.
    other = run("segment", *shown, photos, "--out", out, "--without", "negative-point")
    assert "skipped" not in text(other)


def test_saves_what_is_asked_for(shown: list[object], photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = run("segment", *shown, photos, "--out", out, "--save", "masks, cutouts,overlays,sheet")
    assert asked.exit_code == 0, asked.output
    assert "sheet.html" in asked.output
    assert len(list((out / "cutouts").glob("*.png"))) == 3
    assert len(list((out / "overlays").glob("*.jpg"))) == 3
    refused = run("segment", *shown, photos, "--out", out, "--save", "movies")
    assert refused.exit_code == 2
    assert "got 'movies'" in text(refused)


def odd_folder(folder: Path) -> dict[str, tuple[int, int] | str]:
    """Fill a folder with what people's folders hold: name -> size of the mask, or the error."""
    folder.mkdir()
    good = picture(3)
    Image.fromarray(good).save(folder / "whole.jpg")
    (folder / "corrupt.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:700])
    (folder / "letter.jpg").write_text("Dear reader")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(64))
    Image.fromarray(good[:1, :1]).save(folder / "one.png")
    Image.fromarray(good[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(good).convert("CMYK").save(folder / "print.jpg")
    Image.fromarray(good).convert("RGBA").save(folder / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(good).save(folder / "turned.jpg", exif=exif)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "empty").mkdir()
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to(folder / "gone.png")
    Image.fromarray(good).save(folder / "secret.png")
    (folder / "secret.png").chmod(0)
    readable = os.access(folder / "secret.png", os.R_OK)  # the superuser's case
    heif = importlib.util.find_spec("pillow_heif") is not None
    return {
        "whole.jpg": (48, 64),
        "corrupt.jpg": "damaged",
        "letter.jpg": "not a picture",
        "phone.heic": "not a HEIC picture" if heif else "pip install 'persam[heif]'",
        "one.png": (1, 1),
        "deep.png": (48, 64),
        "print.jpg": (48, 64),
        "clear.png": (48, 64),
        "turned.jpg": (64, 48),
        "folder.png": "is a folder",
        "dangling.png": "No such file",
        "secret.png": (48, 64) if readable else "Permission denied",
    }


def test_whatever_lies_in_the_folder_gets_a_mask_or_one_clear_line(
    shown: list[object], tmp_path: Path
) -> None:
    folder, bare, out = tmp_path / "odd", tmp_path / "bare", tmp_path / "out"
    expected = odd_folder(folder) | {"bare": "is a folder"}
    bare.mkdir()
    result = run("segment", *shown, folder, bare, "--out", out)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    found = lines(out)
    assert set(found) == set(expected)
    for name, wanted in expected.items():
        if isinstance(wanted, str):
            assert wanted in str(found[name]["error"]), name
            told = [line for line in result.output.splitlines() if f"/{name}" in line]
            assert len(told) == 1, (name, told)
            assert wanted in told[0]
        else:
            with Image.open(out / str(found[name]["output"])) as mask:
                assert (mask.height, mask.width) == wanted, name
                assert set(np.unique(np.array(mask))) <= {0, 255}
    assert "Left out of the folders, as no picture files: 2 entries" in text(result)
    assert ".DS_Store" in result.output


def _mask(kind: str) -> np.ndarray:
    mask = np.zeros((20, 20) if kind == "other size" else (48, 64), dtype=np.uint8)
    if kind == "full":
        mask[:] = 255
    if kind in ("other size", "tiny"):
        mask[5, 5] = 255
    return mask


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("empty", (2, "is empty")),
        ("full", (2, "covers the whole picture")),
        ("other size", (2, "20x20, but its picture is 64x48")),
        ("tiny", (0, "of 3 photos")),
    ],
)
def test_reference_masks(
    shown: list[object], photos: Path, tmp_path: Path, kind: str, expected: tuple[int, str]
) -> None:
    Image.fromarray(_mask(kind)).save(tmp_path / "ref-mask.png")
    result = run("segment", *shown, photos, "--out", tmp_path / "out")
    assert result.exit_code == expected[0], result.output
    assert expected[1] in text(result)
    assert "Traceback" not in result.output


def test_concept_files(shown: list[object], photos: Path, tmp_path: Path) -> None:
    concept, out = tmp_path / "dog.safetensors", tmp_path / "out"
    learnt = run("learn", *shown[1:], "--out", concept)
    assert learnt.exit_code == 0, learnt.output
    result = run("segment", "--concept", concept, photos, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    direct = run("segment", *shown, photos, "--out", tmp_path / "direct")
    assert direct.exit_code == 0, direct.output
    for path in out.glob("*.png"):
        assert path.read_bytes() == (tmp_path / "direct" / path.name).read_bytes()
    unread = run("segment", "--concept", concept, photos, "--out", out, "--method", "persam-f")
    assert unread.exit_code == 2
    assert "--method would do nothing" in text(unread)


def test_bad_usage_is_one_line_and_code_2(
    shown: list[object], photos: Path, tmp_path: Path
) -> None:
    out = ["--out", tmp_path / "out"]
    picture_only = [*shown[:2], *shown[4:]]
    bare = tmp_path / "bare"
    bare.mkdir()
    for words, said in (
        ([photos, *out], "got neither"),
        ([photos, *out, *shown, "--concept", "x.safetensors"], "got both"),
        ([photos, *out, *picture_only], "got none of them"),
        ([photos, *out, *shown, "--box", "1,2,3,4"], "--mask and --box"),
        ([photos, *out, *picture_only, "--box", "1,2,x"], "--box takes 4 numbers"),
        ([photos, *out, *picture_only, "--point", "900,3"], "inside the 64x48 picture"),
        ([bare, *out, *shown], "No pictures in"),
        ([photos, "--out", photos, *shown], "is a folder of photos"),
        ([photos, *out, "--concept", tmp_path / "gone"], "cannot be read"),
    ):
        result = run("segment", *words)
        assert (result.exit_code, said in text(result)) == (2, True), (said, result.output)
        assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_reference_and_mask_are_never_written_over(
    shown: list[object], photos: Path, tmp_path: Path
) -> None:
    Image.fromarray(picture(1)).save(photos / "ref-mask.jpg")
    before = (tmp_path / "ref-mask.png").read_bytes()
    result = run("segment", *shown, photos / "ref-mask.jpg", "--out", tmp_path)
    assert result.exit_code == 2
    assert "would be written over" in text(result)
    assert (tmp_path / "ref-mask.png").read_bytes() == before


def test_quiet_says_only_what_went_wrong(shown: list[object], photos: Path, tmp_path: Path) -> None:
    assert run("segment", *shown, photos, "--out", tmp_path / "out", "--quiet").output == ""
    (photos / "IMG_1.jpg").write_text("no picture")
    result = run("segment", *shown, photos, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 1
    assert "IMG_1.jpg is not a picture" in text(result)


def test_file_names_that_are_no_text_or_look_like_markup(
    shown: list[object], tmp_path: Path
) -> None:
    names = [os.fsdecode(b"caf\xe9.jpg"), "[bold]x[red].jpg"]
    for name in names:
        (tmp_path / name).write_text("no picture")
    result = run("segment", *shown, *(tmp_path / n for n in names), "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "[bold]x[red].jpg is not a picture" in text(result)
    assert r"caf\udce9.jpg is not a picture" in text(result)


def test_a_plugin_goes_with_the_model_and_into_the_concept(shown, photos, tmp_path) -> None:
    from persam.models.stable_sam.modules import StableOptions
    from persam.models.stable_sam.plugin_file import plugin_bytes, untrained

    plugin = tmp_path / "plugin.safetensors"
    plugin.write_bytes(plugin_bytes(untrained(32, StableOptions(), "tiny")))
    plain = run("segment", photos, *shown, "--out", tmp_path / "plain")
    stable = run("segment", photos, *shown, "--plugin", plugin, "--out", tmp_path / "stable")
    assert (plain.exit_code, stable.exit_code) == (0, 0), text(stable)
    for name in lines(tmp_path / "plain"):
        masks = [tmp_path / out / f"{Path(name).stem}.png" for out in ("plain", "stable")]
        assert masks[0].read_bytes() == masks[1].read_bytes()  # untrained, it changes nothing
    concept = tmp_path / "object.safetensors"
    reference, *rest = shown[1:]
    assert run("learn", reference, *rest, "--plugin", plugin, "--out", concept).exit_code == 0
    found = run("segment", photos, "--concept", concept, "--device", "cpu", "--out", tmp_path / "c")
    assert found.exit_code == 0, text(found)
    refused = run("segment", photos, "--concept", concept, "--stable", "--out", tmp_path / "d")
    assert refused.exit_code == 2 and "--stable would do nothing" in text(refused)


def test_one_plugin_is_enough(shown, photos, tmp_path) -> None:
    both = run("segment", photos, *shown, "--stable", "--plugin", "x.st", "--out", tmp_path / "out")
    assert both.exit_code == 2 and "leave it or --plugin x.st out" in text(both)


def test_a_plugin_that_is_not_there_is_named(shown, photos, tmp_path) -> None:
    words = [*shown, "--plugin", tmp_path / "none.safetensors", "--out", tmp_path / "out"]
    missing = run("segment", photos, *words)
    assert missing.exit_code == 2 and "none.safetensors cannot be read" in text(missing)


def test_a_second_object_out_of_the_cache(
    shown: list[object], photos: Path, tmp_path: Path
) -> None:
    cache = ("--cache", tmp_path / "kept")
    first = run("segment", *shown, photos, "--out", tmp_path / "one", *cache, "--batch", 2)
    assert first.exit_code == 0, first.output
    files = {path: path.stat().st_ino for path in (tmp_path / "kept").rglob("*.*")}
    assert len(files) == 2 * 3
    again = run("segment", *shown, photos, "--out", tmp_path / "two", *cache, "--jobs", 1)
    assert again.exit_code == 0, again.output
    assert files == {path: path.stat().st_ino for path in (tmp_path / "kept").rglob("*.*")}
    for number in (1, 2, 10):
        one, two = ((tmp_path / out / f"IMG_{number}.png").read_bytes() for out in ("one", "two"))
        assert one == two
