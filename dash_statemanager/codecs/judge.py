"""What `dcc.Store` makes of a value that is not plain JSON. Plotly's own encoder decides."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from datetime import date, time
from enum import Enum
from typing import Any
from uuid import UUID

from ..errors import CodecError

Embed = Callable[[Any], Any]
"""Returns the node that stands for a value that keeps its type, or None."""

_SUBCLASSED: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__pos__,
    float: float.__pos__,
    list: list.copy,
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    dict: lambda value: dict(value.items()),
}
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


@functools.lru_cache(maxsize=1)
def _plotly() -> Callable[[Any], Any]:
    from plotly.utils import PlotlyJSONEncoder

    default: Callable[[Any], Any] = PlotlyJSONEncoder().default
    return default


def default(value: Any) -> Any:
    """One step towards JSON, for a value whose exact type JSON doesn't have. Raises TypeError."""
    kind: Any = type(value)
    return _step(kind)(value)


@functools.lru_cache(maxsize=4096)
def _step(kind: Any) -> Callable[[Any], Any]:
    return next((_SUBCLASSED[base] for base in kind.__mro__ if base in _SUBCLASSED), _other_step)


def _other_step(value: Any) -> Any:
    try:
        return _plotly()(value)
    except TypeError:
        return _beyond_plotly(value)


def _beyond_plotly(value: Any) -> Any:
    """Types that reach the browser only through orjson, which Plotly uses where it is installed."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return {name: getattr(value, name) for name in names if not name.startswith("_")}
    raise TypeError(f"no codec takes a value of type {type(value).__name__}")


def key_text(key: Any) -> str:
    """A dict key as the browser sees it. Raises TypeError for keys that no JSON encoder takes."""
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, float):
        return _float_text(key)
    if key is True or key is False or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    if type(key).__module__ == "datetime" and isinstance(key, (date, time)):
        return key.isoformat()
    if isinstance(key, Enum):
        return key_text(key.value)
    if isinstance(key, UUID):
        return str(key)
    raise TypeError(f"a dict key of type {type(key).__name__} is not possible in JSON")


def _float_text(key: float) -> str:
    if math.isnan(key):
        return "NaN"
    if math.isinf(key):
        return "Infinity" if key > 0 else "-Infinity"
    return float.__repr__(key)


class Refused(Exception):
    """A part of a value that can't be kept; gathers its path on the way up."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.path: list[str] = []

    def error(self) -> CodecError:
        """The error for the user, with the path inside the value."""
        steps = self.path[::-1]
        where = "".join(steps if len(steps) < 20 else [*steps[:10], "...", *steps[-3:]])
        return CodecError(f"{self.reason} at {where}" if where else self.reason, self.remedy)

    @classmethod
    def of(cls, exc: Exception, value: Any, remedy: str) -> Refused:
        """The refusal that another error means."""
        if isinstance(exc, Refused):
            return exc
        if isinstance(exc, CodecError):
            return cls(exc.what, exc.remedy or remedy)
        if isinstance(exc, RecursionError):
            return cls("the value is nested too deeply, or contains itself", "Return a flatter value")
        if isinstance(exc, TypeError):
            return cls(str(exc), remedy)
        return cls(f"{type(value).__name__} can't be turned into JSON ({type(exc).__name__}: {exc})", remedy)


REMEDY = 'Convert it before you return it, or use ServerStore(types="python")'


class Plain:
    """Makes a value plain: exact dict, list, str, int, finite float, bool and None, keys as strings.

    Slower than orjson, which is why it runs only where orjson gave up; it knows the path of what it refuses.

    Args:
        embed: Asked first about values that are not plain.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        if kind is float:
            return value if math.isfinite(value) else None
        if kind is dict:
            return self._dict(value)
        if kind is list or kind is tuple:
            return self._list(value)
        return self._other(value)

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        key: Any = None
        try:
            for key, item in value.items():
                plain[key if type(key) is str else key_text(key)] = self(item)
        except Exception as exc:
            refused = Refused.of(exc, value, REMEDY)
            refused.path.append(f"[{key!r}]")
            raise refused from exc.__cause__
        return plain

    def _list(self, value: list[Any] | tuple[Any, ...]) -> list[Any]:
        plain: list[Any] = []
        try:
            plain.extend(map(self, value))
        except Exception as exc:
            refused = Refused.of(exc, value, REMEDY)
            refused.path.append(f"[{len(plain)}]")
            raise refused from exc.__cause__
        return plain

    def _other(self, value: Any) -> Any:
        node = self._embed(value)
        if node is not None:
            return node
        try:
            step = default(value)
        except RecursionError:
            raise
        except Exception as exc:
            raise Refused.of(exc, value, REMEDY) from exc
        if type(step) is type(value):
            raise Refused(f"no codec takes a value of type {type(value).__name__}", REMEDY)
        return self(step)
