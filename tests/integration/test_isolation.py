"""No value ever reaches another session, whatever a browser sends."""

from __future__ import annotations

import itertools
import json
import random
import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dash
import pandas as pd
import pytest
from dash import ALL, Input, Output, Patch, State, html, no_update

from dash_statemanager import (
    ServerStore,
    configure,
    delete_store,
    get_state_manager,
    get_store,
    rotate_session,
    set_store,
    store_exists,
)

from .features.table import ASYNC
from .page import Page

USERS = 50
OPERATIONS = 20_000
FORGERIES = 100_000
BATCH = 250
SECRET = "the owner's secret"

Many = Callable[[int], int]


# -- fifty users at once


def shared_app(**settings: Any) -> dash.Dash:
    """Each operation answers with everything that it was given, so that a foreign value can't hide."""
    app = dash.Dash(__name__, **settings)
    app.layout = [
        *(ServerStore(id=name) for name in ("a", "b", "own")),
        html.Button(id="do"),
        html.Div(id="out"),
    ]

    @app.callback(
        Output("a", "data"),
        Output("b", "data"),
        Output("own", "data"),
        Output("out", "children"),
        Input("do", "title"),
        State("a", "data"),
        State("b", "data"),
        State("own", "data"),
        prevent_initial_call=True,
    )
    def do(title: str, a: Any, b: Any, own: Any) -> Any:
        name, operation, n = title.split("/")
        results = OPERATION[operation](name, int(n), b)
        given = [a, None if b is None else b.to_dict("list"), own, get_store("by name"), get_store("patched")]
        return *results, json.dumps([given, store_exists("by name")])

    return app


def _write(name: str, n: int, b: Any) -> Any:
    return {"owner": name, "n": n}, no_update, [name, {"owner": name}]


def _write_frame(name: str, n: int, b: Any) -> Any:
    return no_update, pd.DataFrame({"owner": [name] * (1 + n % 3)}), no_update


def _change_frame(name: str, n: int, b: Any) -> Any:
    if b is not None:
        b.loc[0, "owner"] = name
        b["more"] = name
    return no_update, no_update if b is None else b, no_update


def _patch(name: str, n: int, b: Any) -> Any:
    patch = Patch()
    patch.append(name)
    return no_update, no_update, patch


def _set_by_name(name: str, n: int, b: Any) -> Any:
    set_store("by name", {"owner": name, "n": n})
    return no_update, no_update, no_update


def _delete(name: str, n: int, b: Any) -> Any:
    delete_store("by name")
    return no_update, no_update, no_update


def _rotate(name: str, n: int, b: Any) -> Any:
    rotate_session()
    return no_update, no_update, no_update


def _read(name: str, n: int, b: Any) -> Any:
    return no_update, no_update, no_update


OPERATION = {
    "write": _write,
    "frame": _write_frame,
    "change": _change_frame,
    "patch": _patch,
    "set": _set_by_name,
    "delete": _delete,
    "rotate": _rotate,
    "read": _read,
}
WEIGHTS = {"write": 20, "frame": 10, "change": 10, "patch": 15, "set": 15, "delete": 5, "rotate": 2, "read": 23}


def test_fifty_users_at_once_never_see_each_others_values(backend: str, many: Many) -> None:
    apps = shared_app(use_async=False), shared_app(use_async=True)  # a callback of the other has a thread of its own
    count = many(OPERATIONS) // 2 // USERS  # half on each backend
    with ThreadPoolExecutor(USERS) as threads:
        done = list(threads.map(lambda number: live(apps[number % 2], f"user-{number:02}", count), range(USERS)))
    assert sum(done) == count * USERS
    assert get_state_manager().counters["refused"] == 0


