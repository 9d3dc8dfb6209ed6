from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from typer.testing import CliRunner

from persam.cli import app
from persam.cli.console import SafeConsole, harmless, show

ORDERS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.exe\r"
PERSAM = [sys.executable, "-c", "from persam.cli import main; main()"]


@given(st.text(st.characters(codec=None)), st.sampled_from(["utf-8", "cp1252", "ascii", "cp866"]))
def test_whatever_the_text_nothing_is_an_order_and_all_can_be_written(text: str, encoding: str):
    shown = harmless(text, encoding)
    shown.encode(encoding)
    assert not any(
        (ord(letter) < 32 and letter != "\n") or 127 <= ord(letter) < 160 for letter in shown
    )
    if text.isascii() and text.isprintable():
        assert shown == text


def test_lines_and_tables_on_a_terminal_hold_no_foreign_orders(tmp_path: Path):
    with (tmp_path / "screen").open("w+", encoding="utf-8") as screen:
        console = SafeConsole(file=screen, force_terminal=True, markup=False)
        console.print(f"a{ORDERS}b", style="red")
        table = Table()
        table.add_column("photo", overflow="fold")
        table.add_row(f"{ORDERS}.jpg", style="bold")
        console.print(table)
    text = (tmp_path / "screen").read_bytes()
    for order in (b"\x1b]", b"\x07", b"\x1b[2J", b"\xc2\x9b", "\u202e".encode(), b"\r"):
        assert order not in text
    assert b"\\x1b[2J" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["learn", "--reference", "x.jpg"], "The picture that shows the object is the first word"),
        (["find", "--mask", "x.png"], "The object comes from --concept"),
        (["segment", "--overwrit"], "Possible options: --overwrite"),
    ],
)
def test_an_unknown_option_is_answered_with_what_is_meant(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    plain = " ".join(done.output.replace("│", " ").split())
    assert said in plain
    assert "min-presence" not in plain


def test_no_name_in_a_table_is_cut_or_broken(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["mobile_phone_of_my_brother/" * 6, "facebook/dinov2-with-registers-large"]
    table = Table("photo", "from", "share")
    table.add_row(*names, "0.5")
    show(table)
    text = capsys.readouterr().out
    assert all(name in text for name in names)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp866", "utf-8", "shift_jis"])
@pytest.mark.parametrize("words", [["find", "--concept", "{}"], ["segment", "--out", "{}", "--{}"]])
def test_any_path_on_any_terminal_is_an_error_and_no_traceback(
    tmp_path: Path, encoding: str, words: list[str]
):
    strange = tmp_path / f"собака-日本{ORDERS}.jpg"
    strange.mkdir()
    command = [*PERSAM, *(word.format(strange) for word in words), str(strange)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 2
    output = done.stdout + done.stderr
    assert b"Traceback" not in output
    assert b"\x1b]0" not in output


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that name it."""
    for name, command in group.commands.items():
        yield (*words, *name.split()), command
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", [words for words, _ in commands(typer.main.get_command(app))])
def test_help_says_every_word_of_it(words: tuple[str, ...]):
    """Brackets, as in persam[ray], are not taken for markup."""
    command = dict(commands(typer.main.get_command(app)))[words]
    shown = re.sub(r"[\s│]", "", CliRunner().invoke(app, [*words, "--help"]).output)
    for text in (command.help, *(getattr(one, "help", None) for one in command.params)):
        for bracketed in re.findall(r"\w+\\*\[\w+\]", text or ""):
            assert bracketed.replace("\\", "") in shown
