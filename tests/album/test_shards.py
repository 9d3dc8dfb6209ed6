from __future__ import annotations

from pathlib import Path

import pytest

from persam.album.shards import PLAN, Shard, ShardPlan, write_plan
from persam.errors import InputError


def test_every_photo_is_in_one_shard_and_stays_there_when_the_album_grows() -> None:
    photos = [Path(f"album/IMG_{n}.jpg") for n in range(400)]
    shares = [Shard(n + 1, 4).positions(photos) for n in range(4)]
    assert sorted(place for share in shares for place in share) == list(range(400))
    assert min(map(len, shares)) > 70
    grown = [Path("album/A_NEW_ONE.jpg"), *photos]
    for share, shard in zip(shares, (Shard(n + 1, 4) for n in range(4)), strict=True):
        assert {photos[n] for n in share} <= {grown[n] for n in shard.positions(grown)}


def test_names_begin_in_the_roots_wherever_these_lie(tmp_path: Path) -> None:
    names = ["dog/00.jpg", "cat/00.jpg", "mug/00.jpg", "cup/00.jpg"]
    shares = []
    for root in (tmp_path / "here", tmp_path / "elsewhere" / "there"):
        shares.append(Shard(1, 2).positions([root / name for name in names], [root]))
    assert shares[0] == shares[1]
    # Without the roots all of these have one name.
    assert Shard(1, 2).positions([Path(name) for name in names]) in ([], [0, 1, 2, 3])


def test_one_name_in_two_spellings_of_unicode_is_one_name() -> None:
    composed, decomposed = "h\u00fcte.jpg", "hu\u0308te.jpg"
    assert all(Shard(n, 97).has(composed) == Shard(n, 97).has(decomposed) for n in range(1, 98))


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/4"])
def test_other_texts_are_no_shards(text: str) -> None:
    with pytest.raises(InputError, match="as 3/16; got"):
        Shard.parse(text)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    photos = [tmp_path / f"{n}.jpg" for n in range(20)]
    plan = ShardPlan.of(Shard(2, 3), photos)
    write_plan(tmp_path, plan)
    assert ShardPlan.read(tmp_path) == plan
    assert {photos[n] for n in plan.places.values()} == {Path(name) for name in plan.places}
    write_plan(tmp_path, None)
    assert ShardPlan.read(tmp_path) is None


def test_a_damaged_plan_is_an_error(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text('[3, "/a.jpg"]\n["1/2", 4, "x"]\n')
    with pytest.raises(InputError, match="is damaged"):
        ShardPlan.read(tmp_path)