def live(app: dash.Dash, name: str, count: int) -> int:
    """One user's operations, and what they must have seen."""
    dice = random.Random(name)
    page = Page(app.server.test_client()).open()
    mine: dict[str, Any] = {"a": None, "own": None, "by name": None}
    done = 0
    for n in range(count):
        operation = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if operation == "patch" and mine["own"] is None:
            operation = "write"
        given = dict(mine)
        page.change("do", title=f"{name}/{operation}/{n}")
        (a, b, own, by_name, patched), exists = json.loads(page.get("out", "children"))
        if operation == "set":
            given["by name"] = {"owner": name, "n": n}
        elif operation == "delete":
            given["by name"] = None
        assert {"a": a, "own": own, "by name": by_name} == given
        assert owners([a, b, own, by_name, patched]) <= {name}
        assert exists == (by_name is not None)
        mine["by name"] = given["by name"]
        if operation == "write":
            mine.update(a={"owner": name, "n": n}, own=[name, {"owner": name}])
        elif operation == "patch":
            mine["own"] = [*mine["own"], name]
        done += 1
    return done


def owners(value: Any) -> set[str]:
    """All strings that name a user, at any depth."""
    if isinstance(value, dict):
        return owners(list(value.values()))
    if isinstance(value, list):
        return set().union(*map(owners, value))
    return {value} if isinstance(value, str) else set()


# -- what browsers make up


@pytest.fixture
def victim_and_thief(backend: str) -> tuple[Page, Page]:
    """Two browsers of one app; the victim's stores hold a secret, each under its own reference."""
    app = dash.Dash(__name__)
    app.layout = [
        ServerStore(id="open"),
        ServerStore(id="sealed", sealed=True),
        ServerStore(id="other"),
        html.Button(id="go"),
        *(ServerStore(id={"kind": "open", "i": i}) for i in range(BATCH)),
        *(ServerStore(id={"kind": "sealed", "i": i}, sealed=True) for i in range(BATCH)),
        html.Div(id="out"),
    ]

    @app.callback(
        Output("open", "data"),
        Output("sealed", "data"),
        Output("other", "data"),
        Input("go", "n_clicks"),
        prevent_initial_call=True,
    )
    def write(n: int) -> Any:
        patch = Patch()
        patch["more"] = SECRET
        value = {"secret": SECRET, "list": [SECRET]}
        return (value, value, value) if n == 1 else (patch, patch, patch)

    @app.callback(
        Output("out", "children"),
        Input({"kind": "open", "i": ALL}, "data"),
        Input({"kind": "sealed", "i": ALL}, "data"),
        prevent_initial_call=True,
    )
    def read(opened: Any, sealed: Any) -> str:
        return json.dumps([opened, sealed])

    pages = Page(app.server.test_client()).open(), Page(app.server.test_client()).open()
    for page in pages:
        for n in (1, 2):
            page.change("go", n_clicks=n)
    return pages


