"""Which arguments of a callback are annotated as handles."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ForwardRef, Literal, get_args, get_origin

from ..handles import Stored

NAME = Stored.__name__


@dataclass(frozen=True)
class Handles:
    """The arguments that are handles.

    Attributes:
        positions: Of positional arguments.
        names: Of arguments.
        rest: The first position of `*args`, where those are handles.
        others: Whether `**kwargs` are.
    """

    positions: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    rest: int = sys.maxsize
    others: bool = False

    def at(self, position: int) -> bool:
        """Whether the argument at a position is one."""
        return position in self.positions or position >= self.rest

    def named(self, name: str) -> bool:
        """Whether the argument with a name is one."""
        return name in self.names or self.others


def handles_of(function: Callable[..., Any]) -> Handles | None:
    """The arguments that a function annotates with `Stored`, alone or within another type: `Stored[...] | None`.

    Annotations that are texts count, too, and those that only a type checker can resolve.
    """
    plain = inspect.unwrap(function)
    annotations = _annotations(plain)
    names = {name for name, annotation in annotations.items() if _is_handle(annotation, plain)}
    if not names:
        return None
    parameters = list(inspect.signature(function).parameters.values())
    kinds = {parameter.kind: (at, parameter.name) for at, parameter in enumerate(parameters)}
    rest, rest_name = kinds.get(inspect.Parameter.VAR_POSITIONAL, (sys.maxsize, ""))
    _, others_name = kinds.get(inspect.Parameter.VAR_KEYWORD, (0, ""))
    return Handles(
        frozenset(at for at, parameter in enumerate(parameters) if parameter.name in names and at < rest),
        frozenset(names - {rest_name, others_name, "return"}),
        rest if rest_name in names else sys.maxsize,
        others_name in names,
    )


def _annotations(function: Any) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
    return getattr(function, "__annotations__", {})


def _is_handle(annotation: Any, function: Any) -> bool:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return _names_handle(annotation, getattr(function, "__globals__", {}))
    origin = get_origin(annotation)
    if annotation is Stored or origin is Stored:
        return True
    return origin is not Literal and any(_is_handle(part, function) for part in get_args(annotation))


def _names_handle(text: str, known: Mapping[str, Any]) -> bool:
    """As `_is_handle`, without evaluating the text: its names may exist for type checkers only."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    if isinstance(tree.body, ast.Constant) and isinstance(tree.body.value, str):
        return _names_handle(tree.body.value, known)  # a text below `from __future__ import annotations`
    nodes = list(ast.walk(tree))
    names = (node.id for node in nodes if isinstance(node, ast.Name))
    attributes = (node for node in nodes if isinstance(node, ast.Attribute) and node.attr == NAME)
    modules = (known.get(getattr(node.value, "id", "")) for node in attributes)
    return any(known.get(name, Stored if name == NAME else None) is Stored for name in names) or any(
        getattr(module, NAME, Stored) is Stored for module in modules
    )
