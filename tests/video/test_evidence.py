from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.video.evidence import SPILL, SURE, MaskEvidence, Usual, signs
from persam.video.target import PATIENCE, TrackState

USUAL = Usual(0.8, 0.6, 0.6, (1000.0, 1000.0, 1000.0))
SAME = MaskEvidence(0.8, 0.6, 0.6, 1000.0)
BOX, OTHER = (0, 0, 4, 4), (9, 9, 14, 14)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (SAME, ""),
        (MaskEvidence(0.2, 0.6, 0.6, 1000.0), "unlike"),
        (MaskEvidence(0.8, 0.2, 0.6, 1000.0), "disagrees"),
        (MaskEvidence(0.8, 0.6, 0.1, 1000.0), "drifted"),
        (MaskEvidence(0.8, 0.6, 0.6, 2500.0), "grown"),
        (MaskEvidence(0.8, 0.6, 0.6, 300.0), "shrunk"),
    ],
)
def test_the_weakest_sign_is_the_reason(evidence: MaskEvidence, reason: str) -> None:
    found = signs(evidence, USUAL)
    assert found.reason == reason
    assert (found.doubt >= SURE) == bool(reason)


@given(*(st.floats(0, 1) for _ in range(3)), st.floats(1, 1e7))
def test_doubt_is_a_share_and_nothing_is_doubted_beside_itself(
    likeness: float, agreement: float, backward: float, area: float
) -> None:
    evidence = MaskEvidence(likeness, agreement, backward, area)
    assert 0 <= signs(evidence, USUAL).doubt <= 1
    assert signs(evidence, Usual().after(evidence)).doubt <= 1e-6
    assert signs(evidence, Usual()).doubt == 0  # nothing is usual yet


def test_a_spill_is_not_followed_until_it_stays() -> None:
    state = TrackState(BOX, USUAL)
    spilt = MaskEvidence(0.8, 0.6, 0.6, 3000.0)
    for _ in range(PATIENCE):
        state = state.after(spilt, SPILL, OTHER)
        assert state.box == BOX
    assert state.after(spilt, SPILL, OTHER).box == OTHER


def test_absence_is_counted_and_a_doubtful_frame_is_not_what_is_usual() -> None:
    state = TrackState(BOX, USUAL)
    assert state.after(None, 0.0, None).after(None, 0.0, None).unseen == 2
    unsure = state.after(MaskEvidence(0.8, 0.1, 0.1, 1000.0), SURE, OTHER)
    assert (unsure.box, unsure.usual.agreement) == (OTHER, USUAL.agreement)
    sure = state.after(SAME, 0.0, OTHER)
    assert sure.usual == Usual(0.8, 0.6, 0.6, (1000.0,) * 3)
