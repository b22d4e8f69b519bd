"""Commands to the right server: over a bounded number of connections, within bounded time, once more where it moved."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from redis import exceptions as errors
from redis.sentinel import MasterNotFoundError

from ...errors import BackendBusy
from ..forks import tell_child
from .failures import translated
from .patience import patience
from .replies import landing
from .scripts import spell_out
from .topology import Topology, open_topology
from .url import Address, Target

__all__ = ["Command", "Servers"]

log = logging.getLogger("dash_statemanager")

Command = tuple[Any, ...]
ATTEMPTS = 20
PAUSE = 0.1
FINAL = (errors.AuthenticationError, errors.AuthorizationError, errors.BusyLoadingError, MasterNotFoundError)
"""Connections that were refused in words: another attempt would hear the same."""
_abandoned: list[Topology] = []
"""What a parent opened: closing it in a child would disturb the parent."""


class Servers:
    """The servers as one process sees them. Connects with the first command.

    Args:
        target: Where they are.
        pool_size: Most connections in use at once.
        timeout: Seconds that they may stay silent.
    """

    def __init__(self, target: Target, pool_size: int, timeout: float) -> None:
        self.location = target.location
        self._target, self._pool_size, self._timeout = target, pool_size, timeout
        self._topology = open_topology(target, timeout)
        self._looked = False
        self._begin_process()
        tell_child(self)

    def after_fork(self) -> None:
        """Starts anew in a child, without touching what the parent opened."""
        _abandoned.append(self._topology)
        self._topology = open_topology(self._target, self._timeout)
        self._begin_process()

    @property
    def changes(self) -> int:
        """Grows whenever a server may have been replaced by another."""
        return self._topology.changes

    def place(self, name: str) -> int:
        """Where the name is. What is at one place can be changed by one script."""
        return self._topology.place(name)

    def places(self) -> list[int]:
        """One place of each server."""
        with self._operation():
            return self._topology.places()

    def some_name(self, place: int) -> str:
        """A name that the server of a place would hold."""
        with self._operation():
            return self._topology.some_name(place)

    def run(self, place: int, commands: Sequence[Command], into: memoryview | None = None) -> list[Any]:
        """Sends the commands in one round trip and returns the replies.

        They must bear repetition: where a connection breaks before the reply, they are sent again.

        Args:
            place: Where.
            commands: What; a script comes last.
            into: Where strings of the replies are to be put, one after the other.

        Raises:
            BackendError: The first of the errors among the replies, or why there are none.
        """
        with self._operation():
            replies = self._attempt(place, commands, into)
            if not self._looked:
                self._looked = True
                self._look(place)
            return replies

    def close(self) -> None:
        """Closes the connections that no thread is using, and the others when they come back."""
        topology, self._topology = self._topology, open_topology(self._target, self._timeout)
        topology.close()

    def _begin_process(self) -> None:
        self._free = threading.BoundedSemaphore(self._pool_size)
        self._looked = False

    @contextlib.contextmanager
    def _operation(self) -> Iterator[None]:
        with translated(self.location), patience.of(self._timeout):
            free = self._free
            if not free.acquire(timeout=patience.left()):
                what = f"all {self._pool_size} connections to {self.location} stayed busy with other threads"
                raise BackendBusy(what, "Raise STATE_POOL_SIZE")
            try:
                yield
            finally:
                free.release()

    def _attempt(self, place: int, commands: Sequence[Command], into: memoryview | None) -> list[Any]:
        topology = self._topology
        asking: Address | None = None
        broken = 0
        for _ in range(ATTEMPTS):
            try:
                with landing.into(into):
                    replies = _send(topology, place, commands, asking)
            except FINAL:
                raise
            except (errors.ConnectionError, errors.TimeoutError, OSError):
                topology.forget()
                broken += 1
                if broken > 1 or patience.is_over:
                    raise
                continue
            problems = [reply for reply in replies if isinstance(reply, Exception)]
            if not problems:
                break
            asking = None
            if isinstance(problems[0], errors.NoScriptError):
                commands = [spell_out(command) for command in commands]
            elif isinstance(problems[0], errors.MovedError) or _is_demoted(problems[0], broken):
                topology.forget()
                broken += 1
            elif len(problems) == len(replies) and all(isinstance(each, errors.AskError) for each in problems):
                asking = problems[0].node_addr  # type: ignore[attr-defined]
            elif isinstance(problems[0], errors.AskError | errors.TryAgainError) and not patience.is_over:
                time.sleep(PAUSE)
            else:
                raise problems[0]
        return replies

    def _look(self, place: int) -> None:
        """Warns, once in a process, where the server may silently drop what it holds."""
        with contextlib.suppress(errors.RedisError, OSError):
            policy = self._topology.client(place).info("memory").get("maxmemory_policy", "")
            if policy.startswith("allkeys-"):
                what = "%s has the eviction policy %s: when its memory is full it drops sessions without a word. %s"
                log.warning(what, self.location, policy, "Set maxmemory-policy to noeviction.")


def _is_demoted(problem: Exception, broken: int) -> bool:
    return isinstance(problem, errors.ReadOnlyError) and not broken


def _send(topology: Topology, place: int, commands: Sequence[Command], asking: Address | None) -> list[Any]:
    client = topology.at(asking) if asking else topology.client(place)
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        if asking:
            pipeline.execute_command("ASKING")
        pipeline.execute_command(*command)
    replies: list[Any] = pipeline.execute(raise_on_error=False)
    return replies[1::2] if asking else replies
