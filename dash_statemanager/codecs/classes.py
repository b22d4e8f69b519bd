"""Rules for the user's own classes: Enums, named tuples, dataclasses, and classes themselves as default factories.

A class is found again by module and name among the modules that are imported already. Nothing is imported,
and no constructor runs: a dataclass is given its fields back.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import Enum, Flag
from typing import Any

from ..errors import CodecError, CorruptPayload
from .judge import Refused
from .rules import REMEDY, Walk, Writer
from .tree import Reader, Revive

_FACTORIES = {cls.__name__: cls for cls in (int, float, str, list, dict, set, tuple, bool)}


def writer_of(kind: type) -> Writer | None:
    """What writes values of a class that no rule names."""
    if issubclass(kind, Enum):
        return _flag if issubclass(kind, Flag) else _enum
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _namedtuple
    if dataclasses.is_dataclass(kind):
        return _dataclass
    return _factory if kind is type else None


def _place(cls: type) -> tuple[str, str]:
    """Module and qualified name, if they lead back to the class."""
    place = cls.__module__, cls.__qualname__
    if _look_up(*place) is not cls:
        raise Refused(f"the class {cls.__qualname__} of {cls.__module__} can't be found by its name", _TOP_LEVEL)
    return place


_TOP_LEVEL = "Define it at the top level of a module"


def _look_up(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def find(module: str, qualname: str, base: type = object) -> Any:
    """The class of a stored value, among what is imported. Raises `CodecError` where it is missing."""
    found = _look_up(module, qualname)
    if found is None:
        raise CodecError(
            f"a value of the class {qualname} was stored, which {module} does not have now",
            f"Import {module} where the app starts, or store the value again",
        )
    if not (isinstance(found, type) and issubclass(found, base)):
        raise CorruptPayload(f"{module}.{qualname} is not a class that values are stored of")
    return found


def _enum(walk: Walk, value: Enum) -> Any:
    return walk.node("enum", *_place(type(value)), value.name)


def _flag(walk: Walk, value: Flag) -> Any:
    return walk.node("flag", *_place(type(value)), walk(value.value))


def _namedtuple(walk: Walk, value: tuple[Any, ...]) -> Any:
    return walk.node("namedtuple", *_place(type(value)), walk.items(value))


def _dataclass(walk: Walk, value: Any) -> Any:
    cls = type(value)
    names = [field.name for field in dataclasses.fields(cls)]
    state = {name: getattr(value, name) for name in names if hasattr(value, name)}
    state.update(getattr(value, "__dict__", {}))
    _blank(cls)
    return walk.node("dataclass", *_place(cls), walk.pairs(state))


def _blank(cls: Any) -> Any:
    try:
        return object.__new__(cls)
    except TypeError as exc:
        raise Refused(f"the dataclass {cls.__qualname__} can't be made from its fields: {exc}", REMEDY) from exc


def _factory(walk: Walk, value: type) -> Any:
    if _FACTORIES.get(value.__name__) is not value:
        raise Refused(f"no codec takes the class {value.__qualname__}", REMEDY)
    return walk.node("factory", value.__name__)


def _read_enum(revive: Revive, module: str, qualname: str, name: str) -> Enum:
    members: Mapping[str, Enum] = find(module, qualname, Enum).__members__
    if name not in members:
        raise CodecError(f"a member {name} of {qualname} was stored, which it does not have now", "Store it again")
    return members[name]


def _read_namedtuple(revive: Revive, module: str, qualname: str, items: list[Any]) -> Any:
    cls = find(module, qualname, tuple)
    if len(items) != len(cls._fields):
        raise CodecError(f"{qualname} has other fields now than when it was stored", "Store it again")
    return tuple.__new__(cls, revive(items))


def _read_dataclass(revive: Revive, module: str, qualname: str, pairs: list[list[Any]]) -> Any:
    cls = find(module, qualname)
    if not dataclasses.is_dataclass(cls):
        raise CorruptPayload(f"{module}.{qualname} is not a dataclass")
    made = _blank(cls)
    for name, value in pairs:
        object.__setattr__(made, name, revive(value))
    return made


READERS: Mapping[str, Reader] = {
    "enum": _read_enum,
    "flag": lambda revive, module, qualname, value: find(module, qualname, Flag)(revive(value)),
    "namedtuple": _read_namedtuple,
    "dataclass": _read_dataclass,
    "factory": lambda revive, name: _FACTORIES[name],
}
