"""What an encrypted backend gives away, and what it refuses."""

from __future__ import annotations

import os

import pytest

from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import Backend, BytesPayload, Entry, PartsPayload, Put
from dash_statemanager.backends.encrypted import Encrypted
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.config import load
from dash_statemanager.errors import ConfigError, CorruptPayload
from tests.backends.memory import peak_of

NEW, OLD = "the new key of this app", "the old key of this app"


@pytest.fixture
def place() -> MemoryBackend:
    return MemoryBackend()


def body(entry: Entry | None) -> bytes | None:
    return None if entry is None else b"".join(map(bytes, entry.payload.parts()))


def raw(place: Backend, key: str) -> bytes:
    found = body(place.get(key))
    assert found is not None
    return found


def test_what_is_kept_is_not_readable_and_equal_payloads_differ(place):
    encrypted = Encrypted(place, [NEW])
    encrypted.put_many([Put("a", BytesPayload(b"secret" * 10)), Put("b", BytesPayload(b"secret" * 10))])
    assert b"secret" not in raw(place, "a") + raw(place, "b")
    assert raw(place, "a")[-60:] != raw(place, "b")[-60:]
    assert body(encrypted.get("a")) == b"secret" * 10


def test_to_seal_a_payload_in_parts_takes_no_copy_but_the_sealed_one(tmp_path):
    backend = SqlBackend(f"sqlite:///{tmp_path / 'state.db'}")
    encrypted, parts = Encrypted(backend, [NEW]), [os.urandom(1 << 20)] * 24
    encrypted.put("first", BytesPayload(b""))  # opens the database
    peak = peak_of(lambda: encrypted.put("a", PartsPayload(*parts)))
    assert peak < 1.2 * (24 << 20)
    assert body(encrypted.get("a")) == b"".join(parts)
    backend.close()


def test_a_payload_that_was_moved_to_another_key_is_refused(place):
    encrypted = Encrypted(place, [NEW])
    encrypted.put("dash/s.mine/store/version", BytesPayload(b"mine"))
    place.put("dash/s.yours/store/version", BytesPayload(raw(place, "dash/s.mine/store/version")))
    with pytest.raises(CorruptPayload, match="moved"):
        encrypted.get("dash/s.yours/store/version")
    with pytest.raises(CorruptPayload, match="moved"):
        encrypted.get_many(["dash/s.yours/store/version"])


@pytest.mark.parametrize("length", [0, 1, 7, 8, 19, 20, 35, 36, 40])
def test_a_cut_or_changed_payload_is_refused(place, length):
    encrypted = Encrypted(place, [NEW])
    encrypted.put("a", BytesPayload(b"value"))
    whole = raw(place, "a")
    place.put("a", BytesPayload(whole[:length]))
    with pytest.raises(CorruptPayload):
        encrypted.get("a")
    changed = bytearray(whole)
    changed[length] ^= 1
    place.put("a", BytesPayload(bytes(changed)))
    with pytest.raises(CorruptPayload):
        encrypted.get("a")


def test_what_somebody_wrote_in_plain_is_refused(place):
    place.put("a", BytesPayload(os.urandom(100)))
    with pytest.raises(CorruptPayload, match="STATE_ENCRYPTION_KEY"):
        Encrypted(place, [NEW]).get("a")


def test_a_list_of_keys_rotates(place):
    Encrypted(place, [OLD]).put("a", BytesPayload(b"before"))
    both = Encrypted(place, [NEW, OLD])
    assert body(both.get("a")) == b"before"
    both.put("b", BytesPayload(b"after"))
    assert body(Encrypted(place, [NEW]).get("b")) == b"after"
    with pytest.raises(CorruptPayload, match="STATE_ENCRYPTION_KEY"):
        Encrypted(place, [OLD]).get("b")


def test_the_setting_encrypts_what_leaves_the_process(tmp_path):
    settings = {"database_url": f"sqlite:///{tmp_path / 'state.db'}", "encryption_key": (NEW,)}
    backend = open_backend(load(environ={}, **settings))
    backend.put("a", BytesPayload(b"secret" * 10))
    backend.close()
    assert b"secretsecret" not in (tmp_path / "state.db").read_bytes()
    assert body(open_backend(load(environ={}, **settings)).get("a")) == b"secret" * 10


def test_a_short_key_is_refused_without_being_repeated():
    with pytest.raises(ConfigError, match="at least 16 characters") as raised:
        load(environ={"STATE_ENCRYPTION_KEY": "tooshort"})
    assert "tooshort" not in str(raised.value)
