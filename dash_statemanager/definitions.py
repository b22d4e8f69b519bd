"""Which component ids are stores, and how each is kept.

A callback's request names ids and properties, never component types. So every `ServerStore` notes its id in the
process when it is made, and in the backend before the response that carries it leaves: another worker finds it there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import orjson

from .backends.base import Backend, BytesPayload, Put
from .errors import BackendError, BackendUnavailable
from .reference import store_digest

ScopeName = Literal["session", "user", "app"]
Types = Literal["json", "python", "pickle"]
Clientside = Literal["value", "reference"]

HOUR = 3600.0
PASSING = 10_000
"""Stores made during requests, or heard of from others, that a process remembers."""
LONGEST_ID = 2_000
"""Characters of an id that may be a store of others: what a browser names is remembered, too."""
NO_FOR = 5.0
"""Seconds for which the backend's "no such store" is believed."""


@dataclass(frozen=True)
class StoreDefinition:
    """How one store is kept.

    Attributes:
        id: The component's id; for a dict id, its JSON as Dash writes it.
        scope: Whose values they are.
        ttl: Seconds after the last use; None for the default.
        types: Which types come back as themselves.
        sealed: Whether only what Python wrote to this very store is accepted.
        lazy: Whether callbacks get handles in place of values.
        clientside: What clientside callbacks get.
        initial: Token of the initial value, or None.
        passing: Whether it was made during a request: it may be one of many whose ids differ from visit to visit.
        note_ttl: Seconds for which the note in the backend lasts after its last use.
    """

    id: str
    scope: ScopeName = "session"
    ttl: float | None = None
    types: Types = "json"
    sealed: bool = False
    lazy: bool = False
    clientside: Clientside = "value"
    initial: str | None = None
    passing: bool = False
    note_ttl: float = HOUR

    @cached_property
    def digest(self) -> str:
        """11 characters that stand for the id in keys and tokens."""
        return store_digest(self.id)

    def dump(self) -> bytes:
        """As JSON, which has no infinity."""
        return orjson.dumps({**asdict(self), "ttl": None if self.ttl is None else str(self.ttl)})

    @classmethod
    def load(cls, text: bytes) -> StoreDefinition:
        """Read back."""
        told = orjson.loads(text)
        return cls(**{**told, "ttl": None if told["ttl"] is None else float(told["ttl"])})


@dataclass(frozen=True)
class _Answer:
    """What the backend said about an id, and until when that is believed."""

    definition: StoreDefinition | None
    until: float


@dataclass(frozen=True)
class _Served:
    """What an app sent to a browser, when its note is due again, and of which making of the id it was aware.

    Two apps in one process may have a store each with one id, so the definition that was made last need not be this
    app's.
    """

    definition: StoreDefinition
    due: float
    making: int


