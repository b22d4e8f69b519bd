"""The state manager: the one meeting point of sessions, references, versions and stores."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any

from .backends import open_backend
from .carrier import Carrier
from .chains import Chains
from .codecs import Codecs
from .config import Settings
from .definitions import Definitions, StoreDefinition
from .errors import BackendError
from .exchange import Carries, Exchange, Wanted
from .gate import Gate
from .housekeeping import Pruner, copy_all, holdings, kept_secret
from .lazy import lazy
from .locks import Locks
from .newest import Newest
from .peek import Peek
from .reference import NOBODY, References, Scope
from .session import Access, ContextReset, Identity, SessionCookies, announce, enter_user, successor
from .versions import Versions, Write


class StateManager:
    """Keeps values for stores, and gives them to those who may read them.

    Args:
        settings: The settings.
        clock: Gives the Unix time; for tests.
        definitions: The stores that exist.
        server_secret: Gives the web server's own secret, if it has one.

    Attributes:
        backend: Where payloads are kept; opens nothing before its first operation.
        locks: Locks across threads and processes.
        exchange: References for values and values for references; what the binding uses.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        definitions: Definitions | None = None,
        server_secret: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.counters: Counter[str] = Counter()
        self.definitions = Definitions(clock) if definitions is None else definitions
        self.access = Access(Identity(settings.identity), settings.enable_user_isolation)
        self.backend = open_backend(settings, clock, lambda: self._content_key)
        self.locks = Locks(lambda: self.backend, settings.namespace)
        self.lazy_lock = RLock()
        self._clock, self._server_secret = clock, server_secret
        self._pruner = Pruner(self.backend, self.locks, settings.prune_interval, clock, lambda: self.versions.sweep())

    @lazy
    def secret_keys(self) -> list[str]:
        """Sign and verify cookies, references and pickles; the first signs."""
        own = [*self.settings.secret_key] or [key for key in [self._server_secret()] if key]
        return own or [kept_secret(self.backend, self.settings.namespace)]

    @lazy
    def cookies(self) -> SessionCookies:
        """Signs session cookies and reads them back."""
        return SessionCookies(self.secret_keys, self.settings.namespace, self.settings.ttl_default)

    @property
    def can_verify(self) -> bool:
        """Whether cookies are verified without the backend, which may keep the secret."""
        return "cookies" in self.__dict__

    @lazy
    def codecs(self) -> Codecs:
        """Turns values into payloads and back."""
        compression = self.settings.compression
        if compression == "auto" and self.backend.reach == "machine":  # no wire that it could shorten
            compression = "none"
        return Codecs(compression=compression, keys=[key.encode() for key in self.secret_keys])

    @lazy
    def versions(self) -> Versions:
        """Reads and writes by key."""
        return Versions(self.settings, self.backend, self.codecs, self._content_key, self._clock)

    @lazy
    def _content_key(self) -> bytes:
        return f"content {self.secret_keys[0]}".encode()[:64]

    @lazy
    def _references(self) -> References:
        return References(self.secret_keys)

    @lazy
    def gate(self) -> Gate:
        """Decides what the current session may read."""
        return Gate(self._references, self._carrier, self.versions.keys, self.counters)

    @lazy
    def _carrier(self) -> Carrier:
        return Carrier(self._references, self.codecs, self._content_key, self._clock)

    @lazy
    def _chains(self) -> Chains:
        peek = Peek(self.versions, self.backend)
        return Chains(self.versions, peek, self.codecs, self._clock, self.counters)

    @lazy
    def _newest(self) -> Newest:
        return Newest(self.versions, self._chains, self.access, self.locks)

    @lazy
    def exchange(self) -> Exchange:
        """Mints and resolves what browsers hold."""
        reach, fallback = self.backend.reach, self.settings.fallback
        carries: Carries = "always" if reach == "browser" else "when away" if fallback == "client" else "never"
        parts = self.access, self.gate, self._references, self.versions, self._chains, self._carrier
        return Exchange(*parts, carries, self._prepare)

    # -- references

    def write_many(self, writes: Iterable[tuple[StoreDefinition, Any]]) -> list[Any]:
        """Writes values, in one round trip where the backend can.

        Returns:
            For each what the browser is to hold: a reference, or where values travel the value; for `Operations` and
            `Settlement` a `PatchLink`. None is never stored and stays None.

        Raises:
            CodecError: No codec takes a value.
            ValueTooLarge: A value is over its limit; nothing was written.
            BackendError: The backend failed.
        """
        return self.exchange.write_many(writes)

    def read_many(self, wanted: Wanted) -> list[Any]:
        """The values of references, each with the store that it arrived at, where that is known.

        What the current session may not read, what is forged, and what is gone is None, or the store's initial
        value; it is counted, and logged without the reference.
        """
        return self.exchange.read_many(wanted)

    def read(self, reference: Mapping[str, Any], store: StoreDefinition | None = None) -> Any:
        """As `read_many`, for one reference."""
        return self.read_many([(reference, store)])[0]

    def _prepare(self, writes: Sequence[Write]) -> tuple[list[str], Callable[[], None]]:
        names, write = self.versions.prepare(writes)

        def write_and_keep_house() -> None:
            if writes:
                self._newest.settle(writes, write())
                self._pruner.prune_if_due()

        return names, write_and_keep_house

    # -- stores by name: Python's side

    def get_store_data(self, store_id: str, default: Any = None) -> Any:
        """The newest value of a store, or `default` where there is none.

        Raises:
            SessionError: The store is a session's, and there is no session.
        """
        return self.get_stores([store_id]).get(store_id, default)

    def get_stores(self, store_ids: Iterable[str]) -> dict[str, Any]:
        """The newest values of the stores that have one, by id."""
        return self.read_newest([self._named(store_id) for store_id in store_ids])

    def set_store_data(self, store_id: str, value: Any, ttl: float | None = None) -> None:
        """Makes a value the newest of a store; None deletes it. Browsers keep the reference that they hold."""
        self.set_stores({store_id: value}, ttl)

    def set_stores(self, values: Mapping[str, Any], ttl: float | None = None) -> None:
        """As `set_store_data`, for several stores, in one round trip where the backend can."""
        stores = {store_id: self._named(store_id) for store_id in values}
        stores = {store_id: replace(store, ttl=ttl or store.ttl) for store_id, store in stores.items()}
        self.write_newest([(stores[store_id], value) for store_id, value in values.items() if value is not None])
        for store_id in [store_id for store_id, value in values.items() if value is None]:
            self.delete_store(store_id)

    def update_store(self, store_id: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Makes `function(newest value)` the newest value of a store, whoever else writes it at the same time.

        Args:
            store_id: The store.
            function: Gets the newest value, or `default` where there is none; returns the new one. It is called
                again where another was faster, so it should do nothing else.
            default: In place of None.

        Returns:
            The new value.
        """
        return self._newest.update(self._named(store_id), function, default)

    def delete_store(self, store_id: str) -> bool:
        """Deletes all versions of a store; whether there were any."""
        return self._newest.delete(self._named(store_id))

    def store_exists(self, store_id: str) -> bool:
        """Whether a store has a value; reads its head, not the value."""
        return self._newest.exists(self._named(store_id))

    def _named(self, store_id: str) -> StoreDefinition:
        if self.backend.reach == "browser":
            what = f"STATE_BACKEND=client keeps store {store_id!r} in the browser, where Python can't find it by name"
            raise BackendError(what, 'Wire it as a State, or set STATE_BACKEND = "database"')
        return self.definitions.by_name(store_id)

    def read_newest(self, stores: Iterable[StoreDefinition]) -> dict[str, Any]:
        """The newest values of stores, by id; what has none is left out."""
        return self._newest.read(stores)

    def write_newest(self, values: Iterable[tuple[StoreDefinition, Any]]) -> None:
        """Makes values the newest of their stores."""
        _, write = self._prepare(self._newest.writes(values))
        write()

    # -- sessions and users

    def set_user_context(self, user: str | None) -> ContextReset:
        """Makes this the user of `scope="user"` in the current context; for a `with` block or for good."""
        return enter_user(user)

    def clear_user_data(self, user: str) -> int:
        """Deletes all that a user holds; returns how many entries there were."""
        return self.versions.delete(self.versions.keys.scope(Scope.of("u", user)))

    def clear_session(self) -> int:
        """Deletes all that the current session holds; returns how many entries there were."""
        return self.versions.delete(self.versions.keys.scope(self.access.by_name("session")))

    def rotate_session(self) -> None:
        """Gives the current browser a new session id and moves its data there; for logins.

        Who knew the old cookie sees nothing any more, neither of before nor of after.
        """
        old, new = successor()
        if old:
            self.flush()
            source = self.versions.keys.scope(old.scopes[0])
            copy_all(self.backend, source, self.versions.keys.scope(new.scopes[0]), self._clock())
            self.versions.delete(source)
        announce(new)

    # -- housekeeping

    def flush(self) -> None:
        """Prolongs the lifetime of what was read, at once; it also happens by itself. Raises `BackendError`."""
        self.versions.toucher.flush()

    def prune(self) -> int:
        """Removes what has expired, at once; returns how many entries. It also happens by itself."""
        return self._pruner.prune()

    def publish(self) -> None:
        """Leaves notes about new stores where other workers find them; before a response leaves."""
        self.definitions.publish(self.backend, self.settings.namespace)

    def find(self, app: str, store_id: str) -> StoreDefinition | None:
        """How a store of an app is kept, or None for an id that is no store."""
        return self.definitions.find(app, store_id, lambda: self.backend, self.settings.namespace)

    def get_backend_stats(self) -> dict[str, Any]:
        """Figures for people: `backend`, `cache`, `counters`, and what the current `session` holds; plain JSON."""
        scope = self.access.to_write("session")
        empty: dict[str, Any] = {"bytes": 0, "stores": []}
        session = empty if scope == NOBODY else holdings(self.backend, self.versions.keys.scope(scope))
        backend = {"name": self.settings.backend, **self.backend.stats()}
        counters = dict(self.counters)
        return {"backend": backend, "cache": self.versions.cache.stats(), "counters": counters, "session": session}

    def after_fork(self) -> None:
        """Makes locks new in a child, where the threads that may have held them are gone."""
        self.lazy_lock = RLock()
        self.definitions.after_fork()
        if "versions" in self.__dict__:
            self.versions.cache.after_fork()

    def close(self) -> None:
        """Sends what waits to be sent, and closes what was opened; a later use opens it again."""
        if "versions" in self.__dict__:
            self.versions.toucher.close()
        self._pruner.close()
        self.locks.close()
        self.backend.close()
