"""Backends by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.sql.dialects import dialect_for
from dash_statemanager.config import Settings
from dash_statemanager.errors import ConfigError, MissingExtra


@pytest.mark.parametrize("name", ["memory", "database"])
def test_a_backend_is_opened_by_its_name(name, url):
    backend = open_backend(Settings(backend=name, database_url=url), clock=lambda: 100.0)

    backend.put("a", BytesPayload(b"1"), ttl=5)

    assert backend.name == name
    assert backend.get("a").expires_at == 105.0
    backend.close()


def test_an_unknown_backend_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"STATE_BACKEND = 'redsi'.*database, .*redis"):
        open_backend(Settings(backend="redsi"))


def test_opening_touches_nothing(tmp_path):
    backend = open_backend(Settings(backend="database", database_url=f"sqlite:///{tmp_path}/missing/state.db"))

    assert list(tmp_path.iterdir()) == []
    backend.close()
    assert list(tmp_path.iterdir()) == []


def test_no_driver_is_imported_before_it_is_needed():
    code = "import sys, dash_statemanager.backends.memory; print('sqlalchemy' in sys.modules)"

    program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert program.stdout == "False\n"


@pytest.mark.parametrize(
    ("kind", "driver", "extra"),
    [("postgresql", "psycopg", "postgresql"), ("mysql", "pymysql", "mariadb"), ("mariadb", "pymysql", "mariadb")],
)
def test_a_missing_driver_is_an_error_with_the_command_to_get_it(monkeypatch, kind, driver, extra):
    monkeypatch.setitem(sys.modules, driver, None)

    with pytest.raises(MissingExtra, match=rf"{driver}.*pip install 'dash-statemanager\[{extra}\]'"):
        open_backend(Settings(database_url=f"{kind}://me:secret@server/db"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("state.db", "is not a database URL"),
        ("postgresql://server:port/db", "is not a database URL"),
        ("nosuch://server/db", r"names 'nosuch'.*Supported are: sqlite, postgresql\+psycopg, mysql\+pymysql"),
        ("postgresql+psycopg2://server/db", r"names 'postgresql\+psycopg2'.*Supported are"),
        ("mysql+mysqldb://server/db", r"names 'mysql\+mysqldb'.*Supported are"),
        ("oracle://server/db", "names 'oracle'.*Supported are"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:state.db?uri=true", "names no file"),
    ],
)
def test_a_useless_url_is_an_error(url, reason):
    with pytest.raises(ConfigError, match=reason):
        open_backend(Settings(database_url=url))


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgres://me:secret@server/db", "postgresql+psycopg://server/db"),
        ("postgresql://me:secret@server:5433/db", "postgresql+psycopg://server:5433/db"),
        (
            "postgresql+psycopg://me:secret@/db?host=/cloudsql/a:b:c",
            "postgresql+psycopg:///db?host=/cloudsql/a:b:c",
        ),
        ("mysql://me:secret@server/db", "mysql+pymysql://server/db"),
        ("mariadb://me:secret@server/db", "mariadb+pymysql://server/db"),
        ("mysql+pymysql://me:secret@/db?unix_socket=/cloudsql/a", "mysql+pymysql:///db?host=/cloudsql/a"),
    ],
)
def test_a_url_without_driver_gets_ours_and_is_shown_without_credentials(url, location):
    assert dialect_for(url).location == location


def test_no_error_repeats_a_password(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    for url in ("postgresql+psycopg://me:secret@server/db", "nosuch://me:secret@server/db", "no url: secret"):
        with pytest.raises(ConfigError) as caught:
            open_backend(Settings(database_url=url))
        assert "secret" not in str(caught.value)