class Definitions:
    """The stores that this process knows, and the notes that its fellows left in the backend.

    Entries belong to one app, named by its route prefix. What was made during a request or found in a note is
    remembered for a time and in bounded number, so that a store that was turned back into a `dcc.Store` is soon
    forgotten, and ids made from uuids don't pile up.

    Args:
        clock: Gives the Unix time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lasting: dict[str, StoreDefinition] = {}
        self._passing: OrderedDict[str, StoreDefinition] = OrderedDict()
        self._found: OrderedDict[str, dict[str, _Answer]] = OrderedDict()
        self._served: dict[str, dict[str, _Served]] = {}
        self._makings: dict[str, int] = {}
        self._unpublished: dict[tuple[str, str], StoreDefinition] = {}
        self._promises: dict[str, Callable[[], StoreDefinition]] = {}
        self._lock = threading.Lock()
        self._expected = False

    def __bool__(self) -> bool:
        """Whether there are stores, or are to be expected: without them the library stays inert."""
        return self._expected or bool(self._lasting or self._passing)

    def expect(self) -> None:
        """Notes that the app means to use stores, though they may be made by other workers, or later."""
        self._expected = True

    def like(self, pattern: str) -> list[StoreDefinition]:
        """The stores of this process with this id, or whose dict ids fit it as callbacks write them with wildcards."""
        if not pattern.startswith("{"):
            made = self._made(pattern)
            return [] if made is None else [made]
        wanted = orjson.loads(pattern)
        with self._lock:
            made_here = [*self._lasting.values(), *self._passing.values()]
        return [definition for definition in made_here if fits(definition.id, wanted)]

    def define(self, definition: StoreDefinition) -> None:
        """Notes in the process that a store exists."""
        with self._lock:
            self._promises.pop(definition.id, None)  # of an earlier store with this id, or kept by this definition
            earlier = self._made(definition.id)
            if earlier is not None and replace(earlier, initial=None) != replace(definition, initial=None):
                self._makings[definition.id] = self._makings.get(definition.id, 0) + 1
            if not definition.passing or definition.id in self._lasting:
                self._lasting[definition.id] = definition
                return
            self._passing[definition.id] = definition
            self._passing.move_to_end(definition.id)
            while len(self._passing) > PASSING:
                forgotten, _ = self._passing.popitem(last=False)
                self._served.pop(forgotten, None)
                self._makings.pop(forgotten, None)

    def promise(self, store_id: str, complete: Callable[[], StoreDefinition]) -> None:
        """Notes that a lasting store has an initial value, for readers that come before a layout was served.

        Args:
            store_id: The store's id.
            complete: Writes the initial value; returns the definition that names it.
        """
        self._promises[store_id] = complete

    def serve(self, app: str, definition: StoreDefinition) -> None:
        """Notes that an app sends this store to a browser; `publish` must follow before the response leaves."""
        now, making = self._clock(), self._makings.get(definition.id, 0)
        earlier = self._served.get(definition.id, {}).get(app)
        if earlier is not None and (earlier.definition, earlier.making) == (definition, making) and earlier.due > now:
            return
        with self._lock:
            served = _Served(definition, now + definition.note_ttl / 2, making)
            self._served.setdefault(definition.id, {})[app] = served
            self._unpublished[app, definition.id] = definition

    @property
    def has_news(self) -> bool:
        """Whether there is something to publish."""
        return bool(self._unpublished)

    def publish(self, backend: Backend, namespace: str) -> None:
        """Leaves notes in the backend for all that was served since; raises `BackendError` and forgets nothing."""
        if not self._unpublished:
            return
        with self._lock:
            batch = dict(self._unpublished)
        backend.put_many([self._note(namespace, app, definition) for (app, _), definition in batch.items()])
        with self._lock:
            for key in [key for key, definition in batch.items() if self._unpublished.get(key) is definition]:
                del self._unpublished[key]

    def find(self, app: str, store_id: str, backend: Callable[[], Backend], namespace: str) -> StoreDefinition | None:
        """How a store is kept, or None for an id that is no store of this app."""
        made = self._of(app, store_id)
        if made is None:
            if self._is_unheard_of(store_id):
                return None
            answer = self._found.get(store_id, {}).get(app)
            if answer is None or answer.until <= self._clock():
                answer = self._ask(app, store_id, backend(), namespace)
            return answer.definition or (None if self._served.get(store_id) else self._made(store_id))
        if made.passing:
            self.serve(app, made)  # its note lives as long as it is used
        elif made.initial is None and store_id in self._promises:
            return self._promises[store_id]()
        return made

    def can_tell(self, app: str, store_id: str) -> bool:
        """Whether `find` needs nothing of the backend."""
        if (made := self._of(app, store_id)) is None:
            answer = self._found.get(store_id, {}).get(app)
            return self._is_unheard_of(store_id) or (answer is not None and answer.until > self._clock())
        return made.passing or made.initial is not None or store_id not in self._promises

    def _is_unheard_of(self, store_id: str) -> bool:
        """Whether an id is no store of anybody, by its length."""
        return len(store_id) > LONGEST_ID and self._made(store_id) is None

    def _of(self, app: str, store_id: str) -> StoreDefinition | None:
        """What this process knows of an app's store; None where the notes have to tell."""
        made, everybody = self._made(store_id), self._served.get(store_id)
        if made is None or not everybody:
            return None if self._makings.get(store_id) else made
        if (served := everybody.get(app)) is None:
            return None
        if served.making == self._makings.get(store_id, 0):
            return served.definition
        return served.definition if any(other.definition == made for other in everybody.values()) else made

    def renew(self) -> None:
        """Forgets what was said to and heard from a backend; for another one."""
        with self._lock:
            for apps in self._served.values():
                apps.update({app: replace(served, due=0.0) for app, served in apps.items()})
            self._found.clear()

    def after_fork(self) -> None:
        """Forgets the lock that a thread of the parent may hold."""
        self._lock = threading.Lock()

    def by_name(self, store_id: str) -> StoreDefinition:
        """How a store is kept that Python names; one that has no component is a session's."""
        made = self._made(store_id)
        if made is not None and made.initial is None and store_id in self._promises:
            with suppress(BackendError):
                return self._promises[store_id]()
        answers = list(self._found.get(store_id, {}).values())
        found = (answer.definition for answer in answers if answer.definition)
        return made or next(found, None) or StoreDefinition(store_id)

    def _made(self, store_id: str) -> StoreDefinition | None:
        return self._lasting.get(store_id) or self._passing.get(store_id)

    def _ask(self, app: str, store_id: str, backend: Backend, namespace: str) -> _Answer:
        """What the backend's notes say; the note of a passing store is prolonged."""
        key, now = self._key(namespace, app, store_id), self._clock()
        try:
            entry = backend.get(key)
        except BackendUnavailable:  # callbacks of other components go on
            return _Answer(None, now)
        answer = _Answer(None, now + NO_FOR)
        if entry is not None:
            definition = StoreDefinition.load(b"".join(map(bytes, entry.payload.parts())))
            answer = _Answer(definition, now + definition.note_ttl / 2)
            if definition.passing:
                backend.touch(key, definition.note_ttl)
            elif entry.expires_at is not None:
                answer = _Answer(definition, entry.expires_at)
        self._remember(app, store_id, answer)
        return answer

    def _remember(self, app: str, store_id: str, answer: _Answer) -> None:
        with self._lock:
            self._found.setdefault(store_id, {})[app] = answer
            self._found.move_to_end(store_id)
            while len(self._found) > PASSING:
                self._found.popitem(last=False)

    @classmethod
    def _note(cls, namespace: str, app: str, definition: StoreDefinition) -> Put:
        key = cls._key(namespace, app, definition.id)
        return Put(key, BytesPayload(definition.dump()), definition.note_ttl)

    @staticmethod
    def _key(namespace: str, app: str, store_id: str) -> str:
        name = blake2b(f"{app}\n{store_id}".encode(), digest_size=16).hexdigest()
        return f"{namespace}/~stores/{name}"


def fits(store_id: str, pattern: dict[str, object]) -> bool:
    """Whether an id is one of those that a pattern with wildcards means."""
    parts = orjson.loads(store_id) if store_id.startswith("{") else {}
    return parts.keys() == pattern.keys() and all(
        isinstance(wanted, list) or parts[name] == wanted for name, wanted in pattern.items()
    )
