from __future__ import annotations

import io
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.sources import Source, fetch, find_sources
from persam.io.stores import created, exists, join, list_files, open_file


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def test_files_of_folders_patterns_and_names_each_once(tmp_path: Path) -> None:
    for name in ("b/1.jpg", "b/c/2.png", "b/notes.txt", "a.tar", "t.parquet", "b/.hidden.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = find_sources([str(tmp_path), str(tmp_path / "b" / "*.jpg")])
    assert [(one.kind, Path(one.place).name) for one in found] == [
        ("tar", "a.tar"),
        ("file", "1.jpg"),
        ("file", "2.png"),
        ("parquet", "t.parquet"),
    ]
    with pytest.raises(InputError, match="There is no file at"):
        find_sources([str(tmp_path / "none")])
    with pytest.raises(InputError, match="No pictures, tars or Parquet"):
        find_sources([str(tmp_path / "b" / "notes.txt")])


def test_pictures_of_a_tar_come_by_name_and_what_is_done_is_passed_over(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"x/1.jpg": jpeg(1), "x/1.json": b"{}", "x/2.jpg": jpeg(2)})
    source = Source(str(path), "tar")
    assert [(one.name, one.data) for one in fetch(source)] == [
        (f"{path}/x/1.jpg", jpeg(1)),
        (f"{path}/x/2.jpg", jpeg(2)),
    ]
    assert [one.name for one in fetch(source, {f"{path}/x/1.jpg"})] == [f"{path}/x/2.jpg"]


def test_what_is_broken_is_an_error_among_the_others(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {f"{n}.jpg": jpeg(n) * 40 for n in range(3)})
    path.write_bytes(path.read_bytes()[:30_000])
    good, *_, bad = fetch(Source(str(path), "tar"))
    assert good.data == jpeg(0) * 40
    assert "is damaged from here on" in str(bad.error)
    (gone,) = fetch(Source(str(tmp_path / "gone.jpg"), "file"))
    assert gone.error == f"{tmp_path / 'gone.jpg'} cannot be read: No such file or directory."


def test_tables_have_pictures_in_a_column(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    plain, hugging, none = (str(tmp_path / f"{n}.parquet") for n in range(3))
    rows = {"file_name": ["1.jpg", "2.jpg"], "label": [b"?", b"!"], "jpg": [jpeg(1), None]}
    parquet.write_table(arrow.table(rows), plain)
    pictures = [{"bytes": jpeg(n), "path": None} for n in (1, 2)]
    parquet.write_table(arrow.table({"image": pictures}), hugging)
    parquet.write_table(arrow.table({"label": [1]}), none)
    one, two = fetch(Source(plain, "parquet"))
    assert (one.name, one.data) == (f"{plain}/1.jpg", jpeg(1))
    assert (two.name, two.data) == (f"{plain}/2.jpg", b"")
    assert [f.name for f in fetch(Source(hugging, "parquet"))] == [f"{hugging}/0", f"{hugging}/1"]
    (error,) = fetch(Source(none, "parquet"))
    assert "has no column of a picture's bytes, but label" in str(error.error)
    Path(none).write_bytes(b"no table")
    (error,) = fetch(Source(none, "parquet"))
    assert "is damaged" in str(error.error)


def test_stores_are_read_and_written_by_url() -> None:
    system = fsspec.filesystem("memory")
    system.pipe({"/album/1.jpg": jpeg(1), "/album/sub/2.jpg": jpeg(2), "/album/a.txt": b""})
    assert [one.place for one in find_sources(["memory://album"])] == [
        "memory:///album/1.jpg",
        "memory:///album/sub/2.jpg",
    ]
    assert list_files("memory://album/*.jpg") == ["memory:///album/1.jpg"]
    (one,) = fetch(Source("memory:///album/1.jpg", "file"))
    assert one.data == jpeg(1)
    place = join("memory://results", "part.bin")
    with created(place) as file:
        file.write(b"abc")
    assert exists(place)
    with open_file(place) as file:
        assert file.read() == b"abc"
    with pytest.raises(InputError, match="cannot be read"), open_file("nosuch://x/y"):
        pass


def test_a_store_that_cannot_be_asked_is_said() -> None:
    with pytest.raises(InputError, match="cannot be looked for: Protocol not known: nosuch"):
        exists("nosuch://x/y")
    with pytest.raises(InputError, match="cannot be written"), created("nosuch://x/y"):
        pass
    with pytest.raises(InputError, match="cannot be listed"):
        list_files("nosuch://x/y")


@pytest.mark.parametrize("place", ["disk", "memory://inner/a.bin"])
def test_an_error_of_what_is_read_or_written_keeps_its_words(place: str, tmp_path: Path) -> None:
    where = str(tmp_path / "a.bin") if place == "disk" else place
    with created(where) as file:
        file.write(b"abc")
    for opened in (open_file, created):
        with pytest.raises(InputError, match=r"^no such column$"), opened(where):
            raise InputError("no such column")


def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    for place in (str(tmp_path / "a.tar"), "memory://unfinished/a.tar"):
        with pytest.raises(KeyboardInterrupt), created(place) as file:
            file.write(b"half")
            raise KeyboardInterrupt
        assert not exists(place)
