"""Payloads as objects of a bucket; generations are the etags."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import PreconditionFailed

from ...errors import BackendError, BackendUnavailable, ConfigError, Conflict
from ..appends import Appends
from ..base import ABSENT, ANY, Backend, BytesPayload, Entry, Expect, Listing, Purges, Put, Range, Ranges, later
from .bucket import Bucket
from .lifecycle import lifecycle_rule
from .stat import Stat

if TYPE_CHECKING:
    from ...config import Settings

__all__ = ["GcsBackend"]

log = logging.getLogger("dash_statemanager")

KNOWN = 10_000
"""Expiries that a process remembers, to save the look before a conditional put."""
BATCH = 500
"""Objects that are deleted at a time."""


class GcsBackend(Backend, Purges):
    """Keeps payloads as objects of a Google Cloud Storage bucket, named by their keys.

    Conditional puts are generation preconditions, which the server checks. `put_many` is not atomic: what has no
    condition is written at once, then what has one in its order.

    Args:
        bucket: The bucket's name.
        clock: Unix time in seconds.
        prefix: What all keys of the app start with: figures, pruning and the lifecycle rule are about those.
        pool_size: Most connections of a process.
        timeout: Seconds that the server may stay silent.
        endpoint: Another server, without credentials; default is `STORAGE_EMULATOR_HOST`, else the real one.
    """

    name = "gcs"
    range_bytes = 32 << 20

    def __init__(
        self,
        bucket: str,
        clock: Callable[[], float] = time.time,
        *,
        prefix: str = "",
        pool_size: int = 16,
        timeout: float = 1.5,
        endpoint: str | None = None,
    ) -> None:
        self._bucket = Bucket(bucket, pool_size=pool_size, timeout=timeout, endpoint=endpoint)
        self._clock, self._prefix = clock, prefix
        self._expiries: OrderedDict[str, tuple[str, float | None]] = OrderedDict()
        self._rule_is_told = False
        self._appends = Appends(self, lambda puts, _: self._put_in_order(puts), clock)

    @classmethod
    def from_settings(cls, settings: Settings, clock: Callable[[], float] = time.time) -> GcsBackend:
        """The backend of these settings. Raises `ConfigError` where they name no bucket."""
        given = settings.gcs_bucket or ""
        bucket = given.removeprefix("gs://").rstrip("/")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket):
            what = f"STATE_GCS_BUCKET = {given!r} is no bucket" if given else "STATE_BACKEND = 'gcs' needs a bucket"
            raise ConfigError(what, "Set STATE_GCS_BUCKET to the name of a bucket")
        options: dict[str, Any] = {"pool_size": settings.pool_size, "timeout": settings.timeout}
        return cls(bucket, clock, prefix=f"{settings.namespace}/", **options)

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there, a request each, several at a time."""
        found = self._bucket.fetch(keys, self.room)
        now = self._clock()
        for key, (stat, _) in found.items():
            self._remember(key, stat.etag, stat.expires_at)
        return {
            key: Entry(BytesPayload(data), stat.etag, stat.expires_at)
            for key, (stat, data) in found.items()
            if stat.alive(now)
        }

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        """The ranges, a request each, several at a time."""
        while True:
            found = self._bucket.map(lambda wanted: self._bucket.stretch(key, wanted), list(ranges))
            stats = [each.stat for each in found if each is not None and each.stat is not None]
            stat = stats[0] if stats else self._bucket.stat(key)
            if stat is None or None in found or not stat.alive(self._clock()):
                return None
            parts = [each.data for each in found if each is not None]
            lengths = [max(0, min(end, stat.nbytes) - first) for first, end in ranges]
            if {each.generation for each in stats} <= {stat.generation} and list(map(len, parts)) == lengths:
                return Ranges(parts, stat.nbytes, stat.etag, stat.expires_at)  # else it was put meanwhile

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Sizes by key, from what the bucket tells of its objects."""
        stats, now = self._bucket.map(self._bucket.stat, list(dict.fromkeys(keys))), self._clock()
        return {stat.key: stat.nbytes for stat in stats if stat is not None and stat.alive(now)}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """Puts and deletes, several at a time; those with a condition one after the other."""
        etags: list[str] = []
        for (_, free), group in groupby(puts, key=lambda put: (put.append is None, put.expect is ANY)):
            etags += (self._put_at_once if free else self._put_in_order)(list(group))
        self._bucket.map(self._bucket.remove, list(dict.fromkeys(delete)))
        return etags

    def delete(self, *keys: str) -> int:
        return sum(self._bucket.map(self._delete, list(dict.fromkeys(keys))))

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """Touches several at a time."""
        there = self._bucket.map(lambda item: self._touch(*item), list(ttls.items()))
        return {key for key, is_there in zip(ttls, there, strict=True) if not is_there}

    def scan(self, prefix: str) -> Iterator[Listing]:
        for stat in self._bucket.objects(prefix):
            if stat.alive(self._clock()):
                yield Listing(stat.key, stat.nbytes, stat.expires_at)

    def purge(self) -> int:
        """Removes expired objects of the app; what is touched at that moment stays."""
        now, count, expired = self._clock(), 0, list[Stat]()
        for stat in self._bucket.objects(self._prefix):
            if not stat.alive(now):
                expired.append(stat)
            if len(expired) >= BATCH:
                count += sum(self._bucket.map(self._remove, expired))
                expired = []
        count += sum(self._bucket.map(self._remove, expired))
        if count and not self._rule_is_told:
            self._rule_is_told = True
            rule = json.dumps(lifecycle_rule(self._prefix))
            log.info("deleted %d expired objects; a lifecycle rule of the bucket could do that: %s", count, rule)
        return count

    def ping(self) -> None:
        try:
            self._bucket.ping()
        except BackendUnavailable:
            raise
        except BackendError as exc:
            raise BackendUnavailable(exc.what, exc.remedy) from exc

    def close(self) -> None:
        self._bucket.close()

    def stats(self) -> Mapping[str, object]:
        """Location, entries and bytes; lists all objects of the app to count them."""
        sizes = [listing.nbytes for listing in self.scan(self._prefix)]
        return {"location": f"gs://{self._bucket.name}/{self._prefix}", "entries": len(sizes), "bytes": sum(sizes)}

    def _generation(self, key: str, expect: Expect) -> int | None:
        """The generation to replace. An etag of what has expired is a conflict, which the server can't know."""
        if expect is ANY:
            return None
        if not isinstance(expect, str):
            return 0
        etag, expires_at = self._expiries.get(key, ("0", None))
        if not expect.isdigit() or int(etag) > int(expect):
            raise _conflict(key)  # generations grow: a newer one was seen already
        if etag != expect or not _is_ahead(expires_at, self._clock()):
            stat = self._bucket.stat(key)
            if stat is None or stat.etag != expect or not stat.alive(self._clock()):
                raise _conflict(key)
        return int(expect)

    def _put(self, put: Put) -> str:
        if put.append:
            return self._appends.put_many([put])[0]
        parts, codec = put.payload.parts(), getattr(put.payload, "codec", "bytes")
        match = self._generation(put.key, put.expect)
        while True:
            expires_at = None if put.ttl is None else self._clock() + put.ttl
            try:
                etag = self._bucket.upload(put.key, parts, expires_at, codec, match).etag
                break
            except PreconditionFailed as exc:
                there = self._bucket.stat(put.key) if put.expect is ABSENT else None
                if put.expect is not ABSENT or (there and there.alive(self._clock())):
                    raise _conflict(put.key) from exc
                match = there.generation if there else 0
        self._remember(put.key, etag, expires_at)
        return etag

    def _put_in_order(self, puts: Sequence[Put]) -> list[str]:
        return [self._put(put) for put in puts]

    def _put_at_once(self, puts: Sequence[Put]) -> list[str]:
        twice = len({put.key for put in puts}) < len(puts)
        return self._put_in_order(puts) if twice else self._bucket.map(self._put, puts)

    def _touch(self, key: str, ttl: float | None) -> bool:
        while True:
            stat = self._bucket.stat(key)
            if stat is None or not stat.alive(now := self._clock()):
                return False
            expires_at = later(stat.expires_at, None if ttl is None else now + ttl)
            try:
                there = expires_at == stat.expires_at or self._bucket.patch(stat, expires_at)
            except PreconditionFailed:
                continue  # it was put or touched meanwhile
            self._remember(key, stat.etag, expires_at)
            return there

    def _delete(self, key: str) -> bool:
        _, expires_at = self._expiries.pop(key, ("", 0.0))
        alive = _is_ahead(expires_at, self._clock())
        if not alive:  # or unknown here
            stat = self._bucket.stat(key)
            alive = stat is not None and stat.alive(self._clock())
        return self._bucket.remove(key) and alive

    def _remove(self, stat: Stat) -> bool:
        try:
            return self._bucket.remove(stat.key, stat)
        except PreconditionFailed:
            return False

    def _remember(self, key: str, etag: str, expires_at: float | None) -> None:
        self._expiries[key] = etag, expires_at
        while len(self._expiries) > KNOWN:
            self._expiries.popitem(last=False)


def _is_ahead(expires_at: float | None, now: float) -> bool:
    return expires_at is None or now < expires_at


def _conflict(key: str) -> Conflict:
    return Conflict(f"another was faster to write {key!r}", "Read it again and repeat")
