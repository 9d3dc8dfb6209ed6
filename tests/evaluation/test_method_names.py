"""Methods by name and out of files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation.method_names import NAMES, WITH_VARIANT, load_function, resolve_method
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune

PICTURE = np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)
MASK = np.zeros((40, 52), dtype=np.uint8)
MASK[8:30, 10:30] = 255

OWN = """
from __future__ import annotations
from dataclasses import dataclass
import persam

@dataclass
class Recipe:
    variant: str

OFFICIAL = Recipe("official")

def build(backbone, image, *, mask):
    return persam.personalize(backbone, image, mask=mask, variant=OFFICIAL.variant)

def short(backbone, image):
    return None

LIMIT = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my method 00.py"
    path.write_text(OWN)
    return path


def test_the_names():
    assert resolve_method("persam").__wrapped__ is personalize
    assert resolve_method("persam-f").__wrapped__ is finetune
    patches = {"nearest-neighbour", "matcher", "gf-sam", "insid3", "p2sam"}
    assert set(NAMES) - set(WITH_VARIANT) == {"seggpt"} | patches
    for name in (*WITH_VARIANT, *patches):
        assert callable(resolve_method(name))


def test_a_function_in_a_file_is_a_method(tiny, file):
    learner = resolve_method(f"{file}:build")
    concept = learner(tiny("sam"), PICTURE, mask=MASK)
    expected = personalize(tiny("sam"), PICTURE, mask=MASK, variant="official")
    assert np.array_equal(concept.segment(PICTURE).mask, expected.segment(PICTURE).mask)
    assert concept.variant == expected.variant


def test_two_files_of_one_name_are_two_modules(file, tmp_path):
    other = tmp_path / "other" / file.name
    other.parent.mkdir()
    other.write_text("def build(backbone, image, *, mask):\n    return 'other'\n")
    first, second = (load_function(f"{path}:build") for path in (file, other))
    assert first.__module__ != second.__module__
    assert second(None, None, mask=None) == "other"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("persamf", "'persamf'; did you mean persam-f.*The methods are persam, persam-f"),
        ("{file}", "The methods are"),
        (":build", "file.py:function; got ':build'"),
        ("{file}:", "file.py:function"),
        ("{file}x:build", "no Python file"),
        ("nowhere.py:build", "nowhere.py is no Python file"),
        ("{file}:absent", "no function 'absent'"),
        ("{file}:LIMIT", "no function 'LIMIT'"),
        ("{file}:short", r"expected short\(backbone, image, \*, mask\)"),
    ],
)
def test_what_names_no_method(file, words, said):
    with pytest.raises(InputError, match=said):
        resolve_method(words.format(file=file))


def test_a_file_that_is_not_python(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("x = 1\ndef build(:\n")
    with pytest.raises(InputError, match=r"broken\.py is not Python: .*line 2"):
        load_function(f"{path}:build")


def test_what_the_file_raises_comes_through_and_leaves_no_module(tmp_path):
    path = tmp_path / "stumbles.py"
    path.write_text("raise KeyError('its own')\n")
    before = set(sys.modules)
    with pytest.raises(KeyError, match="its own"):
        load_function(f"{path}:build")
    assert not {name for name in set(sys.modules) - before if name.startswith("persam_method_")}


def test_naming_a_method_loads_no_model_library():
    code = (
        "import sys, persam.evaluation.method_names, persam.methods.learner, persam.cli.model_args;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
