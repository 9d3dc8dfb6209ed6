"""Pickles of plain values, read without `pickle`: nothing in them is called, by whatever name.

A pickle is a program for a machine with a stack. The standard library's `pickletools` splits it
into its steps; this machine knows those that build dicts, lists, texts and numbers, and takes apart
what NumPy's arrays and numbers are written as.
"""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 1_000_000_000  # of a file
_MARK = object()
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_GETS = ("GET", "BINGET", "LONG_BINGET")
_NOTHING = ("PROTO", "FRAME", "STOP")


@dataclass(frozen=True)
class _Name:
    """What a pickle would import; here it stays a name."""

    module: str
    name: str


@dataclass
class _Array:
    """An array or a type of numbers that is still being put together."""

    kind: str = ""
    value: Any = None


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    object_arrays: bool = False

    def step(self, name: str, argument: Any) -> None:
        if name in _NOTHING:
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        elif (build := getattr(self, f"_{name.lower()}", None)) is not None:
            build(argument)
        elif isinstance(argument, str | bytes | bytearray | int | float):
            self.stack.append(argument)
        else:
            raise ValueError(f"its step {name} makes no plain value")

    def _since_mark(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _some(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def _tuple1(self, _: Any) -> None:
        self._some(1)

    def _tuple2(self, _: Any) -> None:
        self._some(2)

    def _tuple3(self, _: Any) -> None:
        self._some(3)

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        _plain(self.stack[-1], list).extend(items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _plain(self.stack[-1], dict)[key] = value

    def _setitems(self, _: Any) -> None:
        items = self._since_mark()
        _plain(self.stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))

    def _additems(self, _: Any) -> None:
        items = self._since_mark()
        _plain(self.stack[-1], set).update(items)

    def _frozenset(self, _: Any) -> None:
        self.stack.append(frozenset(self._since_mark()))

    def _global(self, argument: str) -> None:
        self.stack.append(_Name(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Name(module, name))

    def _newobj(self, _: Any) -> None:
        self._reduce(_)

    def _reduce(self, _: Any) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        self.stack.append(_value(_plain(what, _Name), _plain(arguments, tuple)))

    def _build(self, _: Any) -> None:
        state, target = self.stack.pop(), _plain(self.stack[-1], _Array)
        if target.kind != "array":  # a type of numbers: (version, order of bytes, ...)
            big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
            target.kind = (">" if big else "<") + target.kind.lstrip("<>|=")
            return
        _, shape, dtype, fortran, data = state
        listed = self.object_arrays and isinstance(data, list) and tuple(shape) == (len(data),)
        if listed and _plain(dtype, _Array).kind.lstrip("<>|=") in ("O8", "O4"):
            target.value = data  # an array of dicts or texts is a list here
            return
        target.value = _array(data, dtype, shape, "F" if fortran else "C")


def _value(what: _Name, arguments: tuple[Any, ...]) -> Any:
    """What a call would give, for the few that stand for plain values."""
    module = what.module.replace("numpy.core.", "numpy._core.").replace("__builtin__", "builtins")
    make = _VALUES.get((module, what.name))
    if make is None:
        raise ValueError(f"it asks for {what.module}.{what.name}, which is no plain value")
    return make(*arguments)


def _array(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    kind = _plain(dtype, _Array).kind
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not _DTYPE.fullmatch(kind) or not isinstance(data, bytes | bytearray):
        raise ValueError(f"its array has the type {kind!r}, which is no type of plain numbers")
    numbers = np.frombuffer(bytes(data), np.dtype(kind.lstrip("|=")))
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError(f"its array has the shape {shape!r}")
    if len(numbers) != math.prod(shape) or order not in ("C", "F"):
        raise ValueError(f"its array of {len(numbers)} numbers has the shape {shape}")
    return numbers.reshape(shape, order="F" if order == "F" else "C")


def _plain(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} belongs")
    return value


_VALUES: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): lambda text, _="": _plain(text, str).encode("latin-1"),
    ("builtins", "bytes"): lambda *nothing: b"" if not nothing else _plain(nothing[0], bytes),
    ("builtins", "bytearray"): lambda data=b"", *_: _plain(data, bytes),
    ("builtins", "set"): lambda items: set(_plain(items, list)),
    ("collections", "OrderedDict"): lambda *_: {},
    ("collections", "defaultdict"): lambda *_: {},
    ("numpy", "dtype"): lambda kind, *_: _Array(_plain(kind, str)),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array("array"),
    ("numpy._core.multiarray", "scalar"): lambda dtype, data: _array(data, dtype, (1,), "C")[0],
    ("numpy._core.numeric", "_frombuffer"): _array,
}


def loads(data: bytes, *, object_arrays: bool = False) -> Any:
    """The value of a pickle of dicts, lists, texts, numbers and arrays.

    Args:
        data: the pickle.
        object_arrays: take arrays of dicts, texts and the like, too, as lists.

    Raises:
        ValueError: too large, damaged, or holding anything else.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    machine = _Machine(object_arrays=object_arrays)
    try:
        for step, argument, _ in pickletools.genops(data):
            machine.step(step.name, argument)
        (value,) = machine.stack
        return _finished(value, {})
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _finished(value: Any, seen: dict[int, Any]) -> Any:
    """The value with arrays in the places of what they were put together in."""
    if isinstance(value, _Array | _Name):
        found = getattr(value, "value", None)
        if found is None:
            raise ValueError("something in it is no plain value")
        return _finished(found, seen) if isinstance(found, list) else found
    if not isinstance(value, dict | list | tuple) or id(value) in seen:
        return seen.get(id(value), value)
    seen[id(value)] = value
    if isinstance(value, dict):
        for key, inner in value.items():
            value[key] = _finished(inner, seen)
    elif isinstance(value, list):
        value[:] = [_finished(inner, seen) for inner in value]
    else:
        return tuple(_finished(inner, seen) for inner in value)
    return value
