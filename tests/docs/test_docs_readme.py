"""The README's own commands and code, run as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.io.images import read_image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
SHOWN = ["segment", "learn", "evaluate", "track", "dreambooth", "find", "doctor", "correct"]
SHOWN += ["merge", "index"]
COMMANDS = [
    line
    for language, block in BLOCKS
    if language == ""
    for line in block.splitlines()
    if line.startswith(tuple(f"persam {name}" for name in SHOWN))
]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with what the README's commands name."""
    (tmp_path / "photos").mkdir()
    own = {"dog.jpg": 0, "park.jpg": 1, "beach.jpg": 3, "mug.jpg": 3, "other.jpg": 5}
    for name, number in {**own, "photos/first.jpg": 2}.items():
        image, mask = samples.files(samples.PICTURES, number)
        (tmp_path / name).write_bytes(image.read_bytes())
        if "/" not in name:
            (tmp_path / name).with_suffix(".png").write_bytes(mask.read_bytes())
    with tarfile.open(tmp_path / "album.tar", "w") as tar:
        tar.add(tmp_path / "photos" / "first.jpg", arcname="first.jpg")
    (tmp_path / "corrected").mkdir()
    shutil.copy(samples.files(samples.PICTURES, 2)[1], tmp_path / "corrected" / "first.png")
    samples.copy(tmp_path / "DATA")
    (tmp_path / "clip").mkdir()
    for number in range(3):
        (tmp_path / "clip" / f"{number:02}.jpg").write_bytes((tmp_path / "dog.jpg").read_bytes())
    _clip(tmp_path / "clip.mp4", tmp_path / "dog.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _clip(path: Path, picture: Path) -> None:
    av = pytest.importorskip("av", reason="pip install 'persam[video]'")
    frame = av.VideoFrame.from_ndarray(read_image(picture)[:240, :320].copy(), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=320, height=240)
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)


def test_the_readme_has_commands():
    assert {command.split()[1] for command in COMMANDS} == set(SHOWN)


def test_the_commands_work_in_their_order(desk):
    for command in COMMANDS:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
    assert (desk / "results" / "first.png").is_file()
    assert (desk / "results" / "manifest.jsonl").is_file()
    assert (desk / "report.json").is_file()


def test_the_python_works(desk):
    names: dict[str, object] = {}
    for code in (block for language, block in BLOCKS if language == "python"):
        exec(code, names)  # noqa: S102  (the README's own code)
    assert names["found"].mask.any()
    assert (desk / "dog.safetensors").is_file()


def test_no_number_is_missing():
    for name in ("README.md", "benchmarks/README.md", "persam/weights/pocket.md"):
        assert "@@" not in (ROOT / name).read_text(encoding="utf-8")


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_exists(page):
    for target, anchor in re.findall(
        r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text("utf-8")
    ):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in _anchors(path), f"{target}#{anchor}"


def _anchors(page):
    """Of a page's headings, as they are linked to: small, without marks, a dash for a space."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def test_the_tree_is_the_one_of_architecture_and_true():
    (tree,) = (block for _, block in BLOCKS if block.startswith("persam/\n"))
    assert tree in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package, _, around = tree.partition("benchmarks/")
    place = folder = ROOT / "persam"
    for line in package.splitlines()[1:]:
        if entry := re.match(r"[├└]── ((?:[\w.]+/? )+)", line):
            named = entry[1].split()
            assert all((place / name).exists() for name in named), line
            folder = place / named[0] if len(named) == 1 else place
        for name in re.findall(r"\b\w+\.py\b", line):
            assert (place / name).exists() or (folder / name).exists(), line
    assert all((ROOT / name).is_dir() for name in re.findall(r"^\w+/", around, re.MULTILINE))
