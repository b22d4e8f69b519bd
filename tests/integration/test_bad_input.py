"""What can't be stored is refused with an error that names store, type and remedy; what was stored is still there."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash
import pandas as pd
import pytest
from dash import Input, Output, Patch, State, html, set_props

from dash_statemanager import (
    BackendFormatError,
    BackendUnavailable,
    CodecError,
    ConfigError,
    ServerStore,
    StateError,
    ValueTooLarge,
    configure,
    ensure_session_context,
    get_store,
    reset,
    set_store,
)

from .page import Page

Make = Callable[[], Any]


class Odd:
    """Nothing takes it."""


def cyclic() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


def patch_of(value: Any) -> Patch:
    patch = Patch()
    patch["x"] = value
    return patch


UNTAKEN: list[Any] = [
    pytest.param(Odd, ["Odd"], id="object"),
    pytest.param(lambda: {"a": [1, {"b": Odd()}]}, ["Odd", "['a'][1]['b']"], id="object inside"),
    pytest.param(lambda: {Odd(): 1}, ["key", "Odd"], id="key"),
    pytest.param(lambda: threading.Lock(), ["lock"], id="lock"),
    pytest.param(lambda: (n for n in [1]), ["generator"], id="generator"),
    pytest.param(cyclic, ["contains itself"], id="cycle"),
    pytest.param(lambda: pd.DataFrame({"good": [1], "bad": [Odd()]}), ["column 'bad'", "Odd", "astype"], id="column"),
    pytest.param(lambda: {"f": pd.DataFrame({"bad": [Odd()]})}, ["['f']", "'bad'"], id="column inside"),
    pytest.param(lambda: patch_of(Odd()), ["Odd"], id="patch"),
]


@pytest.mark.parametrize(("make", "words"), UNTAKEN)
def test_an_object_that_no_codec_takes(make: Make, words: list[str], backend: str) -> None:
    error = refused(make)
    assert isinstance(error, CodecError)
    for word in words:
        assert word in str(error)


TOO_LARGE: list[Any] = [
    pytest.param(lambda: "x" * 200_001, "str", id="text"),
    pytest.param(lambda: {"list": [0] * 200_000}, "dict", id="dict"),
    pytest.param(lambda: pd.DataFrame({"x": range(100_000)}), "DataFrame", id="frame"),
    pytest.param(lambda: bytes(200_001), "bytes", id="bytes"),
]


@pytest.mark.parametrize(("make", "kind"), TOO_LARGE)
def test_a_value_over_the_limit(make: Make, kind: str, backend: str) -> None:
    reset()
    configure(backend=backend, max_value_bytes=200_000)
    error = refused(make)
    assert isinstance(error, ValueTooLarge)
    assert f"a {kind} of " in str(error)
    assert "200,000 bytes" in str(error)
    assert "STATE_MAX_VALUE_BYTES" in str(error)


def test_a_session_over_its_limit(backend: str) -> None:
    reset()
    configure(backend=backend, max_session_bytes=300_000)
    with ensure_session_context("me"):
        for n in range(2):
            set_store(f"s{n}", str(n) * 100_000)
        with pytest.raises(ValueTooLarge, match="STATE_MAX_SESSION_BYTES") as raised:
            set_store("much", pd.DataFrame({"x": range(50_000)}))
        assert raised.value.store == "much"
        assert [get_store(f"s{n}") for n in range(2)] == ["0" * 100_000, "1" * 100_000]
        assert get_store("much") is None
    with ensure_session_context("somebody else"):
        set_store("s", "x" * 100_000)


def refused(make: Make) -> StateError:
    """The error of a callback that returns the value in each of the possible ways; what was stored stays."""
    errors: list[Exception] = []
    app = dash.Dash(__name__, on_error=lambda error: errors.append(error))
    app.layout = [
        ServerStore(id="bad"),
        ServerStore(id="beside"),
        html.Button(id="good-go"),
        html.Button(id="go"),
        html.Button(id="set"),
        html.Div(id="out"),
    ]
    app.callback(
        Output("bad", "data"), Output("beside", "data"), Input("good-go", "n_clicks"), prevent_initial_call=True
    )(lambda n: ({"x": 1}, pd.DataFrame({"x": [1]})))

    @app.callback(
        Output("beside", "data", allow_duplicate=True),
        Output("bad", "data", allow_duplicate=True),
        Input("go", "n_clicks"),
        prevent_initial_call=True,
    )
    def give(n: int) -> Any:
        return "new", make()

    @app.callback(Input("set", "n_clicks"), prevent_initial_call=True)
    def set_it(n: int) -> None:
        set_props("bad", {"data": make()})

    @app.callback(Output("out", "children"), Input("out", "title"), State("bad", "data"), State("beside", "data"))
    def read(_: Any, bad: Any, beside: Any) -> Any:
        return [str(bad), beside if beside is None else beside.to_dict("list")]

    page = Page(app.server.test_client()).open()
    page.change("good-go", n_clicks=1)
    before = page.get("bad"), page.get("beside")
    page.change("go", n_clicks=1)
    page.change("set", n_clicks=1)
    assert (page.get("bad"), page.get("beside")) == before
    page.change("out", title="read")
    assert page.get("out", "children") == ["{'x': 1}", {"x": [1]}]
    returned, given_to_set_props = errors
    assert type(returned) is type(given_to_set_props)
    assert isinstance(returned, StateError)
    assert returned.store == "bad"
    assert "store 'bad'" in str(returned)
    assert returned.remedy
    return returned


# -- the database


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def use() -> None:
    with ensure_session_context("me"):
        set_store("s", "value")


def test_a_file_that_is_no_database(database: Path) -> None:
    database.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(BackendFormatError, match=r"state\.db is not a SQLite database.* STATE_DATABASE_URL"):
        use()
    assert database.read_bytes() == b"not a database at all" * 1000


def test_the_database_of_another_program(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE customers (name)")
        connection.execute("INSERT INTO customers VALUES ('Ann')")
    connection.close()
    with pytest.raises(BackendFormatError, match=r"another program.*'customers'.*STATE_DATABASE_URL"):
        use()
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT * FROM customers").fetchall() == [("Ann",)]
    connection.close()


def test_a_database_of_a_newer_version(database: Path) -> None:
    use()
    reset()
    connection = sqlite3.connect(database)
    ((table,),) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%schema%' AND type = 'table'")
    connection.execute(f"UPDATE {table} SET version = version + 1")
    connection.commit()
    with pytest.raises(BackendFormatError, match="Upgrade dash-statemanager"):
        use()
    reset()
    connection.execute(f"UPDATE {table} SET version = version - 1")
    connection.commit()
    connection.close()
    with ensure_session_context("me"):
        assert get_store("s") == "value"


def test_a_folder_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DATABASE_URL", f"sqlite:///{tmp_path / 'nowhere' / 'state.db'}")
    with pytest.raises(BackendUnavailable, match=r"folder does not exist.*Create"):
        use()


def test_a_folder_in_place_of_the_file(database: Path) -> None:
    database.mkdir()
    with pytest.raises(BackendUnavailable, match="it is a folder"):
        use()


def test_an_app_on_a_broken_database_says_so_in_its_callbacks(database: Path) -> None:
    errors: list[Exception] = []
    app = dash.Dash(__name__, on_error=lambda error: errors.append(error))
    app.layout = [ServerStore(id="a"), html.Button(id="go")]
    app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: n)
    app.server.secret_key = "secret"
    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=1)
    assert errors == []
    reset()
    for file in database.parent.glob("state.db*"):
        if file.is_file():
            file.write_bytes(b"rubbish" * 1000)
    page.change("go", n_clicks=2)
    (error,) = errors
    assert isinstance(error, BackendFormatError)


FULL = """
import resource
import pandas as pd
from dash_statemanager import BackendFull, ensure_session_context, get_store, reset, set_store

