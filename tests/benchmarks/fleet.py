"""The peers' servers: gunicorn with one worker and four threads for each, the same for all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .browser import Page
from .peers import Peer, Place
from .values import Size

ROOT = Path(__file__).parents[2]
GUNICORN = (
    *("--workers", "1", "--worker-class", "gthread", "--threads", "4"),
    *("--keep-alive", "3600", "--timeout", "3600", "--log-level", "warning"),
)


@contextmanager
def fleet(peers: Iterable[Peer], sizes: Sequence[Size], redis: str) -> Iterator[dict[str, Page]]:
    """A page for each peer, opened; where others can read what it wrote, a second process is its server 1."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True))
        pages = {}
        for peer in peers:
            place = Place(str(Path(folder) / peer.name), redis)
            Path(place.folder).mkdir()
            environ = stack.enter_context(peer.running(place))
            ports = [stack.enter_context(server(peer, sizes, place, environ)) for _ in range(1 + peer.shared)]
            pages[peer.name] = Page(ports)
            stack.callback(pages[peer.name].close)
        for page in pages.values():
            page.open()
        yield pages


@contextmanager
def server(peer: Peer, sizes: Sequence[Size], place: Place, environ: Mapping[str, str]) -> Iterator[int]:
    """Starts one server process and gives its port; requests wait until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # gunicorn sets it on sockets that it makes
        port: int = listening.getsockname()[1]
        arguments = (peer.name, ",".join(size.name for size in sizes), place.folder, place.redis)
        application = f"tests.benchmarks.server:make({', '.join(map(repr, arguments))})"
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *GUNICORN, "--bind", f"fd://{listening.fileno()}", application],
            stdin=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            cwd=place.folder,
            env={**environment(), **environ},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def environment() -> dict[str, str]:
    """For a server: without the user's own settings of the library."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("STATE_", "SESSION_"))}
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), environ.get("PYTHONPATH"))))}
