"""Groupings: how Dash nests the properties of a callback's arguments and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .names import clean_property, store_id

Spec = Mapping[str, Any]
Leaf = Callable[[Any, Spec], Any]


def is_leaf(spec: object) -> bool:
    """Whether a part of a grouping is one property of one component."""
    return isinstance(spec, dict) and isinstance(spec.get("property"), str) and "id" in spec


def walk(value: Any, spec: Any, leaf: Leaf) -> Any:
    """Applies `leaf(value, spec)` to each property of a grouping; what does not fit the grouping stays."""
    if isinstance(spec, dict):
        if is_leaf(spec):
            return leaf(value, spec)
        if isinstance(value, dict):
            return {key: walk(item, spec[key], leaf) if key in spec else item for key, item in value.items()}
    elif isinstance(spec, list | tuple) and isinstance(value, list | tuple):
        items = [walk(item, part, leaf) for item, part in zip(value, spec, strict=False)]
        return (tuple if isinstance(value, tuple) else list)([*items, *value[len(spec) :]])
    return value


def leaves(spec: Any) -> list[dict[str, Any]]:
    """All properties of a grouping."""
    found: list[dict[str, Any]] = []
    rest = [spec]
    while rest:
        part = rest.pop()
        if isinstance(part, list | tuple):
            rest += reversed(part)
        elif is_leaf(part):
            found.append(part)
        elif isinstance(part, dict):
            rest += reversed(part.values())
    return found


def prop_id(spec: Spec) -> str:
    """Name of a property of a component, as Dash writes it."""
    name, prop = spec["id"], clean_property(spec["property"])
    return f"{name if isinstance(name, str) else store_id(name)}.{prop}"
