"""Commands as they go to a server: small arguments joined, large ones without a copy."""

from __future__ import annotations

from ..base import Buffer

__all__ = ["Packer"]

UNCOPIED = 32 << 10
"""Size in bytes from which a piece is sent as it is, and not joined with others before."""


class Packer:
    """Writes commands in the protocol, for redis-py (its `command_packer`), in less time than its own."""

    def pack(self, *arguments: object) -> list[Buffer]:
        """The pieces of a command, whose first word may be several, and where others may be lists of pieces."""
        words = [*str(arguments[0]).split(), *arguments[1:]]
        output: list[Buffer] = []
        small: list[Buffer] = [b"*%d\r\n" % len(words)]
        for word in words:
            if isinstance(word, list):
                small.append(b"$%d\r\n" % sum(map(len, word)))
                for piece in word:
                    if len(piece) > UNCOPIED:
                        output += b"".join(small), piece
                        small = []
                    else:
                        small.append(piece)
                small.append(b"\r\n")
            else:
                data = word if isinstance(word, bytes | bytearray | memoryview) else str(word).encode()
                small += b"$%d\r\n" % len(data), data, b"\r\n"
        return [*output, b"".join(small)]
