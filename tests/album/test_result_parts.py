from __future__ import annotations

from pathlib import Path

import pytest

from persam.album.result_parts import ResultParts, part_files, read_parts
from persam.album.rows import row_of, schema
from persam.errors import InputError

arrow = pytest.importorskip("pyarrow")


def table(*names: str) -> object:
    return arrow.Table.from_pylist([row_of(n, None, "an error") for n in names], schema=schema())


@pytest.mark.parametrize("place", ["disk", "memory://parts"])
def test_parts_are_gone_on_with(tmp_path: Path, place: str) -> None:
    folder = str(tmp_path / place) if "://" not in place else f"{place}/{tmp_path.name}"
    for names in (["a", "b"], ["c"]):
        with ResultParts.opened(folder, "settings") as parts:
            before = parts.done()
            parts.write(table(*names))
    assert before == {"a", "b"}
    assert [row["photo"] for row in read_parts(folder)] == ["a", "b", "c"]
    with pytest.raises(InputError, match="looked for something else"):
        ResultParts.opened(folder, "others").__enter__()


def test_what_is_no_part_is_left_alone_and_a_damaged_one_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no parts of results"):
        next(read_parts(str(tmp_path)))
    (tmp_path / "photos.parquet").write_bytes(b"mine")
    (tmp_path / ".persam-1-1.part").write_bytes(b"half a part")
    assert part_files(str(tmp_path)) == []
    (tmp_path / "part-000000.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="Delete it"):
        ResultParts.opened(str(tmp_path), "settings").__enter__()