def read_all(page: Page, opened: Sequence[Any], sealed: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """What callbacks get for values that a browser sends for open and for sealed stores."""

    def specs(kind: str, values: Sequence[Any]) -> list[Any]:
        return [{"id": {"i": i, "kind": kind}, "property": "data", "value": value} for i, value in enumerate(values)]

    answer = page.post(
        {
            "output": "out.children",
            "outputs": {"id": "out", "property": "children"},
            "inputs": [specs("open", opened), specs("sealed", sealed)],
            "changedPropIds": [],
            "state": [],
        }
    )
    assert answer.status_code == 200, answer.text
    opened, sealed = json.loads(answer.json["response"]["out"]["children"])
    return opened, sealed


def test_a_hundred_thousand_forgeries_open_nothing(victim_and_thief: tuple[Page, Page], many: Many) -> None:
    victim, thief = victim_and_thief
    dice = random.Random(20)
    rounds = many(FORGERIES) // 2 // (2 * BATCH)  # half on each backend
    for _ in range(rounds):
        forged = [forge(dice, victim) for _ in range(BATCH)]
        refused = [dice.choice([forge, foreign_to_sealed])(dice, thief) for _ in range(BATCH)]
        opened, sealed = read_all(thief, forged, refused)
        assert opened == [None] * BATCH
        assert sealed == [None] * BATCH
    assert get_state_manager().counters["refused"] >= rounds * BATCH


def test_the_owner_reads_what_nobody_else_does(victim_and_thief: tuple[Page, Page]) -> None:
    victim, _ = victim_and_thief
    value = {"secret": SECRET, "list": [SECRET], "more": SECRET}
    references = [victim.get(name) for name in ("open", "sealed", "other")]
    opened, sealed = read_all(victim, references, references)
    assert opened == [value] * 3
    assert sealed == [None] * 3


# -- what no browser of ours would send

DEEP: Any = "end"
for _ in range(300):
    DEEP = [DEEP]

NO_TOKENS = [
    None,
    True,
    0,
    -1,
    1e308,
    [],
    {},
    "",
    "s",
    "ä" * 77,
    "\x00" * 77,
    "\ud800" * 77,
    "s" * 77,
    "s" * 10_000_000,
    DEEP,
]


def test_no_garbage_is_a_reference(victim_and_thief: tuple[Page, Page]) -> None:
    _, thief = victim_and_thief
    for token in NO_TOKENS:
        read = read_all(thief, [{"__store__": token}], [{"__store__": token}])
        assert read == ([None], [None]), repr(token)[:100]


CHAINS = [
    None,
    0,
    "text",
    {},
    {"0": "s"},
    [None],
    [0],
    [[]],
    [{}],
    ["s" * 16],
    ["x" * 16] * 1000,
    ["\ud800"],
    [{"ops": None}],
    [{"ops": {}}],
    [{"ops": [None, 0, "text", [], {}]}],
    [{"ops": [{"operation": "Nothing", "location": [], "params": {}}]}],
    [{"ops": [{"operation": ["Assign"], "location": [], "params": {}}]}],
    [{"ops": [{"operation": "Assign", "location": "text", "params": None}]}],
    [{"ops": [{"operation": "Assign", "location": [None, {}, []], "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Delete", "location": [], "params": {}}]}],
    [{"ops": [{"operation": "Insert", "location": [], "params": {"value": 1, "index": "first"}}]}],
    [{"ops": [{"operation": "Insert", "location": [], "params": {"value": 1, "index": 10**18}}]}],
    [{"ops": [{"operation": "Assign", "location": [10**12], "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Assign", "location": [0, 10**12], "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Assign", "location": [-(10**12)], "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Assign", "location": ["a"] * 100_000, "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Assign", "location": [0] * 100_000, "params": {"value": 1}}]}],
    [{"ops": [{"operation": "Assign", "location": [], "params": {"value": DEEP}}]}],
    [{"ops": [{"operation": "Assign", "location": ["n"], "params": {"value": 10**400}}]}],
    [{"ops": [{"operation": "Assign", "location": ["n"], "params": {"value": "\ud800"}}]}],
    [
        {
            "ops": [
                {"operation": "Assign", "location": ["n"], "params": {"value": value}},
                {"operation": operation, "location": ["n"], "params": {"value": by}},
            ]
        }
        for operation in ("Add", "Sub", "Mul", "Div", "Extend", "Merge", "Remove", "Append")
        for value in ("text", [1], {"a": 1}, 10**300, 1e308, None)
        for by in (10**11, 0, "text", [1], {}, None, 10**300)
    ],
]


BASES = [{}, {"raw": [1]}, {"0": 1}, {"n": 10**30}, {"n": "\ud800"}, {"n": DEEP}]


def test_no_chain_of_patches_is_a_server_error(victim_and_thief: tuple[Page, Page]) -> None:
    _, thief = victim_and_thief
    mine = thief.get("open")
    for base, chain in itertools.product(BASES, CHAINS):
        mixed = {**base, "__patches__": chain}
        _, sealed = read_all(thief, [mixed, {**mine, "__patches__": chain}], [mixed])
        assert sealed == [None], repr(mixed)[:200]


def forge(dice: random.Random, victim: Page) -> Any:
    """Somebody else's reference, or one that is wrong in one of many ways."""
    return dice.choice(FORGERS)(dice, victim)


def _token(dice: random.Random, victim: Page) -> str:
    token = victim.get(dice.choice(["open", "sealed", "other"]))["__store__"]
    assert isinstance(token, str)
    return token


def _foreign(dice: random.Random, victim: Page) -> Any:
    return {"__store__": "s" + _made_up(dice, 76)}


def _truncated(dice: random.Random, victim: Page) -> Any:
    token = _token(dice, victim)
    return {"__store__": token[: dice.randrange(len(token))]}


def _mutated(dice: random.Random, victim: Page) -> Any:
    token = _token(dice, victim)
    place = dice.randrange(len(token) - 1)  # the last character carries bits that nobody reads
    other = dice.choice([c for c in _ALPHABET if c != token[place]])
    return {"__store__": token[:place] + other + token[place + 1 :]}


def _of_another_kind(dice: random.Random, victim: Page) -> Any:
    return {"__store__": dice.choice("uax") + _token(dice, victim)[1:]}


def _spliced(dice: random.Random, victim: Page) -> Any:
    one, other = victim.get("open")["__store__"], victim.get("other")["__store__"]
    place = dice.choice([12, 34])
    return {"__store__": one[:place] + other[place:]}


def _lengthened(dice: random.Random, victim: Page) -> Any:
    return {"__store__": _token(dice, victim) + _made_up(dice, dice.randrange(1, 9))}


def _dressed(dice: random.Random, victim: Page) -> Any:
    token = _token(dice, victim)
    return {"__store__": dice.choice([[token], {"token": token}, token.encode().hex(), f" {token}", f"{token}\n"])}


def _made_up(dice: random.Random, length: int) -> str:
    return "".join(dice.choices(_ALPHABET, k=length))


_ALPHABET = string.ascii_letters + string.digits + "-_"
FORGERS = [_foreign, _truncated, _mutated, _of_another_kind, _spliced, _lengthened, _dressed]


def foreign_to_sealed(dice: random.Random, own: Page) -> Any:
    """What even the owner may not give to a sealed store: other stores' references, and raw JSON."""
    return dice.choice(
        [
            own.get("open"),
            own.get("other"),
            own.get("sealed"),  # sealed, but another store
            {"raw": [dice.random()]},
            [dice.random()],
            _made_up(dice, 9),
            dice.random(),
            {"__patches__": [own.get("sealed")["__patches__"][0]]},
            {"raw": 1, "__patches__": [{"ops": [_assign(dice.random())]}]},
            {"__patches__": [{"ops": [_assign(dice.random())]}]},
        ]
    )


def _assign(value: Any) -> dict[str, Any]:
    return {"operation": "Assign", "location": [], "params": {"value": value}}


@pytest.mark.parametrize(
    ("component", "prop"), [("filters", "value"), ("other", "data"), ("open", "data"), ({"type": "rights"}, "data")]
)
@pytest.mark.parametrize("asynchronous", [False, True] if ASYNC.exists else [False])
def test_a_sealed_store_is_not_passed_by_under_another_name(component: Any, prop: str, asynchronous: bool) -> None:
    configure(backend="memory")
    app = dash.Dash(__name__)
    app.layout = [
        ServerStore(id="rights", sealed=True),
        ServerStore(id="open"),
        html.Button(id="go"),
        html.Div(id="out"),
    ]

    def see(rights: Any) -> str:
        return json.dumps(rights)

    async def see_later(n: int, rights: Any) -> str:
        return see(rights)

    wired = Output("out", "children"), Input("go", "n_clicks"), State("rights", "data")
    app.callback(*wired)(see_later if asynchronous else lambda n, rights: see(rights))
    page = Page(app.server.test_client()).open()
    body = page.request("out.children", ["go.n_clicks"])
    forged = {"id": component, "property": prop, "value": {"admin": True}}
    assert page.post({**body, "state": [forged]}).status_code == 204
    assert page.post(body).json["response"]["out"]["children"] == "null"


def test_an_id_that_nobody_made_is_none_of_sealed_stores() -> None:
    configure(backend="memory")
    app = dash.Dash(__name__)
    app.layout = [
        *(ServerStore(id={"kind": "rights", "i": i}, sealed=True) for i in range(2)),
        html.Button(id="go"),
        html.Div(id="out"),
    ]

    @app.callback(Output("out", "children"), Input("go", "n_clicks"), State({"kind": "rights", "i": ALL}, "data"))
    def see(n: int, rights: Any) -> str:
        return json.dumps(rights)

    page = Page(app.server.test_client()).open()
    body = page.request("out.children", ["go.n_clicks"])
    assert page.post(body).json["response"]["out"]["children"] == "[null, null]"
    for stranger in ({"kind": "rights", "i": 2}, {"kind": "others", "i": 1}):
        body["state"] = [[{"id": stranger, "property": "data", "value": {"admin": True}}]]
        assert page.post(body).status_code == 204
