"""No command replaces or removes a file that it did not make, wherever that lies among its results.

Every command first runs into a new folder, which says what it writes. Then, for each of these
files, it runs into a folder in which a person has put one of that name; and once more into its own
results, of which somebody has changed one. What a person made is there afterwards in any case.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.io.own_files import OWN_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result


THEIRS = b"a person's"
# What a run writes down for itself, line by line; a person's own file of that name is left, but
# what somebody adds to a run's is not a result that is lost.
RECORDS = (
    *(OWN_FILES, "manifest.jsonl", "run.json", "predictions.jsonl", "subject.json"),
    "report.json",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small photos with masks, a clip of two frames, a data set, a concept and a report."""
    desk = tmp_path_factory.mktemp("desk")
    samples.copy(desk / "all")
    for number in (0, 1):
        photo, mask = samples.files(desk / "all", number)
        for kind, path in (("Images", photo), ("Annotations", mask)):
            target = desk / "data" / kind / "dog" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.resize((96, 72), Image.Resampling.NEAREST).save(target)
    (desk / "frames").mkdir()
    with Image.open(desk / "data/Images/dog/00.jpg") as image:
        for number in range(2):
            Image.fromarray(np.roll(np.asarray(image), number, axis=1)).save(
                desk / "frames" / f"{number}.png"
            )
    done = run(
        "learn", desk / "data/Images/dog/00.jpg", *shown(desk), "--out", desk / "dog.safetensors"
    )
    assert done.exit_code == 0, done.output
    for words in (
        (*commands(desk, desk / "run")["segment"], "--save", "masks,coco"),
        (
            "evaluate",
            "perseg",
            desk / "data",
            "--json",
            desk / "report.json",
            "--out",
            desk / "eval",
        ),
    ):
        assert run(*words).exit_code == 0
    (desk / "run" / "labels" / "coco").rename(desk / "labels")
    return desk


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def shown(desk: Path) -> tuple[object, ...]:
    return "--mask", desk / "data/Annotations/dog/00.png"


def commands(desk: Path, out: Path) -> dict[str, tuple[object, ...]]:
    """The words of each command, all of whose results go into a folder."""
    photos, photo = desk / "data/Images/dog", desk / "data/Images/dog/00.jpg"
    concept = ("--concept", desk / "dog.safetensors")
    save = ("--save", "masks,cutouts,overlays,sheet,coco")
    return {
        "segment": ("segment", photos, *concept, *save, "--jobs", 0, "--batch", 1, "--out", out),
        "track": (
            *("track", desk / "frames", "--first-mask", shown(desk)[1]),
            *("--save", "masks,cutouts,coco", "--out", out),
        ),
        "evaluate": (
            *("evaluate", "perseg", desk / "data", "--out", out / "run"),
            *("--save-masks", out / "masks", "--json", out / "report.json"),
        ),
        "learn": ("learn", photo, *shown(desk), "--out", out / "dog.safetensors"),
        "find": ("find", photos, *concept, "--out", out / "hits.jsonl"),
        "explain": (
            *("explain", photo, "--reference", photo, *shown(desk)),
            *("--out", out / "page.html"),
        ),
        "prepare": (
            *("dreambooth", "prepare", photos, "--reference", photo, *shown(desk)),
            *("--resolution", 64, "--out", out),
        ),
        "convert": ("convert", desk / "labels", "--to", "yolo", "--out", out),
        "index": ("index", photos, "--out", out),
        "merge": ("merge", desk / "run", "--into", out),
        "report": ("report", desk / "report.json", "--out", out / "table.md"),
        "correct": (
            *(
                "correct",
                desk / "dog.safetensors",
                photos,
                "--masks",
                desk / "data/Annotations/dog",
            ),
            *("--out", out / "better.safetensors"),
        ),
    }


NAMES = list(commands(Path(), Path()))
# Of two commands in one folder, one of these ends at once: it wants the folder to itself.
SHARING = ["segment", "track", "evaluate", "learn", "find", "explain", "prepare", "correct"]
SHARING += ["index", "convert", "merge", "report"]
# Commands that ask for a new folder, or for a report's place, and refuse what somebody has there.
REFUSING = {
    "export": ("--out", "{out}"),
    "evaluate stability": ("{data}", "--json", "{out}/report.json"),
    "ablate": ("{data}", "--json", "{out}/report.json"),
    "train stable": ("{data}", "--out", "{out}"),
}
# What needs more than is on this desk, and where the command is tested.
ELSEWHERE = {
    "app": "tests/app/test_app_routes.py",
    "demo": "tests/cli/test_cli_demo.py",
    "train pocket": "tests/training/test_run_folder.py",
    "dreambooth train": "tests/dreambooth/test_dreambooth_training.py",
    "cluster segment": "tests/album/test_result_parts.py",
    "cluster masks": "tests/cli/test_cli_cluster.py",
}
WRITE_NOTHING = {"doctor", "label-studio", "models", "datasets check"}
WRITE_NOTHING |= {"dreambooth check", "dreambooth score"}


