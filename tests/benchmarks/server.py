"""The process that is measured: one peer's Dash app behind gunicorn, and what it tells about itself."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from dash import Input, Output, State, html

from .browser import CPU_HEADER
from .peers import PEERS, Peer, Place
from .values import ONE_COLUMN, SIZES, Size, touch

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def make(peer: str, sizes: str, folder: str, redis: str) -> Any:
    """The WSGI application of a peer; what gunicorn calls in its worker.

    Args:
        peer: Its name.
        sizes: Names of sizes, with commas between them.
        folder: Where the peer keeps its data.
        redis: URL of a Redis server.
    """
    app = make_app(PEERS[peer], [SIZES[name] for name in sizes.split(",")], Place(folder, redis))
    return Meter(app.server, PEERS[peer].forget)


def make_app(peer: Peer, sizes: list[Size], place: Place) -> Any:
    """The Dash app of a peer: for each size stores, a callback that writes and one that reads."""
    app = peer.app(place)
    app.layout = html.Div([part for size in sizes for part in _components(peer, size)] + _bystander(app))
    for size in sizes:
        _add_callbacks(app, peer, size)
    return app


def _components(peer: Peer, size: Size) -> list[Any]:
    buttons = [html.Button(id=f"{action}-{size.name}") for action in ("write", "read", "column", "whole")]
    outputs = [html.Div(id=f"{name}-{size.name}") for name in ("seen", "column-seen", "whole-seen")]
    return [*map(peer.store, size.store_ids), *buttons, *outputs]


def _bystander(app: Any) -> list[Any]:
    """A callback that has nothing to do with stores."""

    @app.callback(Output("seen-nothing", "children"), Input("touch-nothing", "n_clicks"), prevent_initial_call=True)
    def touch(n: int) -> str:
        return str(n)

    return [html.Button(id="touch-nothing"), html.Div(id="seen-nothing")]


def _add_callbacks(app: Any, peer: Peer, size: Size) -> None:
    outputs = [Output(store_id, "data") for store_id in size.store_ids]
    states = [State(store_id, "data") for store_id in size.store_ids]

    @app.callback(
        outputs if len(outputs) > 1 else outputs[0], Input(f"write-{size.name}", "n_clicks"), prevent_initial_call=True
    )
    def write(n: int) -> Any:
        packed = [peer.pack(store_id, size.fresh(n)) for store_id in size.store_ids]
        return packed if len(packed) > 1 else packed[0]

    def read(*data: Any) -> str:
        seen = {size.serial(peer.unpack(*each)) for each in zip(size.store_ids, data[1:], strict=True)}
        return " ".join(map(str, seen))

    names = [Parameter(f"data_{number}", Parameter.POSITIONAL_ONLY) for number in range(1 + len(states))]
    vars(read)["__signature__"] = Signature(names)  # dash-extensions looks for as many names as there are arguments
    app.callback(
        Output(f"seen-{size.name}", "children"),
        Input(f"read-{size.name}", "n_clicks"),
        *states,
        prevent_initial_call=True,
    )(read)
    if size.rows:
        _add_touching_callbacks(app, peer, size)


def _add_touching_callbacks(app: Any, peer: Peer, size: Size) -> None:
    """One that uses every byte of a column, and one that uses all of the frame."""
    [store_id] = size.store_ids

    def column(n: int, data: Any) -> str:
        frame = peer.columns(store_id, data, [ONE_COLUMN])
        touch(frame)
        return str(len(frame))

    def whole(n: int, data: Any) -> str:
        frame = peer.unpack(store_id, data)
        touch(frame)
        return str(len(frame))

    column.__annotations__["data"] = peer.annotation()
    for name, function in (("column", column), ("whole", whole)):
        app.callback(
            Output(f"{name}-seen-{size.name}", "children"),
            Input(f"{name}-{size.name}", "n_clicks"),
            State(store_id, "data"),
            prevent_initial_call=True,
        )(function)


class Meter:
    """WSGI: tells what the process uses, and times calls of the application behind it.

    Args:
        application: The WSGI application.
        forget: Drops what the process keeps of values.
    """

    def __init__(self, application: Application, forget: Callable[[], None]) -> None:
        self._application, self._forget = application, forget

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, (CPU_HEADER, str(time.process_time()))], *exc_info)

        own: dict[str, Callable[[], Any]] = {
            "/benchmark/usage": measure_usage,
            "/benchmark/in-process": lambda: self._time(environ),
            "/benchmark/forget": self._forget,
        }
        answer = own.get(environ["PATH_INFO"])
        if answer is None:
            return self._application(environ, start)
        body = json.dumps(answer()).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _time(self, environ: Environ) -> list[float]:
        """Seconds of each call of a callback, without a server and a wire around it."""
        asked = json.loads(environ["wsgi.input"].read())
        kept = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "SERVER_"))}
        return [_time_call(self._application, kept, asked["body"], serial) for serial in asked["serials"]]


def measure_usage() -> dict[str, float]:
    """Bytes of memory now, and the most since the last call; 0 where the system doesn't tell."""
    status = _read("/proc/self/status")
    now, peak = (_kilobytes(name, status) << 10 for name in ("VmRSS", "VmHWM"))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        now = peak = 0
    return {"now": now, "peak": peak}


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _kilobytes(name: str, status: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _time_call(application: Application, environ: Environ, body: dict[str, Any], serial: int) -> float:
    body["inputs"][0]["value"] = serial
    sent = json.dumps(body).encode()
    request = {
        **environ,
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/_dash-update-component",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": io.StringIO(),
    }
    statuses: list[str] = []
    start = time.perf_counter()
    answer = b"".join(application(request, lambda status, headers, *_: statuses.append(status)))
    seconds = time.perf_counter() - start
    assert statuses == ["200 OK"], (statuses, answer[:500])
    return seconds
