"""The bound on what one session or user holds."""

from __future__ import annotations

import pytest

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.errors import ValueTooLarge
from dash_statemanager.quota import SHARE, Quota

LIMIT = 1600


def charge_and_put(quota: Quota, memory: MemoryBackend, key: str, nbytes: int) -> None:
    quota.charge(key[:2], nbytes)
    memory.put(key, BytesPayload(bytes(nbytes)))


def test_a_holder_fills_its_room_and_no_more(memory: MemoryBackend) -> None:
    quota = Quota(memory, LIMIT)
    for number in range(16):
        charge_and_put(quota, memory, f"s/{number}", 100)
    with pytest.raises(ValueTooLarge, match=r"100 bytes more .* limit of 1,600 bytes.*STATE_MAX_SESSION_BYTES"):
        quota.charge("s/", 100)
    quota.charge("t/", 100)


def test_what_was_deleted_gives_room(memory: MemoryBackend) -> None:
    quota = Quota(memory, LIMIT)
    charge_and_put(quota, memory, "s/1", 1600)
    with pytest.raises(ValueTooLarge):
        quota.charge("s/", 1)
    memory.delete("s/1")
    quota.charge("s/", 1600)


def test_what_other_processes_wrote_is_noticed_within_a_sixteenth_of_the_limit(memory: MemoryBackend) -> None:
    mine, other = Quota(memory, LIMIT), Quota(memory, LIMIT)
    charge_and_put(other, memory, "s/1", LIMIT)
    mine.charge("s/", LIMIT // SHARE)
    with pytest.raises(ValueTooLarge):
        mine.charge("s/", 1)


def test_with_room_left_no_process_writes_more_than_a_sixteenth_unseen(memory: MemoryBackend) -> None:
    mine, other = Quota(memory, LIMIT), Quota(memory, LIMIT)
    charge_and_put(mine, memory, "s/1", LIMIT // 2)
    charge_and_put(other, memory, "s/2", LIMIT // 2)
    mine.charge("s/", LIMIT // SHARE)
    with pytest.raises(ValueTooLarge):
        mine.charge("s/", 1)
