"""From a database URL to its dialect."""

from __future__ import annotations

import importlib

import sqlalchemy as sa

from ...errors import ConfigError, MissingExtra
from .dialect import Dialect, Limits
from .sqlite import SqliteDialect

__all__ = ["dialect_for"]

_SERVERS = {
    "postgresql": ("postgresql", "PostgresqlDialect"),
    "mariadb": ("mariadb", "MariadbDialect"),
    "mysql": ("mariadb", "MariadbDialect"),
}
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
}
_SUPPORTED = "sqlite, postgresql+psycopg, mysql+pymysql, mariadb+pymysql"
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mariadb"}


def dialect_for(url: str, limits: Limits | None = None) -> Dialect:
    """The dialect of a SQLAlchemy URL; one that names no driver gets ours.

    Raises:
        ConfigError: It is no URL, or names a kind of database that is not supported.
        MissingExtra: Its driver is not installed.
    """
    parsed = _parse(url)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", *_DRIVERS.values()):
        raise ConfigError(f"STATE_DATABASE_URL names {parsed.drivername!r}", f"Supported are: {_SUPPORTED}")
    _import_driver(parsed)
    kind = _load(*_SERVERS[parsed.get_backend_name()]) if parsed.get_backend_name() in _SERVERS else SqliteDialect
    return kind(parsed, limits or Limits())


def _load(module: str, name: str) -> type[Dialect]:
    """By name: a driver is imported where it is used."""
    dialect: type[Dialect] = getattr(importlib.import_module("." + module, __package__), name)
    return dialect


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # whose messages repeat the URL with its password
        raise ConfigError("STATE_DATABASE_URL is not a database URL", "Write it as sqlite:///state.db") from None
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _import_driver(url: sa.URL) -> None:
    try:
        url.get_dialect().import_dbapi()
    except ImportError as exc:
        what = f"STATE_DATABASE_URL names {url.drivername!r}, whose driver is not installed"
        extra = _EXTRAS.get(url.get_driver_name(), "all")
        raise MissingExtra(what, f"pip install 'dash-statemanager[{extra}]'") from exc
