"""Attributes that are made at first use, once, whichever thread comes first."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar, overload

T = TypeVar("T")


class lazy(cached_property[T]):  # noqa: N801  # a decorator, as the one that it extends
    """As `cached_property`, which from Python 3.12 on two threads may make twice.

    The instance has the lock, under `lazy_lock`: one that may be taken again by the thread that holds it.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> lazy[T]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        with instance.lazy_lock:
            made = instance.__dict__
            if self.attrname not in made:
                made[self.attrname] = self.func(instance)
            return made[self.attrname]
