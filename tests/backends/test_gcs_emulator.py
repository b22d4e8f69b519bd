"""Google Cloud Storage as another emulates it: that the requests are as they should be.

`gcp-storage-emulator` knows no preconditions, which are tested in test_gcs.py, and tells no generation with a download.
"""

from __future__ import annotations

import os

import pytest

from dash_statemanager.backends.base import BytesPayload, Listing, Put
from dash_statemanager.backends.gcs import GcsBackend
from tests.servers.base import running
from tests.servers.gcs import BUCKET, Emulator

NOW = 1e9


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with running(Emulator(tmp_path_factory.mktemp("emulator"))) as server:
        yield server.endpoint


@pytest.fixture
def backend(endpoint, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    backend = GcsBackend(BUCKET, lambda: NOW)
    yield backend
    backend.delete(*[listing.key for listing in backend.scan("")])
    backend.close()


@pytest.mark.parametrize("size", [0, 1, 8 << 20, 20 << 20])
def test_what_was_put_comes_back(backend, size):
    data = os.urandom(size)

    etag = backend.put("app/s/store/version", BytesPayload(data), ttl=60)

    entry = backend.get("app/s/store/version")
    assert (bytes(entry.payload.buffer), entry.etag, entry.expires_at) == (data, etag, NOW + 60)


def test_ranges_come_back(backend):
    data = os.urandom(300_000)
    etag = backend.put("a", BytesPayload(data))

    found = backend.get_ranges("a", [(0, 64), (7, 7), (299_990, 400_000)])

    assert [bytes(part) for part in found.parts] == [data[:64], b"", data[299_990:]]
    assert (found.nbytes, found.etag) == (300_000, etag)


def test_many_are_put_listed_and_deleted(backend):
    puts = [Put(f"a/{number:03}", BytesPayload(bytes(number)), 60) for number in range(40)]

    etags = backend.put_many(puts)

    found = backend.get_many(put.key for put in puts)
    assert [found[put.key].etag for put in puts] == etags
    assert list(backend.scan("a/")) == [Listing(f"a/{number:03}", number, NOW + 60) for number in range(40)]
    assert backend.delete(*[put.key for put in puts], "a/none") == 40
    assert list(backend.scan("")) == []


def test_a_touch_changes_the_expiry_and_keeps_the_etag(backend):
    etag = backend.put("a", BytesPayload(b"1"), ttl=60)

    assert backend.touch("a", 600) is True

    assert (backend.get("a").etag, backend.get("a").expires_at) == (etag, NOW + 600)
    assert backend.touch("none", 60) is False


def test_what_has_expired_is_purged(backend):
    backend.put("a", BytesPayload(b"1"), ttl=-1)
    backend.put("b", BytesPayload(b"2"))

    assert backend.get("a") is None
    assert backend.purge() == 1
    assert [listing.key for listing in backend.scan("")] == ["b"]


def test_a_bucket_that_is_missing_is_made(endpoint):
    backend = GcsBackend("another", endpoint=endpoint)
    backend.ping()

    backend.put("a", BytesPayload(b"1"))

    assert backend.stats() == {"location": "gs://another/", "entries": 1, "bytes": 1}
    backend.close()
