"""What the integration tests share: how much to run, apps that leave nothing behind, scripts in processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dash
import pytest
from dash import _callback

import dash_statemanager
from tests.servers import databases, redis

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "ci" or os.environ.get("CI", "").lower() in ("1", "true")
"""Whether counts that a promise names are run in full; elsewhere a tenth has to do."""


@pytest.fixture
def many() -> Callable[[int], int]:
    """How often to do what was promised for `count` times."""
    return lambda count: count if FULL else count // 10


PLACES: dict[str, Callable[[], dict[str, str]]] = {
    "redis": lambda: {"backend": "redis", "redis_url": redis.url(), "namespace": f"test-{os.urandom(8).hex()}"},
    "postgresql": lambda: {"backend": "database", "database_url": databases.postgresql()},
}
"""Backends that need more than their name."""


@pytest.fixture(params=["memory", "database"])
def backend(request: pytest.FixtureRequest) -> str:
    """Configures each backend in turn."""
    dash_statemanager.configure(**PLACES.get(request.param, lambda: {"backend": request.param})())
    return str(request.param)


@pytest.fixture(autouse=True)
def no_callbacks_left() -> Iterator[None]:
    """Callbacks and pages of `dash.callback` and `dash.register_page` belong to the test that made them."""
    yield
    for registry in (
        _callback.GLOBAL_CALLBACK_LIST,
        _callback.GLOBAL_CALLBACK_MAP,
        getattr(_callback, "GLOBAL_API_PATHS", {}),  # Dash 3.3 and newer
        dash.page_registry,
    ):
        registry.clear()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Runs a script in a process of its own, and gives what it printed."""

    def run(source: str, *arguments: str, **environ: str) -> str:
        file = tmp_path / f"script_{len(list(tmp_path.glob('script_*')))}.py"
        file.write_text(textwrap.dedent(source))
        done = subprocess.run(
            [sys.executable, str(file), *arguments],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def session_of(client: Any) -> str:
    """The id of the session whose cookie a test client holds."""
    cookies = dash_statemanager.get_state_manager().cookies
    session, _ = cookies.load(lambda name: getattr(client.get_cookie(name), "decoded_value", None))
    assert session is not None
    return session.id