with ensure_session_context("me"):
    set_store("small", "value")
    set_store("large", pd.DataFrame({"x": range(100_000)}))
    before = get_store("large")
    # No file may grow beyond what it has: what a full disk is to a writer.
    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, resource.RLIM_INFINITY))
    for store in ("large", "new"):
        try:
            set_store(store, pd.DataFrame({"x": range(200_000)}))
        except BackendFull as error:
            print(error)
    reset()
    assert get_store("large").equals(before)
    assert (get_store("small"), get_store("new")) == ("value", None)
    set_store("small", "still written")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    set_store("large", pd.DataFrame({"x": range(200_000)}))
    reset()
    assert (len(get_store("large")), get_store("small")) == (200_000, "still written")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no resource limits on Windows")
def test_a_full_disk(script: Callable[..., str]) -> None:
    large, new = script(FULL, STATE_CACHE_BYTES="0", STATE_COMPRESSION="none").splitlines()
    for line, store in ((large, "large"), (new, "new")):
        assert line.startswith(f"store '{store}': there is no room left")
        assert "Free some disk space" in line


# -- settings


def configure_and_use(settings: dict[str, Any]) -> None:
    configure(**settings)
    use()


def test_settings_that_mean_nothing() -> None:
    for settings, words in (
        ({"backend": "tape"}, "'tape' is not a backend.*database, .*redis"),
        ({"backnd": "memory"}, "backnd.*Did you mean backend"),
        ({"max_value_bytes": -1}, "max_value_bytes = -1.*not valid"),
        ({"database_url": "sqlite://"}, "STATE_DATABASE_URL"),
    ):
        with pytest.raises(ConfigError, match=words):
            configure_and_use(settings)
        reset()
