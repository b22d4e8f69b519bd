"""A Patch does to a ServerStore what it does to the dcc.Store beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from dash import Input, Output, Patch, ctx, set_props

from tests.browser.support import KINDS, Twins, button, errors, stores

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser

START: dict[str, Any] = {"n": 1, "items": [1, 2, 3], "deep": {"list": [{"a": 1}, {"a": 2}]}, "gone": True, "text": "x"}


def assign(patch: Any) -> None:
    patch["n"] = {"new": [1, None]}


def nested(patch: Any) -> None:
    patch["deep"]["list"][0]["a"] = "changed"
    patch["deep"]["made"]["on"]["the"] = "way"


def append(patch: Any) -> None:
    patch["items"].append(4)


def append_to_nothing(patch: Any) -> None:
    patch["nothing"].append(1)


def prepend(patch: Any) -> None:
    patch["items"].prepend(0)


def insert(patch: Any) -> None:
    patch["items"].insert(1, "inserted")


def extend(patch: Any) -> None:
    patch["items"].extend([2, 8, 2, 9])


def negative_index(patch: Any) -> None:
    patch["items"][-1] = "last"
    patch["deep"]["list"][-1]["a"] = "last"


def delete(patch: Any) -> None:
    del patch["gone"]
    del patch["items"][0]
    del patch["deep"]["list"][-1]
    del patch["not there"]


def remove(patch: Any) -> None:
    patch["items"].remove(2)


def reverse(patch: Any) -> None:
    patch["items"].reverse()


def merge(patch: Any) -> None:
    patch["deep"].update({"merged": 1, "list": [5]})


def arithmetic(patch: Any) -> None:
    patch["m"] = 8
    patch["m"] += 2
    patch["m"] -= 4
    patch["m"] *= 3
    patch["m"] /= 4
    patch["text"] += "y"


def clear(patch: Any) -> None:
    patch["items"].clear()
    patch["deep"].clear()


OPERATIONS: list[Callable[[Any], None]] = [
    assign, nested, append, append_to_nothing, prepend, insert, extend, negative_index, delete, remove, reverse, merge,
    arithmetic, clear,
]  # fmt: skip


def patch_by_buttons(twins: Twins, *operations: Callable[[Any], None]) -> list[Any]:
    """One button for each operation, which patches both stores."""
    by_name = {operation.__name__: operation for operation in operations}
    for kind in KINDS:

        @twins.app.callback(
            Output(f"{kind}-store", "data", allow_duplicate=True),
            [Input(name, "n_clicks") for name in by_name],
            prevent_initial_call=True,
        )
        def change(*_: int) -> Any:
            patch = Patch()
            by_name[str(ctx.triggered_id)](patch)
            return patch

    return [button(name) for name in by_name]


def whole_value_button(twins: Twins) -> Any:
    """A button that puts a whole value into both stores."""
    for kind in KINDS:

        @twins.app.callback(Output(f"{kind}-store", "data"), Input("whole", "n_clicks"), prevent_initial_call=True)
        def write(clicks: int) -> Any:
            return {**START, "n": -clicks}

    return button("whole")


@pytest.mark.parametrize("base", ["initial", "written"])
def test_each_operation(twins: Twins, base: str) -> None:
    """In one chain over an initial value, and each by itself over a value that was written just before."""
    buttons = [whole_value_button(twins), *patch_by_buttons(twins, *OPERATIONS)]
    twins.start(*stores(data=START, storage_type="session"), *buttons, *twins.readers())
    for operation in OPERATIONS:
        if base == "written":
            twins.click("whole")
        before = twins.shown("plain")["store-data"]
        twins.click(operation.__name__)
        twins.check()
        assert twins.shown("plain")["store-data"] != before
    twins.reload()
    twins.check()
    assert errors(twins.driver) == []


def root_append(patch: Any) -> None:
    patch.append({"n": 1})


def root_assign(patch: Any) -> None:
    patch[f"click {ctx.triggered[0]['value']}"] = "value"


def root_extend(patch: Any) -> None:
    patch.extend([1, 2])


@pytest.mark.parametrize("operation", [root_append, root_assign, append])
def test_on_an_empty_store(twins: Twins, operation: Callable[[Any], None]) -> None:
    twins.start(*stores(storage_type="session"), *patch_by_buttons(twins, operation), *twins.readers())
    twins.check(store_data="null")
    for _ in range(3):
        twins.click(operation.__name__)
        twins.check()
    twins.reload()
    twins.check()
    assert twins.shown("plain")["store-data"] != "null"
    assert errors(twins.driver) == []


@pytest.mark.parametrize(
    ("raw", "operation"),
    [
        ('{"a": 1, "items": [1]}', append),
        ('{"a": 1, "items": [1]}', root_assign),
        ("{}", root_assign),
        ('[{"a": 1}, 2]', root_append),
        ("[1, 2, 3]", root_extend),
        ("[]", root_append),
    ],
)
def test_on_json_from_before_the_swap(twins: Twins, raw: str, operation: Callable[[Any], None]) -> None:
    twins.start(*stores(storage_type="session"), *patch_by_buttons(twins, operation), *twins.readers())
    for kind in KINDS:
        twins.driver.execute_script("sessionStorage.setItem(...arguments)", f"{kind}-store", raw)
    twins.reload()
    twins.check()
    for _ in range(2):
        twins.click(operation.__name__)
        twins.check()
    twins.reload()
    twins.check()
    assert errors(twins.driver) == []


def test_two_tabs_each_exact(twins: Twins) -> None:
    """Each tab's patches apply to what that tab holds, not to what another wrote since."""
    patches = patch_by_buttons(twins, append, prepend)
    outs = twins.readers()
    twins.start(*stores(data=START, storage_type="session"), whole_value_button(twins), *patches, *outs)
    twins.click("append")
    twins.browser.open_new_tab()
    twins_in(twins, 1)
    steps = [("append", 0), ("append", 1), ("whole", 1), ("prepend", 0), ("prepend", 1), ("append", 0), ("append", 1)]
    for step, window in [*steps, ("prepend", 0), ("prepend", 1)]:
        twins.driver.switch_to.window(twins.driver.window_handles[window])
        twins.click(step)
    assert '"items": [0, 0, 1, 2, 3, 4, 4, 4]' in twins_in(twins, 0)
    assert '"items": [0, 0, 1, 2, 3, 4]' in twins_in(twins, 1)


