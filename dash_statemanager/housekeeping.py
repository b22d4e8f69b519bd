"""What keeps the house in order: the secret that is made once, pruning, and figures."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any

from .backends.base import ABSENT, Backend, BytesPayload
from .backends.closing import Closing
from .backends.wrapper import purger
from .errors import BackendError, Conflict
from .heads import Head
from .locks import PLACE as LOCKS
from .locks import Locks

logger = logging.getLogger("dash_statemanager")

REFERENCE_BYTES = 93
"""Size of a reference in the browser: `{"__store__":"..."}` around a token of 77 characters."""


def kept_secret(backend: Backend, namespace: str) -> str:
    """The secret that the first process made and keeps in the backend, the same for all."""
    key = f"{namespace}/~secret"
    entry = backend.get(key)
    if entry is None:
        if backend.reach == "browser":
            logger.warning("STATE_BACKEND=client without STATE_SECRET_KEY: what is not JSON ends with this process")
        try:
            backend.put(key, BytesPayload(secrets.token_urlsafe(32).encode()), None, expect=ABSENT)
        except Conflict:
            logger.debug("another process made the secret")
        entry = backend.get(key)
    if entry is None:
        raise BackendError("the signing secret that was just written is gone", "Set STATE_SECRET_KEY")
    return b"".join(map(bytes, entry.payload.parts())).decode("ascii")


def holdings(backend: Backend, prefix: str) -> dict[str, Any]:
    """What is stored under a scope's prefix, for people.

    Returns:
        `bytes`, and `stores`: for each its `id`, `type`, `rows` and `columns` (where it has them), `nbytes` of the
        newest version, `versions`, `expires_at` and `modified_at` (Unix seconds) and `reference_bytes`.
    """
    rows = list(backend.scan(prefix))
    there = {row.key for row in rows}
    stores = []
    for key, entry in backend.get_many(key for key in there if key.endswith("/head")).items():
        head = Head.load(entry)
        if head.newest is None or key.removesuffix("head") + head.newest in there:  # else its value has expired
            stores.append(_describe(head, entry.expires_at))
    return {"bytes": sum(row.nbytes for row in rows), "stores": sorted(stores, key=lambda store: str(store["id"]))}


def copy_all(backend: Backend, source: str, target: str, now: float) -> None:
    """Copies what is stored under one prefix to another, but for locks; what is left of its lifetime stays."""
    for row in list(backend.scan(source)):
        if LOCKS in row.key:
            continue
        entry = backend.get(row.key)
        if entry is not None:
            ttl = None if entry.expires_at is None else max(1.0, entry.expires_at - now)
            backend.put(target + row.key.removeprefix(source), entry.payload, ttl)


def _describe(head: Head, expires_at: float | None) -> dict[str, Any]:
    return {
        "id": head.store,
        **(head.summary or {"type": "patches"}),
        "nbytes": head.versions.get(head.newest or "", 0),
        "versions": len(head.versions),
        "expires_at": expires_at,
        "modified_at": head.written_at,
        "reference_bytes": REFERENCE_BYTES,
    }


class Pruner:
    """Removes what has expired, now and then, in one worker at a time, off the request's path.

    Args:
        backend: What to prune.
        locks: Gives the lease.
        interval: Seconds between prunes.
        clock: Gives the Unix time.
        sweep: Lets this process forget what has expired.
    """

    def __init__(
        self,
        backend: Backend,
        locks: Locks,
        interval: float,
        clock: Callable[[], float],
        sweep: Callable[[], None],
    ) -> None:
        self._backend, self._locks, self._interval, self._clock = backend, locks, interval, clock
        self._sweep = sweep
        self._due = clock() + interval
        self._closing = Closing(backend.close)

    def close(self) -> None:
        """Lets a prune that is under way close the backend when it is done, which it opens again."""
        self._closing.tell()

    def prune(self) -> int:
        """Removes what has expired and orphans, at once; returns how many."""
        self._sweep()
        return self._purge()

    def prune_if_due(self) -> None:
        """Starts a prune in the background if the interval is over; one worker does it for all, each for itself."""
        if self._clock() >= self._due:
            self._due = self._clock() + self._interval
            work = self._closing.background(self._prune_with_lease)
            threading.Thread(target=work, name="dash-statemanager-prune", daemon=True).start()

    def _prune_with_lease(self, _: threading.Event) -> None:
        self._sweep()
        try:
            if self._locks.try_lease("prune", self._interval):
                self._purge()
        except BackendError as exc:
            logger.warning("pruning failed and will be tried again: %s", exc)

    def _purge(self) -> int:
        purges = purger(self._backend)
        return purges.purge() if purges else 0
