"""Managers of background jobs that lose no result, and an app for them that also a worker process can load."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import diskcache
import pandas as pd
import psutil
from dash import CeleryManager, Dash, DiskcacheManager, Input, Output, State, html

from dash_statemanager import ServerStore, get_session_id, get_store, set_store

FOLDER = "TESTED_JOBS_FOLDER"
BROKER = "TESTED_JOBS_BROKER"
PATIENCE = 90.0


class _Careful:
    """Looks whether a job runs before it looks for the result.

    Dash does it the other way round, and takes a job for canceled that ends in between.
    """

    def get_result(self, key: str, job: Any) -> Any:
        self._ran = job is not None and super().job_running(job)  # type: ignore[misc]
        return super().get_result(key, job)  # type: ignore[misc]

    def job_running(self, job: Any) -> bool:
        return bool(self._ran)


class Manager(_Careful, DiskcacheManager):
    """Jobs in processes that the server starts."""

    def terminate_job(self, job: Any) -> None:
        """As Dash does; it fails where a process ends while Dash looks for its children."""
        with suppress(psutil.NoSuchProcess):
            super().terminate_job(job)


class WorkersManager(_Careful, CeleryManager):
    """Jobs in Celery's workers."""


def folder() -> Path:
    return Path(os.environ[FOLDER])


def wait_for(name: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not (folder() / name).exists():
        assert time.monotonic() < ends, f"nothing happened that makes {name}"
        time.sleep(0.01)


def make_app(manager: Any) -> Dash:
    """Jobs that take and give frames, tell their progress, fail, are canceled, meet, and are cached."""
    app = Dash(__name__, background_callback_manager=manager, suppress_callback_exceptions=True)
    buttons = ("go", "fail", "endless", "cancel", "one", "two", "cached", "make")
    app.layout = [
        *(ServerStore(id=name) for name in ("frame", "step", "failed", "met-one", "met-two", "kept")),
        *(html.Button(id=name) for name in buttons),
        html.Div(id="out"),
        html.Div(id="kept-out"),
        html.Div(id="box"),
    ]

    @app.callback(
        Output("frame", "data"),
        Input("go", "n_clicks"),
        State("frame", "data"),
        background=True,
        prevent_initial_call=True,
        progress=Output("step", "data"),
    )
    def work(set_progress: Any, n: int, frame: pd.DataFrame | None) -> pd.DataFrame:
        set_progress({"step": pd.DataFrame({"n": [n]})})
        wait_for(f"seen-{n}")
        set_store("by name", [get_session_id(), get_store("by name")])
        return pd.concat([frame, pd.DataFrame({"n": [n]})], ignore_index=True)

    @app.callback(Output("out", "children"), Input("frame", "data"), Input("step", "data"), prevent_initial_call=True)
    def show(frame: pd.DataFrame | None, step: Any) -> str:
        return f"{None if frame is None else list(frame.n)} {step and list(step['step'].n)}"

    def rescue(error: Exception) -> Any:
        return {"rescued": "no 1" in str(error) or str(error)}

    @app.callback(
        Output("failed", "data"),
        Input("fail", "n_clicks"),
        background=True,
        prevent_initial_call=True,
        on_error=rescue,
    )
    def fail(n: int) -> Any:
        raise ValueError(f"no {n}")

    @app.callback(
        Output("frame", "data", allow_duplicate=True),
        Input("endless", "n_clicks"),
        background=True,
        prevent_initial_call=True,
        cancel=[Input("cancel", "n_clicks")],
    )
    def endless(n: int) -> Any:
        (folder() / "endless").touch()
        wait_for("never")

    for own, other in (("one", "two"), ("two", "one")):

        @app.callback(Output(f"met-{own}", "data"), Input(own, "n_clicks"), background=True, prevent_initial_call=True)
        def meet(n: int, own: str = own, other: str = other) -> Any:
            (folder() / own).touch()
            wait_for(other)
            return {own: n}

    @app.callback(
        Output("kept", "data"),
        Input("cached", "n_clicks"),
        background=True,
        prevent_initial_call=True,
        cache_args_to_ignore=[0],
    )
    def cached(n: int) -> Any:
        """Dash starts it even where it has a result: then it does not come to an end."""
        mine = folder() / sha256(get_session_id().encode()).hexdigest()
        if mine.exists():
            wait_for("never")
        mine.touch()
        return {"first": n}

    @app.callback(Output("box", "children"), Input("make", "n_clicks"), background=True, prevent_initial_call=True)
    def make(n: int) -> Any:
        return html.Div([ServerStore(id="made", data={"made": n}), html.Button(id="next")])

    @app.callback(Output("made", "data"), Input("next", "n_clicks"), State("made", "data"), prevent_initial_call=True)
    def follow(n: int, made: Any) -> Any:
        return {"before": made}

    @app.callback(Output("kept-out", "children"), Input("kept", "data"), prevent_initial_call=True)
    def show_kept(kept: Any) -> str:
        return str(kept)

    return app


def everyone() -> str:
    """What results are cached by: the same for all."""
    return "everyone"


if BROKER in os.environ:  # this is the module of a Celery worker, or of the server that sends it jobs
    from celery import Celery

    celery = Celery(__name__, broker=os.environ[BROKER], backend=os.environ[BROKER])
    app = make_app(WorkersManager(celery, cache_by=everyone))
elif FOLDER in os.environ:
    cache = diskcache.Cache(str(folder() / "cache"))  # type: ignore[no-untyped-call]
    app = make_app(Manager(cache, cache_by=everyone))