def twins_in(twins: Twins, window: int) -> str:
    """What both stores show in a window."""
    twins.driver.switch_to.window(twins.driver.window_handles[window])
    twins.check()
    return twins.shown("server")["store-data"]


@pytest.mark.parametrize("first", ["one", "two"])
def test_two_callbacks_in_flight_lose_nothing(twins: Twins, first: str) -> None:
    names = ("one", "two")
    asked = {(kind, name): threading.Event() for kind in KINDS for name in names}
    released = {name: threading.Event() for name in names}
    for kind in KINDS:
        for name in names:

            @twins.app.callback(
                Output(f"{kind}-store", "data", allow_duplicate=True),
                Input(name, "n_clicks"),
                prevent_initial_call=True,
            )
            def change(_: int, kind: str = kind, name: str = name) -> Any:
                asked[kind, name].set()
                assert released[name].wait(10)
                patch = Patch()
                patch["by"].append(name)
                return patch

    twins.start(*stores(data={"by": []}, storage_type="session"), *map(button, names), *twins.readers())
    for name in names:
        twins.driver.find_element("id", name).click()
    assert all(event.wait(10) for event in asked.values())
    second = "two" if first == "one" else "one"
    released[first].set()
    twins.await_text("store-data", f'{{"by": ["{first}"]}}')
    released[second].set()
    twins.await_text("store-data", f'{{"by": ["{first}", "{second}"]}}')
    twins.check()


def test_a_whole_value_ends_a_chain(twins: Twins) -> None:
    buttons = [whole_value_button(twins), *patch_by_buttons(twins, append)]
    twins.start(*stores(storage_type="local"), *buttons, *twins.readers())
    for step in ("append", "append", "whole", "append", "whole", "whole", "append"):
        twins.click(step)
        twins.check()
    assert '"items": [1, 2, 3, 4]' in twins.shown("server")["store-data"]


def test_a_patch_that_changes_nothing(twins: Twins) -> None:
    """Only the time of the change tells: the server does not know what a tab held before."""
    buttons = patch_by_buttons(twins, assign)
    twins.start(*stores(data=START, storage_type="session"), *buttons, *twins.readers())
    for _ in range(2):
        twins.click("assign")
    assert twins.shown("server") == twins.shown("plain")
    plain, server = twins.journal.of("plain"), twins.journal.of("server")
    assert server["store data"] == plain["store data"]
    assert [len(plain["store change"]), len(server["store change"])] == [2, 3]


def test_set_props_with_a_patch(twins: Twins) -> None:
    @twins.app.callback(Input("go", "n_clicks"), prevent_initial_call=True)
    def change(clicks: int) -> None:
        for kind in KINDS:
            patch = Patch()
            patch["items"].append(clicks)
            set_props(f"{kind}-store", {"data": patch})

    twins.start(*stores(data=START, storage_type="session"), button("go"), *twins.readers())
    for _ in range(3):
        twins.click("go")
        twins.check()
    assert '"items": [1, 2, 3, 1, 2, 3]' in twins.shown("server")["store-data"]
    assert errors(twins.driver) == []


def test_the_browser_holds_names_of_patches_not_their_content(twins: Twins) -> None:
    secret = "a string that must not leave the server"

    def confide(patch: Any) -> None:
        patch["items"].append(secret)

    twins.start(*stores(data=START, storage_type="session"), *patch_by_buttons(twins, confide), *twins.readers())
    twins.click("confide")
    twins.check()
    held = twins.driver.execute_script("return {...sessionStorage}")
    assert secret in held["plain-store"]
    assert secret not in held["server-store"]
    assert len(held["server-store"]) < 150
    assert secret in twins.shown("server")["store-data"]
