"""A tab without a browser: does with layouts, callbacks and answers what Dash's renderer does."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dash._utils import stringify_id

Spec = dict[str, Any]
Post = Callable[[str, dict[str, Any], dict[str, Any]], tuple[int, bytes]]

WILDCARDS = (["MATCH"], ["ALL"], ["ALLSMALLER"])
JOB_SECONDS = 90.0


class Page:
    """One tab of one browser.

    Args:
        client: A werkzeug test client; its cookies are the browser's.
        prefix: The app's route prefix.
    """

    def __init__(self, client: Any, prefix: str = "/") -> None:
        self.client, self.prefix = client, prefix
        self.props: dict[str, dict[str, Any]] = {}
        self.types: dict[str, tuple[str, str]] = {}
        self.callbacks: list[Spec] = []
        self.sent: list[str] = []
        self.received: list[str] = []
        self._jobs: list[_Job] = []

    def open(self) -> Page:
        """Loads the page: index, layout, dependencies. `start` then runs the initial callbacks."""
        assert self.client.get(self.prefix, headers={"Accept": "text/html"}).status_code == 200
        layout = self.client.get(f"{self.prefix}_dash-layout")
        assert layout.status_code == 200, layout.text
        self.callbacks = [
            spec for spec in self.client.get(f"{self.prefix}_dash-dependencies").json if not spec["clientside_function"]
        ]
        self._mount(layout.json)
        return self

    def start(self) -> Page:
        """Runs the callbacks that the renderer runs when the page has loaded."""
        for spec in self.callbacks:
            if not spec["prevent_initial_call"]:
                for call in self._calls(spec):
                    self._run(call, [])
        return self

    def get(self, component_id: str | dict[str, Any], prop: str = "data") -> Any:
        """What the browser holds."""
        return self.props[stringify_id(component_id)].get(prop)

    def change(self, component_id: str | dict[str, Any], **props: Any) -> Page:
        """A user, or code in the browser, changes properties; callbacks follow until nothing changes any more."""
        self.props[stringify_id(component_id)].update(copy.deepcopy(props))
        self._follow([f"{stringify_id(component_id)}.{prop}" for prop in props], set())
        return self

    def request(self, output: str, changed: Sequence[str]) -> dict[str, Any]:
        """The body of the request for the first call of the callback with this output."""
        (spec,) = [spec for spec in self.callbacks if spec["output"] == output]
        return self._calls(spec)[0].body(self, changed)

    def post(self, body: Any, query: Mapping[str, Any] | None = None) -> Any:
        """Sends the request of a callback."""
        self.sent.append(json.dumps(body))  # Flask's own test client would sort the keys
        answer = self.client.post(
            f"{self.prefix}_dash-update-component",
            data=self.sent[-1],
            content_type="application/json",
            query_string=query or {},
        )
        self.received.append(answer.text)
        return answer

    def receive(self, answer: dict[str, Any]) -> None:
        """Applies an answer that was held back."""
        self._apply(answer, set())

    # -- callbacks

    def _follow(self, changed: list[str], path: set[str]) -> None:
        for spec in self.callbacks:
            for call in self._calls(spec) if spec["output"] not in path else ():
                mine = [prop_id for prop_id in call.inputs_now() if prop_id in changed]
                if mine:
                    self._run(call, mine, path)

    def _run(self, call: _Call, changed: list[str], path: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        canceled = {"cancelJob": [job.handle for job in self._jobs if job.cancels & set(changed)]}
        answer = self.post(call.body(self, changed), canceled)
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 200 and "job" in answer.json:
            self._jobs.append(_Job(self, call, changed, answer.json))
            return
        self._apply(answer.json if answer.status_code == 200 else {}, path | {call.spec["output"]})

    def finish_jobs(self, until: Callable[[], object] = lambda: False) -> Page:
        """Waits for background jobs, or for what is true earlier, one look after the other as the renderer does."""
        ends = time.monotonic() + JOB_SECONDS
        while self._jobs and not until():
            assert time.monotonic() < ends, "a background job does not end"
            self._jobs = [job for job in self._jobs if not job.look()]
        return self

    def _apply(self, answer: dict[str, Any], path: set[str]) -> None:
        changed: list[str] = []
        for updates in (answer.get("sideUpdate") or {}, answer.get("response") or {}):
            for component_id, props in updates.items():
                changed += self._update(component_id, props)
        for prop_id, value in (answer.get("progress") or {}).items():
            component_id, _, prop = prop_id.rpartition(".")
            changed += self._update(component_id, {prop: value})
        if changed:
            self._follow(changed, path)

    def _update(self, component_id: str, props: dict[str, Any]) -> list[str]:
        mine = self.props[component_id]
        for prop, value in props.items():
            mine[prop] = _patched(mine.get(prop), value["operations"]) if _is_patch(value) else value
            self._mount(mine[prop])
        changed = [*props]
        if mine.get("clear_data"):
            mine.update(clear_data=False, data=None)
            changed.append("data")
        return [f"{component_id}.{prop}" for prop in changed]

    def _mount(self, tree: Any) -> None:
        if isinstance(tree, list):
            for part in tree:
                self._mount(part)
        elif isinstance(tree, dict) and {"type", "namespace", "props"} <= set(tree):
            if "id" in tree["props"]:
                name = stringify_id(tree["props"]["id"])
                self.props[name] = tree["props"]
                self.types[name] = tree["namespace"], tree["type"]
            for part in tree["props"].values():
                self._mount(part)

    # -- patterns

    def _calls(self, spec: Spec) -> list[_Call]:
        outputs = [] if spec["no_output"] else [_split(name) for name in _names(spec["output"])]
        anchors = [dep["id"] for dep in [*outputs, *map(_parsed, spec["inputs"])] if ["MATCH"] in _values(dep["id"])]
        matches: list[dict[str, Any]] = [{}]
        if anchors:
            keys = [key for key, value in anchors[0].items() if value == ["MATCH"]]
            matches = []
            for found in self._matching(anchors[0], {}):
                match = {key: found[key] for key in keys}
                if match not in matches:
                    matches.append(match)
        calls = [
            _Call(spec, *(self._resolved(deps, match) for deps in (outputs, spec["inputs"], spec["state"])))
            for match in matches
        ]
        return [call for call in calls if None not in (call.outputs, call.inputs, call.states)]

    def _resolved(self, deps: Sequence[Spec], match: dict[str, Any]) -> list[Any] | None:
        resolved: list[Any] = []
        for dep in map(_parsed, deps):
            if isinstance(dep["id"], str):
                if dep["id"] not in self.props:
                    return None
                resolved.append(dep)
                continue
            found = [{"id": found, "property": dep["property"]} for found in self._matching(dep["id"], match)]
            several = any(value in (["ALL"], ["ALLSMALLER"]) for value in dep["id"].values())
            if not several and not found:
                return None
            resolved.append(found if several else found[0])
        return resolved

    def _matching(self, pattern: dict[str, Any], match: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in self.props:
            found = json.loads(name) if name.startswith("{") else {}
            fits = (_fits(found[key], wanted, match.get(key)) for key, wanted in pattern.items())
            if found.keys() == pattern.keys() and all(fits):
                yield found


class _Call:
    def __init__(self, spec: Spec, outputs: Any, inputs: Any, states: Any) -> None:
        self.spec, self.outputs, self.inputs, self.states = spec, outputs, inputs, states

    def inputs_now(self) -> list[str]:
        flat = [one for dep in self.inputs for one in (dep if isinstance(dep, list) else [dep])]
        return [f"{stringify_id(dep['id'])}.{dep['property']}" for dep in flat]

    def body(self, page: Page, changed: Sequence[str]) -> dict[str, Any]:
        def filled(dep: Any) -> Any:
            if isinstance(dep, list):
                return [filled(one) for one in dep]
            props = page.props[stringify_id(dep["id"])]
            return {**dep, "value": props[dep["property"]]} if dep["property"] in props else dict(dep)

        body = {
            "output": self.spec["output"],
            "inputs": [filled(dep) for dep in self.inputs],
            "state": [filled(dep) for dep in self.states],
            "changedPropIds": list(changed),
        }
        if self.outputs:
            body["outputs"] = self.outputs if self.spec["output"].startswith("..") else self.outputs[0]
        return copy.deepcopy(body)


class _Job:
    def __init__(self, page: Page, call: _Call, changed: list[str], handles: dict[str, Any]) -> None:
        self._page, self._call, self._changed = page, call, changed
        self.handle, self._query = handles["job"], {name: handles[name] for name in ("job", "cacheKey")}
        self._default = {"progress": handles.get("progressDefault")}
        self.cancels = {f"{dep['id']}.{dep['property']}" for dep in handles.get("cancel", ())}

    def look(self) -> bool:
        """Asks for the result; whether the job is over."""
        answer = self._page.post(self._call.body(self._page, self._changed), self._query)
        assert answer.status_code in (200, 204), answer.text
        answered = answer.json if answer.status_code == 200 else {}
        self._page._apply(answered, {self._call.spec["output"]})
        over = answer.status_code == 204 or "response" in answered
        if over:
            self._page.receive(self._default)
        else:
            time.sleep(0.02)  # the renderer, too, has nothing but looking again
        return over


def _names(output: str) -> list[str]:
    return output[2:-2].split("...") if output.startswith("..") else [output]


def _split(name: str) -> Spec:
    component_id, _, prop = name.rpartition(".")
    return _parsed({"id": component_id.replace("\\.", "."), "property": prop})


def _parsed(dep: Spec) -> Spec:
    component_id = dep["id"]
    if isinstance(component_id, str) and component_id.startswith("{"):
        component_id = json.loads(component_id)
    return {"id": component_id, "property": dep["property"]}


def _values(component_id: Any) -> list[Any]:
    return list(component_id.values()) if isinstance(component_id, dict) else []


def _fits(value: Any, wanted: Any, matched: Any) -> bool:
    if wanted == ["ALLSMALLER"]:
        return bool(value < matched)
    if wanted == ["MATCH"]:
        return matched is None or bool(value == matched)
    return wanted == ["ALL"] or bool(value == wanted)


def _is_patch(value: Any) -> bool:
    return isinstance(value, dict) and "__dash_patch_update" in value


def _patched(value: Any, operations: Sequence[Spec]) -> Any:
    """What `dash.Patch` promises, for the operations and paths that the tests use."""
    root = {"value": copy.deepcopy(value)}
    for operation in operations:
        way = ["value", *operation["location"]]
        last = way[-1]
        parent: Any = root
        if isinstance(root["value"], list) and len(way) > 1 and isinstance(way[1], str):
            root["value"] = {str(i): item for i, item in enumerate(root["value"])}  # as the renderer does
        for step, following in itertools.pairwise(way):
            if isinstance(parent, dict) and parent.get(step) is None:
                parent[step] = [] if isinstance(following, int) else {}
            parent = parent[step]
        old = parent.get(last) if isinstance(parent, dict) else parent[last]
        if operation["operation"] == "Delete":
            del parent[last]
        else:
            parent[last] = _OPERATIONS[operation["operation"]](old, **operation["params"])
    return root["value"]


def _inserted(old: list[Any], value: Any, index: int) -> list[Any]:
    return [*old[:index], value, *old[index:]]


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Assign": lambda old, value: value,
    "Append": lambda old, value: [*(old or []), value],
    "Prepend": lambda old, value: [value, *(old or [])],
    "Extend": lambda old, value: [*(old or []), *value],
    "Insert": _inserted,
    "Merge": lambda old, value: {**(old or {}), **value},
    "Remove": lambda old, value: [item for item in old if item != value],
    "Clear": lambda old: type(old)(),
    "Reverse": lambda old: old[::-1],
    "Add": lambda old, value: old + value,
    "Sub": lambda old, value: old - value,
    "Mul": lambda old, value: old * value,
    "Div": lambda old, value: old / value,
}
