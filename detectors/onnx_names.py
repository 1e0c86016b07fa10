"""Reads the class names that an export writes into an ONNX file, without a runtime: a few fields of its protobuf.

Field numbers are those of ``onnx.proto`` (ModelProto.metadata_props = 14, StringStringEntryProto.key = 1, value = 2).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_METADATA, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are no ONNX model, or were cut short."""


def class_names(model: bytes) -> tuple[str, ...] | None:
    """The names in the order of the outputs; None where the export says nothing. Raises ``Malformed``."""
    for number, value in _fields(model):
        if number != _METADATA:
            continue
        entry = dict(_fields(value))
        if entry.get(_KEY) == b"names":
            return _names(entry.get(_VALUE, b""))
    return None


def _names(text: bytes) -> tuple[str, ...]:
    """Ultralytics writes ``{0: 'person', 1: 'fire'}``."""
    try:
        names = ast.literal_eval(text.decode())
        if isinstance(names, dict):
            names = [names[number] for number in range(len(names))]
        return tuple(str(name) for name in names)
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise Malformed("the class names cannot be read") from error


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and content of each field that has a length; numbers are passed over."""
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = _varint(view, at)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(view, at)
            if at + length > len(view):
                raise Malformed("cut short")
            yield tag >> 3, bytes(view[at : at + length]) if tag >> 3 in (_METADATA, _KEY, _VALUE) else b""
            at += length
        elif kind == _VARINT:
            _, at = _varint(view, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise Malformed(f"unknown wire type {kind}")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise Malformed("cut short")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
