from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError
from persam.io.folders import alike, list_images, name_outputs


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_folders_give_their_pictures_in_natural_order(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "p", "IMG_10.JPG", "img_2.png", "a.heic", "b.avif", "10.gif")
    names = [photo.name for photo in list_images([folder]).photos]
    assert names == ["10.gif", "a.heic", "b.avif", "img_2.png", "IMG_10.JPG"]


def test_junk_is_passed_over_and_counted_but_explicit_files_never(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "p", "dog.jpg", ".DS_Store", "._dog.jpg", "Thumbs.db", "notes.txt")
    _touch(folder / "below", "deep.jpg")
    (folder / "odd.jpg").mkdir()
    listing = list_images([folder, folder / "notes.txt", tmp_path / "missing.jpg"])
    names = [photo.name for photo in listing.photos]
    assert names == ["dog.jpg", "odd.jpg", "notes.txt", "missing.jpg"]
    passed = {path.name for path in listing.passed_over}
    assert passed == {".DS_Store", "._dog.jpg", "Thumbs.db", "notes.txt", "below"}


def test_a_file_given_twice_counts_once(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "p", "a.jpg", "b.jpg")
    assert list_images([folder / "b.jpg", folder]).photos == (folder / "b.jpg", folder / "a.jpg")


def test_empty_folders(tmp_path: Path) -> None:
    empty, full = _touch(tmp_path / "empty", ".DS_Store"), _touch(tmp_path / "full", "a.jpg")
    with pytest.raises(InputError, match=r"No pictures in .*empty"):
        list_images([empty])
    with pytest.raises(InputError, match="No pictures"):
        list_images([])
    # Beside others it is left in, so that its line says so.
    assert list_images([empty, full]).photos == (empty, full / "a.jpg")


def test_sub_folders_are_looked_into_on_request(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "p", "b.jfif", "c.jpe", "notes.txt")
    _touch(folder / "2024" / "dec", "b.jpg")
    _touch(folder / "2024", "b.jpg")
    _touch(folder / "masks", "b.png")
    _touch(folder / ".thumbnails", "b.jpg")
    (folder / "link").symlink_to(folder, target_is_directory=True)
    assert [p.name for p in list_images([folder]).photos] == ["b.jfif", "c.jpe"]
    listing = list_images([folder], recursive=True, results=folder / "masks")
    names = [photo.relative_to(folder).as_posix() for photo in listing.photos]
    assert names == ["b.jfif", "c.jpe", "2024/b.jpg", "2024/dec/b.jpg"]
    passed = {path.name for path in listing.passed_over}
    assert passed == {"notes.txt", ".thumbnails", "link"}


def test_names_mirror_sub_folders_on_request(tmp_path: Path) -> None:
    names = ("a.jpg", "2024/a.jpg", "2024/a.png", "cutouts/a.jpg", "2024/dec/a.jpg")
    photos = [tmp_path / name for name in names]
    found = name_outputs(photos, {}, [tmp_path], {"cutouts"})
    assert found == [
        *("a", "2024/2024__a__jpg", "2024/2024__a__png", "cutouts_/a", "2024/dec/a"),
    ]
    known = dict(zip(map(str, photos), found, strict=True))
    assert name_outputs(photos, known, [tmp_path], {"cutouts"}) == found


def test_photos_of_one_name_do_not_share_a_mask() -> None:
    photos = [Path(p) for p in ("a/dog.jpg", "b/dog.jpg", "b/cat.png", "b/cat.jpg", "c/Cow.png")]
    expected = ["a__dog", "b__dog", "b__cat__png", "b__cat__jpg", "Cow"]
    assert name_outputs(photos, {}) == expected


def test_numbers_when_nothing_else_tells_them_apart() -> None:
    photos = [Path(p) for p in ("x/a/dog.jpg", "y/a/dog.jpg", "DOG.jpg")]
    assert name_outputs(photos, {})[:2] == ["a__dog__jpg__2", "a__dog__jpg__3"]


def test_earlier_names_stay_and_are_not_given_away() -> None:
    first = Path("a/dog.jpg")
    known = {str(first.absolute()): "dog"}
    assert name_outputs([Path("b/dog.jpg")], known) == ["b__dog"]
    assert name_outputs([first, Path("b/dog.jpg")], known) == ["dog", "b__dog"]


PHOTOS = st.lists(
    st.builds(
        lambda folder, stem, suffix: Path(folder) / f"{stem}{suffix}",
        st.sampled_from(["a", "b", "x/a", "A"]),
        st.sampled_from(["dog", "Dog", "a__dog", "a__dog__jpg", "cat"]),
        st.sampled_from([".jpg", ".png"]),
    ),
    unique=True,
)


@given(PHOTOS, st.data())
def test_names_are_always_distinct_and_survive_a_resume(photos: list[Path], data) -> None:
    names = name_outputs(photos, {})
    assert len({name.casefold() for name in names}) == len(photos)
    done = data.draw(st.integers(0, len(photos)))
    known = {str(p.absolute()): n for p, n in zip(photos[:done], names[:done], strict=True)}
    assert name_outputs(photos, known)[:done] == names[:done]
    resumed = name_outputs(photos, known)
    assert len({name.casefold() for name in resumed}) == len(photos)


def test_names_that_some_file_systems_take_for_one_share_no_result(tmp_path: Path) -> None:
    same = ["DOG.jpg", "dog.jpg", "dog.JPG", "caf\u00e9.jpg", "cafe\u0301.jpg", "CAFE\u0301.png"]
    names = name_outputs([tmp_path / name for name in same], {})
    assert len({alike(name) for name in names}) == len(same)
