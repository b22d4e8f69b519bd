"""A way to a server on which an answer gets lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any


class Relay:
    """Passes TCP on to a server of this machine, one thread for each connection and direction.

    Args:
        target: The server's port.

    Attributes:
        target: The same; where it is changed, connections that are open stay with the earlier server.
        asked: How often clients sent something.
        lose: The next so many answers are not passed on: their connections are closed instead.
    """

    def __init__(self, target: int) -> None:
        self.asked = self.lose = 0
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with source, target, contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.asked += not answers
                if answers and self.lose:
                    self.lose -= 1
                    break
                target.sendall(data)
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)
