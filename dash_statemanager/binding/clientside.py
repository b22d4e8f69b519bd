"""Clientside callbacks: pointed at the page's script, which fetches values from here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from ..api import definitions
from .names import clean_property

logger = logging.getLogger("dash_statemanager")

NAMESPACE = "_dash_statemanager"
"""Where `static/statemanager.js` stands in for the functions of clientside callbacks."""


def point(callbacks: list[dict[str, Any]]) -> None:
    """Points the clientside callbacks that read or write a property `data` at the page's script.

    What it does not concern passes through it unchanged. Stores whose data does travel are named in the log.

    Args:
        callbacks: The specifications that Dash sends to the browser; changed in place, once.
    """
    for spec in callbacks:
        function = spec.get("clientside_function")
        if function and function["namespace"] != NAMESPACE and _concerns_data(spec):
            name = f"{function['namespace']}/{function['function_name']}"
            spec["clientside_function"] = {"namespace": NAMESPACE, "function_name": name}
            _tell(spec, name)


def _concerns_data(spec: Mapping[str, Any]) -> bool:
    return ".data" in str(spec["output"]) or any(True for _ in _read_data(spec))


def _read_data(spec: Mapping[str, Any]) -> Iterator[str]:
    for dependency in (*spec["inputs"], *spec["state"]):
        if clean_property(dependency["property"]) == "data":
            yield dependency["id"]


def _tell(spec: Mapping[str, Any], name: str) -> None:
    for store_id in _read_data(spec):
        if any(store.clientside == "value" for store in definitions.like(store_id)):
            logger.info("the data of store %r travels to the browser for the clientside callback %s", store_id, name)
