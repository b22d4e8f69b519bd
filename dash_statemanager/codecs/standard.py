"""Rules for the types of the standard library."""

from __future__ import annotations

import base64
import pathlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from .judge import Refused
from .rules import REMEDY, Walk, Writer, is_text, read_blob
from .tree import Reader, Revive


def _dict(walk: Walk, value: dict[Any, Any]) -> Any:
    if not all(map(is_text, value)):
        return walk.node("dict", walk.pairs(value))
    nodes: dict[str, Any] = {}
    key = ""
    try:
        for key, item in value.items():
            nodes[key] = walk(item)
    except Exception as exc:
        raise walk.placed(exc, value, f"[{key!r}]") from exc.__cause__
    return nodes


def _datetime(walk: Walk, value: datetime | time) -> Any:
    kind = "datetime" if isinstance(value, datetime) else "time"
    return walk.node(kind, value.replace(tzinfo=None).isoformat(), value.fold, walk(value.tzinfo))


def _timezone(walk: Walk, value: timezone) -> Any:
    offset, name = value.utcoffset(None), value.tzname(None)
    return walk.node("timezone", _triple(offset), None if name == timezone(offset).tzname(None) else name)


def _zone(walk: Walk, value: ZoneInfo) -> Any:
    if value.key is None:
        raise Refused("no codec takes a ZoneInfo without a key", REMEDY)
    return walk.node("zone", value.key)


def _triple(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _path(walk: Walk, value: pathlib.PurePath) -> Any:
    kind = type(value).__name__
    if getattr(pathlib, kind, None) is not type(value):
        raise Refused(f"no codec takes a path of type {kind}", REMEDY)
    return walk.node("path", kind, str(value))


def _mapping(kind: str) -> Writer:
    return lambda walk, value: walk.node(kind, walk.pairs(value))


def _sequence(kind: str) -> Writer:
    return lambda walk, value: walk.node(kind, walk.items(value))


def _text(kind: str) -> Writer:
    return lambda walk, value: walk.node(kind, str(value))


WRITERS: Mapping[str, Writer] = {
    "builtins.list": Walk.items,
    "builtins.dict": _dict,
    "builtins.tuple": _sequence("tuple"),
    "builtins.set": lambda walk, value: walk.node("set", walk.members(value)),
    "builtins.frozenset": lambda walk, value: walk.node("frozenset", walk.members(value)),
    "builtins.bytes": lambda walk, value: walk.node("bytes", walk.blob(value)),
    "builtins.bytearray": lambda walk, value: walk.node("bytearray", walk.blob(bytes(value))),
    "builtins.complex": lambda walk, value: walk.node("complex", value.real.hex(), value.imag.hex()),
    "builtins.range": lambda walk, value: walk.node("range", *walk.items([value.start, value.stop, value.step])),
    "builtins.slice": lambda walk, value: walk.node("slice", *walk.items([value.start, value.stop, value.step])),
    "collections.OrderedDict": _mapping("ordereddict"),
    "collections.Counter": _mapping("counter"),
    "collections.defaultdict": lambda walk, value: walk.node(
        "defaultdict", walk(value.default_factory), walk.pairs(value)
    ),
    "collections.deque": lambda walk, value: walk.node("deque", value.maxlen, walk.items(value)),
    "datetime.datetime": _datetime,
    "datetime.time": _datetime,
    "datetime.date": lambda walk, value: walk.node("date", value.isoformat()),
    "datetime.timedelta": lambda walk, value: walk.node("timedelta", _triple(value)),
    "datetime.timezone": _timezone,
    "zoneinfo.ZoneInfo": _zone,
    "decimal.Decimal": _text("decimal"),
    "fractions.Fraction": _text("fraction"),
    "uuid.UUID": lambda walk, value: walk.node("uuid", value.hex),
}

FAMILY_WRITERS: Mapping[str, Writer] = {"pathlib.PurePath": _path}


def _pairs(revive: Revive, pairs: list[list[Any]]) -> list[tuple[Any, Any]]:
    return [(revive(key), revive(value)) for key, value in pairs]


def _read_datetime(revive: Revive, text: str, fold: int, zone: Any) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=revive(zone), fold=fold)


def _read_time(revive: Revive, text: str, fold: int, zone: Any) -> time:
    return time.fromisoformat(text).replace(tzinfo=revive(zone), fold=fold)


def _read_timezone(revive: Revive, offset: list[int], name: str | None) -> timezone:
    delta = timedelta(*offset)
    return timezone(delta) if name is None else timezone(delta, name)


def _read_path(revive: Revive, kind: str, text: str) -> Any:
    cls = getattr(pathlib, kind)
    if not issubclass(cls, pathlib.PurePath):
        raise ValueError(kind)
    return cls(text)


READERS: Mapping[str, Reader] = {
    "int": lambda revive, text: int(text, 16),
    "float": lambda revive, text: float(text),
    "str": lambda revive, text: base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "dict": lambda revive, pairs: dict(_pairs(revive, pairs)),
    "tuple": lambda revive, items: tuple(revive(items)),
    "set": lambda revive, items: set(revive(items)),
    "frozenset": lambda revive, items: frozenset(revive(items)),
    "bytes": lambda revive, blob: bytes(read_blob(revive, blob)),
    "bytearray": lambda revive, blob: bytearray(read_blob(revive, blob)),
    "complex": lambda revive, real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "range": lambda revive, *ends: range(*revive(list(ends))),
    "slice": lambda revive, *ends: slice(*revive(list(ends))),
    "ordereddict": lambda revive, pairs: OrderedDict(_pairs(revive, pairs)),
    "counter": lambda revive, pairs: Counter(dict(_pairs(revive, pairs))),
    "defaultdict": lambda revive, factory, pairs: defaultdict(revive(factory), _pairs(revive, pairs)),
    "deque": lambda revive, maxlen, items: deque(revive(items), maxlen),
    "datetime": _read_datetime,
    "time": _read_time,
    "date": lambda revive, text: date.fromisoformat(text),
    "timedelta": lambda revive, triple: timedelta(*triple),
    "timezone": _read_timezone,
    "zone": lambda revive, key: ZoneInfo(key),
    "path": _read_path,
    "decimal": lambda revive, text: Decimal(text),
    "fraction": lambda revive, text: Fraction(text),
    "uuid": lambda revive, text: UUID(hex=text),
}
