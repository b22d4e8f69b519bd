"""Background callbacks with DiskcacheManager, in real processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .features.table import ASYNC

Script = Callable[..., str]

APP = """
import asyncio, itertools, json, os, sys, time
from pathlib import Path
import diskcache
import dash
from dash import Dash, Input, Output, State, callback, ctx, dcc, html, set_props
from tests.integration.jobs import Manager

folder, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "ours":
    import dash_statemanager  # earlier than the callbacks

app = Dash(__name__, background_callback_manager=Manager(diskcache.Cache(str(folder / kind))))

def wait_for(name):
    ends = time.monotonic() + 20
    while not (folder / kind / name).exists():
        assert time.monotonic() < ends, name
        time.sleep(0.01)

@app.callback(
    Output("a", "data"),
    Output("out", "children"),
    Input("go", "n_clicks"),
    State("a", "data"),
    State("b", "data"),
    background=True,
    prevent_initial_call=True,
    progress=[Output("progress", "data"), Output("bar", "title")],
    progress_default=[{"over": True}, "over"],
)
def work(set_progress, n, a, b):
    set_progress(({"done": [n]}, f"{n} done"))
    wait_for(f"progress-{n}")
    set_props("b", {"data": {"set": n, "before": b}})
    same = ctx.states["a.data"] is a, ctx.args_grouping[1]["value"] is a
    return {"n": n, "a": a, "context": [ctx.triggered_id, same, ctx.inputs]}, f"saw {a} and {b}"

@callback(
    Output("c", "data"), Input("c-go", "n_clicks"), State("a", "data"), background=True, prevent_initial_call=True,
)
async def asynchronous(n, a):
    await asyncio.sleep(0)
    return [n, a]

def rescue(error):
    set_props("b", {"data": {"rescued": "no 1" in str(error), "a": ctx.states["a.data"]}})
    return {"from": "handler"}

@app.callback(
    Output("c", "data", allow_duplicate=True), Input("fail", "n_clicks"), State("a", "data"),
    background=True, prevent_initial_call=True, on_error=rescue,
)
def fail(n, a):
    raise ValueError(f"no {n}")

@app.callback(
    output={"c": Output("c", "data", allow_duplicate=True)},
    inputs={"n": Input("endless", "n_clicks"), "a": State("a", "data")},
    background=True, prevent_initial_call=True, cancel=[Input("cancel", "n_clicks")],
)
def endless(n, a):
    Path(folder, kind, "endless").write_text(str(os.getpid()))
    wait_for("never")

if kind == "early":
    import dash_statemanager  # later than the callbacks

if __name__ == "__main__":
    Store = dcc.Store if kind == "plain" else dash_statemanager.ServerStore
    buttons = ["go", "c-go", "fail", "endless", "cancel"]
    app.layout = [
        *(Store(id=name, storage_type="session") for name in ["a", "b", "c", "progress"]),
        *map(html.Button, [None] * 5, buttons), html.Div(id="out"), html.Div(id="bar"),
        html.Div(id="page"),
    ]

    shown = []
    @app.callback(Output("page", "title"), *(Input(name, "data") for name in ["a", "b", "c", "progress"]))
    def show(*values):
        shown.append(values)
        return "shown"

    from tests.integration.page import Page
    page = Page(app.server.test_client()).open()
    for n in (1, 2):
        page.change("go", n_clicks=n).finish_jobs(lambda: page.get("bar", "title") == f"{n} done")
        (folder / kind / f"progress-{n}").touch()
        page.finish_jobs()
    page.change("c-go", n_clicks=1).finish_jobs()
    page.change("fail", n_clicks=1).finish_jobs()
    page.change("endless", n_clicks=1).finish_jobs((folder / kind / "endless").exists)
    page.change("cancel", n_clicks=1).finish_jobs()
    texts = {name: [page.get(name, "children"), page.get(name, "title")] for name in ["out", "bar"]}
    stores = [page.get(name) for name in ["a", "b", "c", "progress"]]
    # set_props of a job arrives with its result or before: the values of one store are in order, those of two are not.
    values = [[value for value, _ in itertools.groupby(column)] for column in zip(*shown)]
    print(json.dumps({"values": values, "texts": texts, "stores": stores}))
