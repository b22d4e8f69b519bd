"""From a database URL to its dialect."""

from __future__ import annotations

import sqlalchemy as sa

from ...errors import ConfigError, MissingExtra
from .dialect import Dialect
from .sqlite import SqliteDialect

__all__ = ["dialect_for"]

_DIALECTS: dict[str, type[Dialect]] = {"sqlite": SqliteDialect}
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


def dialect_for(url: str) -> Dialect:
    """The dialect of a SQLAlchemy URL.

    Raises:
        ConfigError: It is no URL, or names a kind of database that is not supported.
        MissingExtra: Its driver is not installed.
    """
    parsed = _parse(url)
    _import_driver(parsed)
    try:
        dialect = _DIALECTS[parsed.get_backend_name()]
    except KeyError:
        known = ", ".join(sorted(_DIALECTS))
        raise ConfigError(f"STATE_DATABASE_URL names {parsed.drivername!r}", f"Supported are: {known}") from None
    return dialect(parsed)


def _parse(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError:  # whose message repeats the URL with its password
        raise ConfigError("STATE_DATABASE_URL is not a database URL", "Write it as sqlite:///state.db") from None


def _import_driver(url: sa.URL) -> None:
    try:
        url.get_dialect().import_dbapi()
    except sa.exc.NoSuchModuleError as exc:
        raise ConfigError(f"STATE_DATABASE_URL names {url.drivername!r}, which SQLAlchemy doesn't know") from exc
    except ImportError as exc:
        package = _PACKAGES.get(exc.name or "", exc.name)
        what = f"STATE_DATABASE_URL names {url.drivername!r}, whose driver is not installed"
        raise MissingExtra(what, f"pip install {package}") from exc
