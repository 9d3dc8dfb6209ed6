from __future__ import annotations

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from persam.models.runtime.numpy_threads import OneThread


def threads() -> set[int]:
    return {one["num_threads"] for one in ThreadpoolController().select(user_api="blas").info()}


def test_products_have_one_thread_until_the_last_one_leaves() -> None:
    one_thread = OneThread()
    with threadpool_limits(2, user_api="blas"):
        with one_thread:
            with one_thread:
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == {2}
        with one_thread:
            assert threads() == {1}
        assert threads() == {2}


def test_libraries_are_not_looked_for_within_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread imports an extension, both would wait for each other for ever."""

    def look(*_: object) -> None:
        raise AssertionError("looked for libraries")

    monkeypatch.setattr(ThreadpoolController, "_load_libraries", look)
    with pytest.raises(AssertionError):
        ThreadpoolController()
    with OneThread():
        pass