def every_command(group: Any, words: str = "") -> Iterator[str]:
    """The words of all commands that there are."""
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from every_command(command, f"{words}{name} ")
        else:
            yield f"{words}{name}"


def test_every_command_has_a_case() -> None:
    here = {"dreambooth prepare" if name == "prepare" else name for name in NAMES}
    known = here | REFUSING.keys() | ELSEWHERE.keys() | WRITE_NOTHING | {"review"}
    assert set(every_command(typer.main.get_command(app))) <= known
    root = Path(__file__).parent.parent.parent
    assert all((root / place).is_file() for place in ELSEWHERE.values())


@pytest.mark.parametrize("name", REFUSING)
def test_a_folder_of_somebody_is_refused(desk: Path, tmp_path: Path, name: str) -> None:
    files = ("mine.safetensors", "report.json", "table.md", "plugin.json", "000000.png")
    for file in files:
        (tmp_path / file).write_bytes(THEIRS)
    words = [word.format(data=desk / "data", out=tmp_path) for word in REFUSING[name]]
    done = run(*name.split(), *words)
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    assert tmp_path.name in done.output
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(
        files, THEIRS
    )


def made(folder: Path) -> dict[str, bytes]:
    every = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != OWN_FILES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in every}


@pytest.mark.parametrize("name", NAMES)
def test_a_persons_file_is_there_afterwards(desk: Path, tmp_path: Path, name: str) -> None:
    done = run(*commands(desk, tmp_path / "whole")[name])
    assert done.exit_code in (0, 1), done.output
    written = made(tmp_path / "whole")
    assert written
    for number, file in enumerate(one_of_each(written)):
        out = tmp_path / str(number)
        theirs = out / file
        theirs.parent.mkdir(parents=True)
        theirs.write_bytes(THEIRS)
        again = run(*commands(desk, out)[name])
        assert theirs.read_bytes() == THEIRS, file
        assert not isinstance(again.exception, Exception), (file, again.exception)


def one_of_each(written: dict[str, bytes]) -> list[str]:
    """One file of every folder and ending; of many of these, some."""
    kinds = {(Path(file).parent, Path(file).suffix): file for file in reversed(written)}
    found = sorted(kinds.values())
    return found[:: 1 + len(found) // 8]


@pytest.mark.parametrize("file", ["review.csv", "review.html"])
def test_a_review_is_written_over_no_file_of_a_person(desk: Path, tmp_path: Path, file: str):
    out = tmp_path / "run"
    shutil.copytree(desk / "run", out)
    (out / file).write_bytes(THEIRS)
    masks = made(out)
    again = run("review", out, "--concept", desk / "dog.safetensors")
    assert not isinstance(again.exception, Exception), again.exception
    assert masks.items() <= made(out).items()
    (out / file).unlink()
    assert run("review", out, "--concept", desk / "dog.safetensors").exit_code == 0
    assert (out / file).is_file()


@pytest.mark.parametrize("name", ["segment", "track", "evaluate", "prepare"])
def test_a_result_that_somebody_changed_is_there_afterwards(desk, tmp_path, name) -> None:
    out = tmp_path / "out"
    words = commands(desk, out)[name]
    run(*words)
    # A report is made anew, records go on.
    for file in one_of_each(made(out)):
        if Path(file).name in RECORDS:
            continue
        before = (out / file).read_bytes()
        theirs = before + file.encode()  # as no other file is changed
        (out / file).write_bytes(theirs)
        for more in ((), ("--overwrite",)) if name in ("segment", "track") else ((),):
            again = run(*words, *more)
            assert (out / file).read_bytes() == theirs, (file, more)
            assert not isinstance(again.exception, Exception), (file, again.exception)
        (out / file).write_bytes(before)


class Killed(BaseException):
    """The command ends here."""


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pair=st.tuples(st.sampled_from(SHARING), st.sampled_from(SHARING)),
    moment=st.integers(1, 9),
    after=st.booleans(),
)
def test_the_first_commands_bytes_come_back(desk, tmp_path_factory, pair, moment, after) -> None:
    """Any two commands into one folder, the second killed anywhere, the first one again."""
    first, second = pair
    out = tmp_path_factory.mktemp("two")
    run(*commands(desk, out)[first])
    wanted = {file: data for file, data in made(out).items() if Path(file).name not in RECORDS}
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, moment, after=after)
        with suppress(Killed):
            run(*commands(desk, out)[second])
    again = run(*commands(desk, out)[first])
    assert not isinstance(again.exception, Exception), again.exception
    found = made(out)
    same = {file: found.get(file) for file in wanted}
    loose = [file for file in wanted if file.endswith((".json", ".html"))]  # which tell seconds
    for file in loose:
        assert same.pop(file) is not None
        wanted.pop(file)
    assert same == wanted


def kill_at(patch: pytest.MonkeyPatch, moment: int, *, after: bool) -> None:
    """End the command before or after the file with this number is put in its place."""
    count, replace_file = [0], Path.replace

    def replaced(self: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] == moment and not after:
            raise Killed
        done = replace_file(self, target)
        if count[0] == moment:
            raise Killed
        return done

    patch.setattr(Path, "replace", replaced)
