from __future__ import annotations

import collections
import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.evaluation.datasets.plain_pickle import loads

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner)
    ),
    max_leaves=12,
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_back_as_they_were(value, protocol):
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "?", "<i8", ">i4", "f4", "<f8"])
def test_arrays_and_numbers_of_numpy_come_back(protocol, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    held = {"c": array, "f": np.asfortranarray(array), "one": array[1, 1], "same": [array, array]}
    found = loads(pickle.dumps(held, protocol))
    for name in ("c", "f"):
        np.testing.assert_array_equal(found[name], array)
    assert found["one"] == array[1, 1]
    np.testing.assert_array_equal(found["same"][1], array)


def test_dicts_of_the_standard_library_are_dicts():
    held = collections.OrderedDict(a=1, b=collections.defaultdict(list, c=[2]))
    assert loads(pickle.dumps(held)) == {"a": 1, "b": {"c": [2]}}


class Order:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "held",
    [
        Order(os.system, ("true",)),
        Order(np.dtype, ("O",)),
        Order(np.dtype, (("V4", (2,)),)),
        Order(eval, ("1",)),
        Order(bytearray, (10**10,)),
        {"a": [os.getcwd]},
        object(),
        np.array([1, "x"], dtype=object),
        np.zeros(2, dtype=[("a", "i4")]),
    ],
)
def test_nothing_is_called_and_no_type_is_made(held):
    with pytest.raises(ValueError):
        loads(pickle.dumps(held))


def test_a_forged_type_and_a_forged_size_are_refused():
    data = pickle.dumps(np.arange(6, dtype="<i8"), 2)
    with pytest.raises(ValueError):
        loads(data.replace(b"i8", b"O8"))
    with pytest.raises(ValueError, match="shape"):
        loads(data.replace(b"K\x06", b"K\x07"))


def test_references_to_references_take_no_memory():
    steps = [b"\x80\x02]q\x00"]
    for number in range(200):
        get = b"j" + struct.pack("<I", number)
        steps.append(b"](" + get * 10 + b"er" + struct.pack("<I", number + 1))
    data = b"".join(steps) + b"."
    with pytest.raises(ValueError):  # 201 lists on the stack
        loads(data)
    nested = b"\x80\x02]q\x00" + b"".join(
        b"](j"
        + struct.pack("<I", n)
        + b"j"
        + struct.pack("<I", n)
        + b"er"
        + struct.pack("<I", n + 1)
        for n in range(60)
    )
    loads(nested.replace(b"\x80\x02]q\x00", b"\x80\x02(]q\x00") + b"t.")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_error(data):
    with suppress(ValueError):
        loads(b"\x80\x04" + data + b".")
