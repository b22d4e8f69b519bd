"""Real servers of the tests' own: what each is, and a proxy that breaks the way to it."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import selectors
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

Address = tuple[str, int]
PORTS = (12_000, 22_000)
"""Below those that systems give to connections, also where a Redis Cluster adds 10000."""


def free_port() -> int:
    """A port on which nothing listens, and that the system gives to no connection of anybody's while it is closed."""
    while True:
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", random.randrange(*PORTS)))
            return int(found.getsockname()[1])


def answers(address: Address) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(address, 0.5):
        return True
    return False


def wait_until(ready: Callable[[], Any], seconds: float = 20) -> Any:
    """What `ready` returns as soon as it is true; errors of the first seconds count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := ready():
                return result
        except Exception:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready within {seconds:g} s")
        time.sleep(0.02)


class Startable(Protocol):
    """A server, or several."""

    def start(self) -> object: ...

    def kill(self) -> object: ...


S = TypeVar("S", bound=Startable)


@contextlib.contextmanager
def running(server: S) -> Iterator[S]:
    """Starts a server, and kills it at the end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def lasting(server: S) -> S:
    """Starts a server that is killed when this process ends."""
    atexit.register(server.kill)
    server.start()
    return server


class Server(ABC):
    """A server process of the tests' own, which they may stop, kill, restart and fill.

    Args:
        folder: For its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that runs it in the foreground; prepares its folder at first use."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves requests."""

    @abstractmethod
    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        """Arguments of `configure()` for it.

        Args:
            port: Of a proxy before it.
            password: A wrong one.
        """

    def environ(self, port: int | None = None) -> Mapping[str, str]:
        """What the environment has to say beside the settings."""
        return {}

    @abstractmethod
    def set_read_only(self, on: bool) -> None:
        """Makes it refuse all writes, as a replica does, or accept them again."""

    @abstractmethod
    def set_full(self, on: bool) -> None:
        """Makes it refuse large writes (1 MB) for want of room, or accept them again."""

    def start(self) -> None:
        """Starts it and waits until it serves. Raises `RuntimeError` with its last words where it ends at once."""
        log = (self.folder / "server.log").open("ab")
        with log:
            process = subprocess.Popen(list(self.command()), stdout=log, stderr=log, start_new_session=True)
        self._process = process
        try:
            wait_until(lambda: process.poll() is not None or self.ready())
            if process.poll() is not None:
                raise RuntimeError("\n".join((self.folder / "server.log").read_text().splitlines()[-5:]))
        except Exception:
            self.kill()
            raise

    def stop(self) -> None:
        """Ends it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, with all its processes."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stops it from running; connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it run again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process = None


class Proxy:
    """Passes TCP on to a server, or breaks the way to it.

    `mode` may be changed at any time, also for connections that are open:

    - `pass`: all goes through.
    - `refuse`: nothing listens, open connections are closed.
    - `hang`: connections are accepted and nothing is ever passed on.
    - `reset`: connections are reset as soon as something is sent.
    - `slow`: answers come a byte a second.

    Args:
        target: The port on this machine.

    Attributes:
        answered: How many bytes the server has sent through it.
    """

    def __init__(self, target: int) -> None:
        self.answered = 0
        self._mode = self._seen = "pass"
        self.port = free_port()
        self._target = target
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def mode(self) -> str:
        """What it does now."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode
        wait_until(lambda: self._seen == mode or not self._thread.is_alive())

    def __enter__(self) -> Proxy:
        self._thread.start()
        wait_until(lambda: answers(("127.0.0.1", self.port)))
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._thread.join(10)

    def _run(self) -> None:
        listener: socket.socket | None = None
        pairs: dict[socket.socket, socket.socket] = {}
        answers_: set[socket.socket] = set()
        next_byte = 0.0
        while not self._closed:
            mode = self._mode
            if mode == "refuse":
                if listener is not None:
                    listener.close()
                    listener = None
                    _close(pairs, answers_, *pairs)
                self._seen = mode
                time.sleep(0.005)
                continue
            if listener is None:
                listener = _listen(self.port)
            self._seen = mode
            watched = [listener, *([] if mode == "hang" else pairs)]
            for ready in _readable(watched):
                if ready is listener:
                    self._accept(listener, pairs, answers_)
                elif ready not in pairs:
                    continue
                elif mode == "reset":
                    _close(pairs, answers_, ready, abort=True)
                elif mode == "slow" and ready in answers_:
                    if time.monotonic() >= next_byte:
                        next_byte = time.monotonic() + 1
                        self._forward(pairs, answers_, ready, 1)
                    else:
                        time.sleep(0.01)
                else:
                    self._forward(pairs, answers_, ready, 1 << 20)
        if listener is not None:
            listener.close()
        _close(pairs, answers_, *pairs)

    def _accept(
        self, listener: socket.socket, pairs: dict[socket.socket, socket.socket], answers_: set[socket.socket]
    ) -> None:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), 5)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(10)
        pairs[client], pairs[server] = server, client
        answers_.add(server)

    def _forward(
        self, pairs: dict[socket.socket, socket.socket], answers_: set[socket.socket], source: socket.socket, most: int
    ) -> None:
        try:
            data = source.recv(most)
            if data:
                self.answered += len(data) if source in answers_ else 0
                pairs[source].sendall(data)
                return
        except OSError:
            pass
        _close(pairs, answers_, source)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _readable(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(0.02)]  # type: ignore[misc]


def _close(
    pairs: dict[socket.socket, socket.socket],
    answers_: set[socket.socket],
    *sockets: socket.socket,
    abort: bool = False,
) -> None:
    for each in sockets:
        if each not in pairs:
            continue
        other = pairs.pop(each)
        pairs.pop(other, None)
        for end in (each, other):
            answers_.discard(end)
            if abort:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            end.close()
