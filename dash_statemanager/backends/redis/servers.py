"""Commands to the right server: over a bounded number of connections, within bounded time, once more where it moved."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar

from redis import exceptions as errors
from redis.connection import ConnectionPool
from redis.sentinel import MasterNotFoundError

from ...errors import BackendBusy
from ..forks import tell_child
from ..turns import Turns
from .failures import Translated
from .patience import patience
from .replies import Place, landing
from .scripts import spell_out
from .topology import Topology, open_topology
from .url import Address, Target

__all__ = ["Command", "Servers"]

log = logging.getLogger("dash_statemanager")

Command = tuple[Any, ...]
T = TypeVar("T")
MOVES = 2
"""How often one operation looks for the server anew."""
PAUSE = 0.1
"""Seconds between two looks at a slot that is on its way."""
REFUSED = (errors.AuthenticationError, errors.AuthorizationError, errors.BusyLoadingError, MasterNotFoundError)
"""Refused in words: another attempt would hear the same."""
MOVED = (errors.ConnectionError, errors.TimeoutError, OSError, errors.MovedError, errors.ReadOnlyError)
"""The server is another one now, or that connection to it is gone."""
MOVING = (errors.AskError, errors.TryAgainError)
"""A slot is on its way to another node."""
_NAME = () if signature(ConnectionPool.get_connection).parameters["command_name"].default is None else ("",)
"""What older versions of redis-py want to hear before they give a connection."""
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
        return self._operate(self._topology.places)

    def some_name(self, place: int) -> str:
        """A name that the server of a place would hold."""
        return self._operate(lambda: self._topology.some_name(place))

    def run(self, place: int, commands: Sequence[Command], into: Place | None = None) -> list[Any]:
        """Sends the commands in one round trip and returns the replies.

        They must bear repetition: where a connection breaks before the reply, they are sent again.

        Args:
            place: Where.
            commands: What; a script comes last.
            into: Where strings of the replies are to be put, one after the other; their sizes come in place of them.

        Raises:
            BackendError: The first of the errors among the replies, or why there are none.
        """
        return self._operate(lambda: self._attempt(place, commands, into))

    def close(self) -> None:
        """Closes the connections that no thread is using, and the others when they come back."""
        topology, self._topology = self._topology, open_topology(self._target, self._timeout)
        topology.close()

    def _begin_process(self) -> None:
        self._turns = Turns(self._pool_size)
        self._looked = False

    def _operate(self, work: Callable[[], T]) -> T:
        with Translated(self.location), patience.of(self._timeout):
            turns = self._turns
            if not turns.acquire(self._timeout):
                raise self._busy()
            try:
                if patience.is_over:
                    raise self._busy()
                return work()
            finally:
                turns.release()

    def _busy(self) -> BackendBusy:
        what = f"all {self._pool_size} connections to {self.location} stayed busy with other threads"
        return BackendBusy(what, "Raise STATE_POOL_SIZE")

    def _attempt(self, place: int, commands: Sequence[Command], into: Place | None) -> list[Any]:
        topology, asking, moves = self._topology, None, 0
        settled = time.monotonic() + self._timeout
        while True:
            try:
                replies = _send(topology, place, commands, asking, into)
                problems = [reply for reply in replies if isinstance(reply, Exception)]
                if not problems:
                    if not self._looked:
                        self._look(place)
                    return replies
                asking = _redirection(replies)
                if asking is None:
                    raise problems[0]
            except errors.NoScriptError:
                commands = [spell_out(command) for command in commands]
            except REFUSED:
                raise
            except MOVED as exc:
                topology.forget(getattr(exc, "node_addr", None))
                moves += 1
                if moves > MOVES or patience.is_over:
                    raise
            except MOVING:
                if patience.is_over or time.monotonic() > settled:
                    raise
                time.sleep(PAUSE)

    def _look(self, place: int) -> None:
        """Warns, once in a process, where the server may silently drop what it holds."""
        self._looked = True
        with contextlib.suppress(errors.RedisError, OSError):
            policy = self._topology.client(place).info("memory").get("maxmemory_policy", "")
            if policy.startswith("allkeys-"):
                what = "%s has the eviction policy %s: when its memory is full it drops sessions without a word. %s"
                log.warning(what, self.location, policy, "Set maxmemory-policy to noeviction.")


def _redirection(replies: Sequence[Any]) -> Address | None:
    """Where a slot moves to, if all that was asked for is there already."""
    if all(isinstance(reply, errors.AskError) and not isinstance(reply, errors.MovedError) for reply in replies):
        address: Address = replies[0].node_addr
        return address
    return None


def _send(
    topology: Topology, place: int, commands: Sequence[Command], asking: Address | None, into: Place | None
) -> list[Any]:
    """The replies, errors among them, over one connection: without the layers of a client, which cost as much again."""
    client = topology.at(asking) if asking else topology.client(place)
    pool: Any = client.connection_pool
    connection = pool.get_connection(*_NAME)
    try:
        sent = [each for command in commands for each in (("ASKING",), command)] if asking else commands
        connection.send_packed_command([piece for command in sent for piece in connection.pack_command(*command)])
        with landing.into(into):  # not before: who connects, or asks a cluster where something is, gets replies, too
            replies = [_reply(connection) for _ in sent]
    except BaseException:
        connection.disconnect()  # what it may still say is no answer to the next command
        raise
    finally:
        pool.release(connection)
    return replies[1::2] if asking else replies


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except errors.ResponseError as exc:
        return exc