"""


@pytest.mark.parametrize("kind", ["ours", "early"])
def test_background_callbacks_give_the_same_as_with_plain_stores(kind: str, script: Script, tmp_path: Path) -> None:
    """`early` registers its callbacks before this library is imported."""
    source = APP if ASYNC.exists else APP.replace("async def", "def").replace("await asyncio.sleep(0)", "pass")
    ours, plain = (json.loads(script(source, str(tmp_path), name)) for name in (kind, "plain"))
    assert ours["values"] == plain["values"]
    assert ours["texts"] == plain["texts"]
    *references, progress = ours["stores"]
    assert [sorted(reference) for reference in references] == [["__store__"]] * 3
    assert progress == {"over": True}  # the default is part of the registration, which browsers get


FRAMES = """
import sys, diskcache, pandas as pd
from dash import Dash, Input, Output, State, html
from dash_statemanager import ServerStore, get_session_id, get_store, set_store
from tests.integration.jobs import Manager
from tests.integration.page import Page

app = Dash(__name__, background_callback_manager=Manager(diskcache.Cache(sys.argv[1])))
app.layout = [ServerStore(id="a"), ServerStore(id="b", sealed=True), html.Button(id="go"), html.Div(id="out")]

@app.callback(Output("a", "data"), Output("b", "data"), Input("go", "n_clicks"), State("a", "data"), State("b", "data"),
              background=True, prevent_initial_call=True)
def work(n, a, b):
    set_store("by name", [get_session_id(), n, get_store("by name")])
    frame = pd.DataFrame({"n": [n]}) if a is None else pd.concat([a, pd.DataFrame({"n": [n]})], ignore_index=True)
    return frame, {"frame": frame, "before": b and len(b["frame"])}

@app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"), prevent_initial_call=True)
def show(a, b):
    session, n, before = get_store("by name")
    assert session == get_session_id() and (before is None or before[1] == n - 1)
    return f"{list(a.n)} {list(b['frame'].n)} {b['before']}"

if __name__ == "__main__":
    page = Page(app.server.test_client()).open()
    for n in (1, 2, 3):
        print(page.change("go", n_clicks=n).finish_jobs().get("out", "children"))
"""


def test_background_callbacks_take_and_give_frames_for_the_session_that_started_them(
    script: Script, tmp_path: Path
) -> None:
    lines = script(FRAMES, str(tmp_path / "cache")).splitlines()
    assert lines == ["[1] [1] None", "[1, 2] [1, 2] 1", "[1, 2, 3] [1, 2, 3] 2"]


MEMORY = """
import sys, diskcache
from dash import Dash, Input, Output, State, html
import dash_statemanager
from tests.integration.jobs import Manager
from tests.integration.page import Page

dash_statemanager.configure(backend="memory")
app = Dash(__name__, background_callback_manager=Manager(diskcache.Cache(sys.argv[1])))
app.layout = [dash_statemanager.ServerStore(id="a", data=1), html.Button(id="go"), html.Div(id="out")]

@app.callback(Output("a", "data"), Output("out", "children"), Input("go", "n_clicks"), State("a", "data"),
              background=True, prevent_initial_call=True, on_error=lambda error: (None, str(error)))
def work(n, a):
    return n, "worked"

if __name__ == "__main__":
    page = Page(app.server.test_client()).open()
    print(page.change("go", n_clicks=1).finish_jobs().get("out", "children"))
"""


def test_a_job_is_told_that_the_memory_backend_belongs_to_another_process(script: Script, tmp_path: Path) -> None:
    told = script(MEMORY, str(tmp_path / "cache"))
    assert "STATE_BACKEND=memory keeps its data in process" in told
    assert "Set STATE_BACKEND=database" in told
