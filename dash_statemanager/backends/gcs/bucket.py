"""A bucket as one process sees it: its connections, opened late and never shared with a child, and its requests."""

from __future__ import annotations

import io
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple, TypeVar

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import storage

from ...errors import BackendError, BackendUnavailable
from ..base import Buffer, Range, Room, size_of
from ..deadline import within
from ..forks import tell_child
from ..pieces import PartsFile
from .connection import connect
from .download import Download, Stretch
from .failures import Patience, bucket_is_missing, told
from .stat import EXPIRES, Stat, custom_time, metadata

__all__ = ["Bucket"]

log = logging.getLogger("dash_statemanager")

CHUNK = 16 << 20
"""Larger objects are uploaded in pieces of this size, so that a broken connection costs one piece."""
PROBED = 1 << 20
"""Before larger uploads a small request tells whether anybody answers."""
SLOWEST = 4 << 20
"""Bytes a second at which an upload may trickle out of the machine's own buffers before the server can answer."""
FIELDS = "items(name,size,generation,metageneration,metadata,customTime),nextPageToken"
T = TypeVar("T")
S = TypeVar("S")


class _Opened(NamedTuple):
    client: storage.Client
    pool: ThreadPoolExecutor


class Bucket:
    """The requests of the backend, repeated where that helps, with errors in our own words.

    Args:
        name: The bucket's name.
        pool_size: Most connections, and most requests at a time.
        timeout: Seconds that the server may stay silent.
        endpoint: Another server, without credentials; default is `STORAGE_EMULATOR_HOST`, else the real one.
    """

    _opened: _Opened | None

    def __init__(self, name: str, *, pool_size: int = 16, timeout: float = 1.5, endpoint: str | None = None) -> None:
        self.name = name
        self._pool_size, self._timeout, self._endpoint = pool_size, timeout, endpoint
        self._begin_process()
        tell_child(self)

    def after_fork(self) -> None:
        """Starts anew in a child, without touching what the parent opened."""
        self._begin_process()

    def close(self) -> None:
        """Closes the connections and ends the threads."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.pool.shutdown()
            opened.client.close()

    def stat(self, key: str) -> Stat | None:
        """What is known of an object; None where there is none."""

        def work(bucket: Any, options: dict[str, Any]) -> Stat | None:
            blob = bucket.blob(key)
            blob.reload(**options)
            return Stat.of(blob)

        return self._ask("storage.objects.get and storage.objects.list", work)

    def upload(
        self, key: str, parts: Sequence[Buffer], expires_at: float | None, codec: str, match: int | None
    ) -> Stat:
        """Writes an object, all of it or nothing.

        Args:
            key: Its name.
            parts: Its data.
            expires_at: Unix time, or None for never.
            codec: What made the data, for people.
            match: The generation to replace, 0 for none, or None for whatever is there.

        Raises:
            PreconditionFailed: Something else is there.
        """
        nbytes = size_of(parts)
        if nbytes > PROBED:
            self.ping()
        mark = secrets.token_hex(8)
        patient = self._timeout + min(nbytes, CHUNK) / SLOWEST

        def work(bucket: Any, options: dict[str, Any]) -> Stat:
            blob = bucket.blob(key, chunk_size=CHUNK)
            blob.metadata = metadata(expires_at, mark, codec)
            blob.custom_time = custom_time(expires_at)
            options |= {"timeout": (patient, patient), "if_generation_match": match}
            blob.upload_from_file(io.BufferedReader(PartsFile(parts)), size=nbytes, **options)
            return Stat.written(blob)

        patience = Patience(self._timeout)
        try:
            return self._do("storage.objects.create and storage.objects.delete", work, patience)
        except PreconditionFailed:
            there = self.stat(key) if patience.since else None
            if there and there.mark == mark:  # it was written, and only the answer was lost
                return there
            raise

    def patch(self, stat: Stat, expires_at: float | None) -> bool:
        """Changes when an object expires; False where it is gone.

        Raises:
            PreconditionFailed: It is not as `stat` says any more.
        """

        def work(bucket: Any, options: dict[str, Any]) -> bool:
            blob = bucket.blob(stat.key)
            blob.metadata = {EXPIRES: metadata(expires_at, "", "")[EXPIRES]}
            if (moment := custom_time(expires_at, stat.custom_time)) != stat.custom_time:
                blob.custom_time = moment
            blob.patch(**_matching(stat), **options)
            return True

        return bool(self._ask("storage.objects.update", work))

    def remove(self, key: str, stat: Stat | None = None) -> bool:
        """Deletes an object; whether it was there.

        Raises:
            PreconditionFailed: It is not as `stat` says any more.
        """

        def work(bucket: Any, options: dict[str, Any]) -> bool:
            bucket.delete_blob(key, **(_matching(stat) if stat else {}), **options)
            return True

        return bool(self._ask("storage.objects.delete", work))

    def objects(self, prefix: str) -> Iterator[Stat]:
        """The objects of ours whose name starts with `prefix`, in order, a page at a time."""
        token: str | None = None
        while True:

            def work(bucket: Any, options: dict[str, Any], token: str | None = token) -> tuple[list[Any], str | None]:
                blobs = bucket.list_blobs(prefix=prefix, fields=FIELDS, page_token=token, **options)
                return list(next(blobs.pages, ())), blobs.next_page_token

            page, token = self._do("storage.objects.list", work)
            yield from filter(None, map(Stat.of, page))
            if token is None:
                return

    def fetch(self, keys: Iterable[str], make_room: Callable[[int], Room]) -> dict[str, tuple[Stat, Buffer]]:
        """The objects that are there, with their data, each in a room of its size, by name."""
        found: dict[str, tuple[Stat, Buffer]] = {}
        wanted = list(dict.fromkeys(keys))
        while wanted:
            begun = [download for download in self.map(lambda key: self._begin(key, make_room), wanted) if download]
            self.map(self._go_on, [(download, at) for download in begun for at in download.rest()])
            for download in begun:
                if not (download.torn or download.is_intact()):
                    raise BackendUnavailable(f"data was damaged on its way from gs://{self.name}", "Read it again")
                if download.stat and not download.torn:
                    found[download.key] = download.stat, download.data()
            wanted = [download.key for download in begun if download.torn]
        return found

    def stretch(self, key: str, wanted: Range) -> Stretch | None:
        """Some bytes of an object; None where there is none."""

        def work(bucket: Any, options: dict[str, Any]) -> Stretch:
            stretch = Stretch(f"{bucket.client.api_endpoint}/{self.name}", key, wanted)
            options["retry"](stretch.ask)(bucket.client._http, options["timeout"])
            return stretch

        return self._ask("storage.objects.get and storage.objects.list", work)

    def ping(self) -> None:
        """Raises `BackendUnavailable` where nobody answers in time, whatever it is that takes longer."""

        def work(bucket: Any, options: dict[str, Any]) -> None:
            next(bucket.list_blobs(max_results=1, fields=FIELDS, **options).pages, None)

        within(self._timeout + 0.25, lambda: self._do("storage.objects.list", work), f"gs://{self.name}")

    def map(self, work: Callable[[S], T], things: Sequence[S]) -> list[T]:
        """Does the work for all things, several at a time; raises the first error after all are done."""
        if len(things) < 2:
            return [work(thing) for thing in things]
        with told(self.name, ""):
            pool = self._open().pool
        try:
            futures = [pool.submit(work, thing) for thing in things]
        except RuntimeError as exc:
            raise BackendUnavailable(f"gs://{self.name} is being closed: {exc}") from exc
        wait(futures)
        return [future.result() for future in futures]

    def _begin(self, key: str, make_room: Callable[[int], Room]) -> Download | None:
        def work(bucket: Any, options: dict[str, Any]) -> Download:
            download = Download(f"{bucket.client.api_endpoint}/{self.name}", key, make_room)
            options["retry"](download.begin)(bucket.client._http, options["timeout"])
            return download

        download = self._ask("storage.objects.get and storage.objects.list", work)
        if download is not None and download.stat is None:
            download.stat = self.stat(key)
            download.torn = download.stat is not None and download.stat.nbytes != download.nbytes
        return download

    def _go_on(self, range_: tuple[Download, int]) -> None:
        download, at = range_

        def work(bucket: Any, options: dict[str, Any]) -> None:
            options["retry"](download.go_on)(bucket.client._http, options["timeout"], at)

        self._ask("storage.objects.get and storage.objects.list", work)

    def _ask(self, permission: str, work: Callable[[Any, dict[str, Any]], T]) -> T | None:
        """As `_do`, for an object; None where there is none."""

        def look(bucket: Any, options: dict[str, Any]) -> T | None:
            try:
                return work(bucket, options)
            except NotFound as exc:
                if bucket_is_missing(exc):
                    raise
                return None

        return self._do(permission, look)

    def _do(self, permission: str, work: Callable[[Any, dict[str, Any]], T], patience: Patience | None = None) -> T:
        """Does the requests of one operation. A bucket that doesn't exist is made, if the service account may.

        Args:
            permission: The IAM permissions that they need.
            work: Does them, with the bucket and options for the client's methods.
            patience: How they are repeated.
        """
        options = self._options(patience or Patience(self._timeout))
        with told(self.name, permission):
            bucket = self._open().client.bucket(self.name)
            try:
                return work(bucket, {**options})
            except NotFound:
                self._make(bucket)
            return work(bucket, {**options})

    def _options(self, patience: Patience) -> dict[str, Any]:
        return {"timeout": (self._timeout, self._timeout), "retry": patience.retry}

    def _make(self, bucket: Any) -> None:
        """Makes the bucket: private, and without keeping what is deleted for a week, which would be paid for."""
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.soft_delete_policy.retention_duration_seconds = 0
        try:
            bucket.create(**self._options(Patience(self._timeout)))
        except Conflict:
            return
        except (GoogleAPICallError, ValueError) as exc:
            what = f"the bucket gs://{self.name} does not exist and can't be made (needs storage.buckets.create): {exc}"
            remedy = f"gcloud storage buckets create gs://{self.name} --location=REGION --uniform-bucket-level-access"
            raise BackendError(what, f"Make it: {remedy}") from exc
        log.warning("made the bucket gs://%s in %s, since there was none", self.name, bucket.location)

    def _open(self) -> _Opened:
        with self._opening:
            if self._opened is None:
                client = connect(self._endpoint, self._pool_size)
                self._opened = _Opened(client, ThreadPoolExecutor(self._pool_size, "dash-statemanager-gcs"))
            return self._opened

    def _begin_process(self) -> None:
        self._opening = threading.Lock()
        self._opened = None


def _matching(stat: Stat) -> dict[str, int]:
    return {"if_generation_match": stat.generation, "if_metageneration_match": stat.metageneration}
