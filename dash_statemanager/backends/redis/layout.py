"""How an entry lies in Redis: one string, and for a large payload chunks beside it.

The string starts with a head of 64 bytes that the scripts read, too: `DSM1`, etag, expiry as Unix time
(0 for never), size and number of chunks. The payload follows, unless it is in chunks.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import NamedTuple

from ..base import ABSENT, ANY, Put, size_of
from ..pieces import divide

__all__ = ["CHUNK", "HEAD", "Head", "Names", "Upload"]

CHUNK = (8 << 20) - (1 << 10)
"""Redis keeps a string of a whole 8 MiB in 10: what it adds must fit as well."""
HEAD = 64
SMALL = 16 << 10
"""Bytes of a payload that a script may hold without being slow; more is sent before it."""
MAGIC = "DSM1"
FOREVER = 1e10
"""Seconds of a lifetime that counts as endless."""
_GLOB = re.compile(r"([\\*?\[])")
_TAGGED = re.compile(r"\{([^/]*(?:/[^/]*)?)\}(.*)", re.DOTALL)


@dataclass(frozen=True)
class Names:
    """Names in Redis: the first two segments of a key are its hash tag, so that a cluster keeps a scope together.

    Args:
        prefix: First part of all names.
    """

    prefix: str

    def name(self, key: str) -> str:
        """The name of a key: `{dash/scope}/store/version` for `dash/scope/store/version`."""
        tag = "/".join(key.split("/", 2)[:2])
        return f"{self.prefix}{{{tag}}}{key[len(tag) :]}"

    def key(self, name: str) -> str | None:
        """The key of a name, None where it is not a name of ours."""
        match = _TAGGED.fullmatch(name, len(self.prefix))
        return match and match[1] + match[2]

    def index(self, name: str) -> str:
        """The name of the index that a name is in, empty where it is in none: scopes and their likes have one."""
        end = name.find("}", len(self.prefix)) + 1
        return f"#{name[:end]}" if end < len(name) else ""

    def pattern(self, prefix: str) -> str:
        """What the names of keys with the prefix match, and no others."""
        start = self.name(prefix) if prefix.count("/") > 1 else f"{self.prefix}{{{prefix}"
        return _GLOB.sub(r"\\\1", start) + "*"


def upload_name(name: str, etag: str) -> str:
    """The name of what is uploaded: in the slot of its entry, and not found when entries are listed."""
    return f"#{name}#{etag}"


class Head(NamedTuple):
    """What stands before a payload.

    Attributes:
        etag: The etag.
        expires_at: Unix time in seconds, or None for never.
        nbytes: Size of the payload.
        chunks: In how many chunks it is; 0 where it follows the head.
    """

    etag: str
    expires_at: float | None
    nbytes: int
    chunks: int = 0

    def pack(self) -> bytes:
        """The 64 bytes."""
        return f"{MAGIC} {self.etag} {pack_time(self.expires_at)} {self.nbytes:013d} {self.chunks:08d}\n".encode()

    @classmethod
    def unpack(cls, data: bytes) -> Head | None:
        """The head of an entry, None where the data is no entry."""
        words = bytes(data[:HEAD]).split()
        if words[:1] != [MAGIC.encode()] or len(words) != 5:
            return None
        _, etag, until, nbytes, chunks = words
        return cls(etag.decode(), float(until) or None, int(nbytes), int(chunks))

    def is_live(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > now

    def chunk_names(self, name: str) -> list[str]:
        """The names of the chunks, in order."""
        return [f"{upload_name(name, self.etag)}/{number}" for number in range(self.chunks)]


class Upload:
    """A put as Redis gets it.

    Args:
        name: The name of the key.
        put: What is put.
        now: Unix time in seconds.

    Attributes:
        key: The key.
        name: Its name.
        etag: New with every upload.
        uploads: What is sent before the script, by name and in pieces: the chunks of a large payload, or the entry of
            a smaller one.
        arguments: What the script is told of it.
    """

    def __init__(self, name: str, put: Put, now: float) -> None:
        self.key, self.name, self.etag = put.key, name, os.urandom(8).hex()
        self.uploads: dict[str, list[memoryview]] = {}
        parts = put.payload.parts()
        nbytes, ttl = size_of(parts), lifetime(put.ttl)
        chunks = -(-nbytes // CHUNK) if nbytes > CHUNK else 0
        head = Head(self.etag, None if ttl is None else now + ttl, nbytes, chunks)
        entry = head.pack()
        if chunks or (nbytes > SMALL and not put.append):
            views = [view.cast("B") for part in parts if (view := memoryview(part)).nbytes]
            if chunks:
                self.uploads |= zip(head.chunk_names(name), divide(views, CHUNK), strict=True)
            else:
                self.uploads[upload_name(name, self.etag)] = [memoryview(entry), *views]
                entry = b""
        else:
            entry = b"".join((entry, *parts))
        expect = "*" if put.expect is ANY else "-" if put.expect is ABSENT else put.expect
        words = f"{self.etag} {chunks} {milliseconds(ttl) or '*'} {expect}"
        if more := put.append:
            words += f" {more.start} {more.renew:d} {more.most}"
        self.arguments = entry, words


def lifetime(ttl: float | None) -> float | None:
    """A lifetime in seconds, None for an endless one."""
    return None if ttl is None or ttl > FOREVER else ttl


def milliseconds(ttl: float | None) -> str:
    """A lifetime for the scripts: empty for an endless one."""
    return "" if ttl is None else str(max(0, int(ttl * 1000)))


def pack_time(moment: float | None) -> str:
    """A time as it stands in a head."""
    return f"{moment or 0:018.6f}"
