"""Groupings: how Dash nests the properties of a callback's arguments and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .names import clean_property, store_id

Spec = Mapping[str, Any]
Leaf = Callable[[Any, Spec], Any]


def is_leaf(spec: object) -> bool:
    """Whether a part of a grouping is one property of one component."""
    return isinstance(spec, dict) and isinstance(spec.get("property"), str) and "id" in spec


def walk(value: Any, spec: Any, leaf: Leaf) -> Any:
    """Applies `leaf(value, spec)` to each property of a grouping; what does not fit the grouping stays."""
    if is_leaf(spec):
        return leaf(value, spec)
    if isinstance(spec, dict) and isinstance(value, dict):
        return {key: walk(item, spec[key], leaf) if key in spec else item for key, item in value.items()}
    if isinstance(spec, list | tuple) and isinstance(value, list | tuple):
        items = [walk(item, part, leaf) for item, part in zip(value, spec, strict=False)]
        return (tuple if isinstance(value, tuple) else list)([*items, *value[len(spec) :]])
    return value


def leaves(spec: Any) -> Iterator[dict[str, Any]]:
    """All properties of a grouping."""
    if is_leaf(spec):
        yield spec
        return
    for part in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list | tuple) else ():
        if is_leaf(part):
            yield part
        else:
            yield from leaves(part)


def prop_id(spec: Spec) -> str:
    """Name of a property of a component, as Dash writes it."""
    return f"{store_id(spec['id'])}.{clean_property(spec['property'])}"
