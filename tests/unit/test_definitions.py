"""Definitions: which ids are stores, in this process and as told by its fellows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dash_statemanager.backends.base import Backend
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.definitions import HOUR, LONGEST_ID, NO_FOR, PASSING, Definitions, StoreDefinition
from dash_statemanager.errors import BackendFull, BackendUnavailable

STORE = StoreDefinition("sales", scope="user", ttl=60, types="python", sealed=True, initial="token")
VISITORS = StoreDefinition("of-a-visit", passing=True, note_ttl=24 * HOUR)


class Worker:
    """One process that serves apps, on a backend that it shares with others."""

    def __init__(self, backend: Backend, clock: Callable[[], float]) -> None:
        self.backend, self.looks = backend, 0
        self.definitions = Definitions(clock)

    def serve(self, definition: StoreDefinition, app: str = "/") -> None:
        self.definitions.define(definition)
        self.serve_again(definition, app)

    def serve_again(self, definition: StoreDefinition, app: str = "/") -> None:
        self.definitions.serve(app, definition)
        self.definitions.publish(self.backend, "dash")

    def find(self, store_id: str, app: str = "/", namespace: str = "dash") -> StoreDefinition | None:
        return self.definitions.find(app, store_id, self.look, namespace)

    def look(self) -> Backend:
        self.looks += 1
        return self.backend


@pytest.fixture
def here(memory: MemoryBackend, clock: Any) -> Worker:
    return Worker(memory, clock)


@pytest.fixture
def there(memory: MemoryBackend, clock: Any) -> Worker:
    return Worker(memory, clock)


def test_nothing_exists_before_the_first_store(here: Worker) -> None:
    assert not here.definitions
    here.definitions.define(STORE)
    assert here.definitions
    assert here.definitions.like("sales")
    assert not here.definitions.like("other")


def test_a_store_of_this_process_is_found_without_a_look_into_the_backend(here: Worker) -> None:
    here.definitions.define(STORE)
    assert here.find("sales") == STORE
    assert here.looks == 0


def test_a_store_that_was_served_is_found_by_other_processes_as_it_is_kept(here: Worker, there: Worker) -> None:
    here.serve(STORE)
    assert there.find("sales") == STORE
    assert there.find("sales") == STORE
    assert there.looks == 1


def test_a_store_is_found_in_the_apps_that_serve_it_only(here: Worker, there: Worker) -> None:
    here.serve(STORE, app="/one/")
    for worker in (here, there):
        assert worker.find("sales", app="/one/") == STORE
        assert worker.find("sales", app="/two/") is None
    here.serve(STORE, app="/two/")
    assert here.find("sales", app="/two/") == STORE


def test_apps_of_other_namespaces_do_not_meet(here: Worker, there: Worker) -> None:
    here.serve(STORE)
    assert there.find("sales", namespace="other") is None


def test_a_no_is_believed_briefly(here: Worker, there: Worker, clock: Any) -> None:
    assert there.find("sales") is None
    here.serve(STORE)
    assert there.find("sales") is None
    assert there.looks == 1
    clock.advance(NO_FOR)
    assert there.find("sales") == STORE


@pytest.mark.parametrize("store", [STORE, VISITORS])
def test_a_note_expires(here: Worker, there: Worker, clock: Any, store: StoreDefinition) -> None:
    here.serve(store)
    clock.advance(store.note_ttl)
    assert there.find(store.id) is None


def test_a_store_that_was_turned_back_into_a_plain_one_is_soon_forgotten(
    here: Worker, there: Worker, clock: Any
) -> None:
    here.serve(STORE)
    for _ in range(6):
        assert there.find("sales") == STORE
        clock.advance(HOUR / 6)
    assert there.find("sales") is None


def test_the_note_of_a_store_that_was_made_for_a_visit_lives_as_long_as_it_is_used(
    here: Worker, there: Worker, memory: MemoryBackend, clock: Any
) -> None:
    here.serve(VISITORS)
    for worker in (there, here, there, here):
        clock.advance(0.6 * VISITORS.note_ttl)
        assert worker.find(VISITORS.id) == VISITORS
        worker.definitions.publish(memory, "dash")
    assert Worker(memory, clock).find(VISITORS.id) == VISITORS


def test_it_lives_too_where_only_others_use_it(here: Worker, there: Worker, clock: Any) -> None:
    here.serve(VISITORS)
    for _ in range(4):
        clock.advance(0.6 * VISITORS.note_ttl)
        assert there.find(VISITORS.id) == VISITORS


def test_a_note_is_written_again_only_when_half_of_its_life_is_over(
    here: Worker, memory: MemoryBackend, clock: Any
) -> None:
    def etags() -> list[str]:
        entries = [memory.get(row.key) for row in memory.scan("dash/~stores/")]
        return [entry.etag for entry in entries if entry]

    here.serve(STORE)
    before = etags()
    clock.advance(HOUR / 2 - 1)
    here.serve(STORE)
    assert etags() == before
    clock.advance(1)
    here.serve(STORE)
    assert etags() != before


def test_ids_made_from_uuids_do_not_pile_up(here: Worker, there: Worker) -> None:
    here.serve(STORE)
    for number in range(PASSING + 100):
        store = StoreDefinition(f"uuid-{number}", passing=True)
        here.definitions.define(store)
    assert here.definitions.like("sales")
    assert not here.definitions.like("uuid-99")
    assert here.definitions.like("uuid-100")


def test_an_id_that_is_too_long_is_a_store_only_where_it_was_made(here: Worker, there: Worker) -> None:
    long, longer = (StoreDefinition("x" * number) for number in (LONGEST_ID, LONGEST_ID + 1))
    for store in (long, longer):
        here.serve(store)
        assert here.find(store.id) == store
    assert there.find(long.id) == long
    assert not there.definitions.can_tell("/", "y" * LONGEST_ID)
    there.looks = 0
    assert there.find(longer.id) is None
    assert there.definitions.can_tell("/", longer.id)
    assert there.looks == 0
    assert longer.id not in there.definitions._found


def test_a_store_that_was_forgotten_for_want_of_room_is_found_by_its_note(here: Worker) -> None:
    here.serve(VISITORS)
    for number in range(PASSING):
        here.definitions.define(StoreDefinition(f"uuid-{number}", passing=True))
    assert here.find(VISITORS.id) == VISITORS
    assert here.looks == 1


class Unreachable(MemoryBackend):
    def put_many(self, *_: Any, **__: Any) -> list[str]:
        raise BackendUnavailable("the network is down")


def test_what_could_not_be_told_is_told_with_the_next_response(here: Worker, there: Worker, clock: Any) -> None:
    here.definitions.define(STORE)
    here.definitions.serve("/", STORE)
    with pytest.raises(BackendUnavailable):
        here.definitions.publish(Unreachable(clock), "dash")
    here.definitions.publish(here.backend, "dash")
    assert there.find("sales") == STORE


def test_another_backend_is_told_anew(here: Worker, clock: Any) -> None:
    here.serve(STORE)
    fresh = MemoryBackend(clock)
    here.definitions.renew()
    here.definitions.serve("/", STORE)
    here.definitions.publish(fresh, "dash")
    assert Worker(fresh, clock).find("sales") == STORE


def test_python_names_stores_of_this_process_of_others_and_of_none(here: Worker, there: Worker) -> None:
    here.serve(STORE)
    there.find("sales")
    assert here.definitions.by_name("sales") == there.definitions.by_name("sales") == STORE
    assert here.definitions.by_name("other") == StoreDefinition("other", scope="session")


def test_two_apps_of_one_process_keep_a_store_of_one_name_each_in_its_way(here: Worker, there: Worker) -> None:
    open_to_all = StoreDefinition("sales", scope="app")
    for worker in (here, there):
        worker.definitions.define(STORE)
        worker.definitions.define(open_to_all)
    assert here.find("sales", "/one/") == open_to_all  # nobody knows better before a page was served
    here.serve_again(STORE, "/one/")
    here.serve_again(open_to_all, "/two/")
    for _ in range(2):
        assert here.find("sales", "/one/") == STORE
        assert here.find("sales", "/two/") == open_to_all
    there.definitions.renew()
    assert there.find("sales", "/one/") == STORE
    assert there.find("sales", "/two/") == open_to_all


def test_a_store_that_is_made_anew_with_other_options_has_them_at_once(here: Worker) -> None:
    here.serve(STORE)
    changed = StoreDefinition("sales", scope="app")
    here.definitions.define(changed)
    assert here.find("sales") == changed
    here.serve_again(changed)
    assert here.find("sales") == changed


def test_it_is_told_without_the_backend_what_is_known_already(here: Worker, there: Worker, clock: Any) -> None:
    here.serve(STORE)
    assert here.definitions.can_tell("/", "sales")
    assert not there.definitions.can_tell("/", "sales")
    there.find("sales")
    assert there.definitions.can_tell("/", "sales")
    clock.advance(HOUR)
    assert not there.definitions.can_tell("/", "sales")


def test_a_promised_initial_value_is_still_to_be_written(here: Worker) -> None:
    unwritten = StoreDefinition("sales")
    here.definitions.define(unwritten)
    here.definitions.promise("sales", lambda: unwritten)
    assert not here.definitions.can_tell("/", "sales")
    here.definitions.define(StoreDefinition("sales", initial="token"))
    assert here.definitions.can_tell("/", "sales")


def test_python_that_names_a_store_has_its_promised_initial_value_too(here: Worker) -> None:
    completed = StoreDefinition("sales", initial="token")
    here.definitions.define(StoreDefinition("sales"))
    here.definitions.promise("sales", lambda: completed)
    assert here.definitions.by_name("sales") == completed


def test_without_a_backend_that_takes_it_python_names_the_store_all_the_same(here: Worker) -> None:
    def fail() -> StoreDefinition:
        raise BackendFull("no room", "Make some")

    here.definitions.define(StoreDefinition("sales", ttl=60))
    here.definitions.promise("sales", fail)
    assert here.definitions.by_name("sales") == StoreDefinition("sales", ttl=60)
