"""Versions: written with their heads, by many at once, and bounded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.errors import CodecError, ValueTooLarge
from dash_statemanager.heads import Head
from dash_statemanager.manager import StateManager
from dash_statemanager.reference import APP, Scope
from dash_statemanager.versions import Write

SALES = StoreDefinition("sales")
ME = Scope.of("s", "me")
MakeManager = Callable[..., StateManager]
APPEND = """
import sys
from dash_statemanager.config import load
from dash_statemanager.manager import StateManager
from dash_statemanager.session import Session, Visit, enter_visit
manager = StateManager(load(environ={}, database_url=sys.argv[1], max_versions=1000, secret_key="k"))
enter_visit(Visit(Session("me")))
for number in range(25):
    manager.set_store_data("sales", [sys.argv[2], number])
"""


def write(manager: StateManager, *values: Any, scope: Scope = ME, **kwargs: Any) -> list[str]:
    return keep(manager, [Write(SALES, scope, value, **kwargs) for value in values])


def keep(manager: StateManager, writes: list[Write]) -> list[str]:
    names, write = manager.versions.prepare(writes)
    write()
    return names


def stored(manager: StateManager) -> set[str]:
    """Names of what the store has in the backend."""
    prefix = f"{manager.versions.keys.scope(ME)}{SALES.digest}/"
    return {row.key.removeprefix(prefix) for row in manager.backend.scan(prefix)}


def listed(manager: StateManager) -> list[str]:
    return list(reversed(head_of(manager).versions))


def head_of(manager: StateManager) -> Head:
    return manager.versions.heads.read({"it": manager.versions.keys.head(ME, SALES.digest)})["it"]


def read(manager: StateManager, name: str) -> Any:
    key = manager.versions.keys.version(ME, SALES.digest, name)
    found = manager.versions.read_many([key])
    return found[key].frozen.thaw() if key in found else None


def test_what_was_written_is_read_in_this_process_and_in_others(make_manager: MakeManager) -> None:
    here, there = make_manager(backend="database"), make_manager(backend="database")
    [name] = write(here, {"a": 1})
    assert read(here, name) == read(there, name) == {"a": 1}


def test_equal_json_has_one_version_and_frames_a_new_one_each_time(manager: StateManager) -> None:
    assert len({*write(manager, {"a": 1}), *write(manager, {"a": 1})}) == 1
    frame = pd.DataFrame({"a": [1]})
    assert len({*write(manager, frame), *write(manager, frame)}) == 2


def test_large_equal_json_has_one_version_too(manager: StateManager) -> None:
    large = ["x" * 1000] * 1000
    assert write(manager, large) == write(manager, large)


def test_equal_json_of_another_store_or_secret_has_another_version(make_manager: MakeManager) -> None:
    manager = make_manager(secret_key="a")
    other = StoreDefinition("other")
    names = [
        *write(manager, {"a": 1}),
        *keep(manager, [Write(other, ME, {"a": 1})]),
        *write(make_manager(secret_key="b"), {"a": 1}),
    ]
    assert len(set(names)) == 3


def test_the_head_lists_what_is_there_and_the_rest_is_deleted(make_manager: MakeManager) -> None:
    for backend in ("memory", "database"):
        manager = make_manager(backend=backend, max_versions=3)
        names = [name for number in range(10) for name in write(manager, number)]
        assert listed(manager) == names[:-4:-1]
        assert stored(manager) == {"head", *names[-3:]}
        assert [read(manager, name) for name in names] == [None] * 7 + [7, 8, 9]


def test_two_versions_are_kept_whatever_their_size(make_manager: MakeManager) -> None:
    manager = make_manager(max_store_bytes=1000)
    names = [name for number in range(4) for name in write(manager, [str(number)] * 2000)]
    assert listed(manager) == [names[3], names[2]]


def test_a_version_that_is_pushed_out_and_written_again_at_once_stays(make_manager: MakeManager) -> None:
    manager = make_manager(max_versions=2)
    write(manager, "a")
    write(manager, "b")
    [_, again] = write(manager, "c", "a")
    assert stored(manager) == {"head", *listed(manager)}
    assert read(manager, again) == "a"


@pytest.mark.parametrize("size", [10, 40_000, 100_000])
def test_a_version_that_another_writes_again_just_after_it_was_pushed_out_stays(
    make_manager: MakeManager, size: int
) -> None:
    here, there = (make_manager(backend="database", max_versions=2, secret_key="k") for _ in range(2))
    a, b, c = (letter * size for letter in "abc")
    write(here, a, b)
    put_many = here.backend.put_many

    def then_again(puts: Any, *, delete: Any = ()) -> list[str]:
        etags = put_many(puts, delete=delete)
        if delete:
            write(there, a)
        return etags

    here.backend.put_many = then_again  # type: ignore[method-assign]
    write(here, c)
    [newest, *_] = listed(there)
    assert read(make_manager(backend="database", secret_key="k"), newest) == a


def test_patches_are_named_by_the_head_and_gone_from_it_with_the_next_version(manager: StateManager) -> None:
    write(manager, {"a": 1})
    [patch] = write(manager, {"operations": []}, patch=True)
    assert head_of(manager).patches == (patch,)
    write(manager, {"a": 2})
    assert head_of(manager).patches == ()


def test_patches_on_an_empty_store_expire_as_everything_does(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(ttl_default=100)
    write(manager, {"operations": []}, patch=True)
    clock.advance(100)
    assert list(manager.backend.scan("dash/s.")) == []


def test_equal_json_of_two_sessions_is_not_shared(manager: StateManager) -> None:
    [mine] = write(manager, {"a": 1})
    [yours] = write(manager, {"a": 1}, scope=Scope.of("s", "you"))
    manager.versions.delete(manager.versions.keys.scope(Scope.of("s", "you")))
    key = manager.versions.keys.version(Scope.of("s", "you"), SALES.digest, yours)
    assert manager.versions.read_many([key]) == {}
    assert read(manager, mine) == {"a": 1}


def test_expiry_slides_with_use(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(backend="database", ttl_default=100)
    [name] = write(manager, {"a": 1})
    for _ in range(5):
        clock.advance(60)
        assert read(manager, name) == {"a": 1}
        manager.flush()
    assert listed(manager) == [name]
    clock.advance(100)
    assert read(manager, name) is None
    assert list(manager.backend.scan("dash/s.")) == []


def test_a_touch_is_sent_only_when_a_tenth_of_the_lifetime_is_used_up(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(ttl_default=100)
    [name] = write(manager, {"a": 1})
    start = clock()

    def expiries() -> set[float | None]:
        return {row.expires_at for row in manager.backend.scan("dash/s.")}

    clock.advance(9)
    read(manager, name)
    manager.flush()
    assert expiries() == {start + 100}
    clock.advance(1)
    read(manager, name)
    manager.flush()
    assert expiries() == {start + 110}


def test_what_another_process_keeps_alive_does_not_expire_here(make_manager: MakeManager, clock: Any) -> None:
    here, there = (make_manager(backend="database", ttl_default=100) for _ in range(2))
    [name] = write(here, {"a": 1})
    clock.advance(60)
    assert read(there, name) == {"a": 1}
    there.flush()
    clock.advance(60)
    assert read(here, name) == {"a": 1}


def test_what_was_deleted_elsewhere_is_gone_here_with_the_next_touch(make_manager: MakeManager, clock: Any) -> None:
    here, there = (make_manager(backend="database", ttl_default=100) for _ in range(2))
    [name] = write(here, {"a": 1})
    there.versions.delete(there.versions.keys.scope(ME))
    clock.advance(10)
    read(here, name)
    here.flush()
    assert read(here, name) is None


def test_a_lifetime_without_end_is_kept_for_ever(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(ttl_default=float("inf"))
    [name] = write(manager, {"a": 1})
    clock.advance(1e9)
    assert read(manager, name) == {"a": 1}
    assert manager.cookies.lifetime <= 400 * 86400


def test_a_value_over_its_limit_writes_nothing_and_names_store_type_and_remedy(make_manager: MakeManager) -> None:
    manager = make_manager(max_value_bytes=1000)
    write(manager, "before")
    with pytest.raises(ValueTooLarge, match=r"store 'sales': a bytes of .* 1,000 bytes.*STATE_MAX_VALUE_BYTES"):
        write(manager, "good", bytes(2000))
    assert [read(manager, name) for name in listed(manager)] == ["before"]


def test_a_session_over_its_limit_writes_nothing_and_names_the_store(make_manager: MakeManager) -> None:
    manager = make_manager(max_session_bytes=10_000)
    write(manager, bytes(9000))
    with pytest.raises(ValueTooLarge, match=r"store 'sales': .*STATE_MAX_SESSION_BYTES"):
        write(manager, b"x" * 9000)
    assert len(listed(manager)) == 1
    write(manager, bytes(9000), scope=APP)


def test_what_no_codec_takes_writes_nothing_and_names_the_store(manager: StateManager) -> None:
    with pytest.raises(CodecError, match="store 'sales'"):
        write(manager, "good", object())
    assert list(manager.backend.scan("dash/s.")) == []


def test_two_managers_that_write_at_once_lose_nothing(make_manager: MakeManager) -> None:
    managers = [make_manager(backend="database", max_versions=1000, secret_key="k") for _ in range(2)]

    def work(number: int) -> str:
        return write(managers[number % 2], {"number": number})[0]

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(work, range(80)))
    assert sorted(listed(managers[0])) == sorted(names)
    assert stored(managers[0]) == {"head", *names}


def test_the_bound_holds_when_two_managers_write_at_once(make_manager: MakeManager) -> None:
    managers = [make_manager(backend="database", max_versions=3, secret_key="k") for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(managers[number % 2], {"number": number}), range(60)))
    assert stored(managers[0]) == {"head", *listed(managers[1])}
    assert len(listed(managers[0])) == 3


def test_processes_that_write_at_once_lose_nothing(make_manager: MakeManager, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    command = [sys.executable, "-c", APPEND, url]
    processes = [subprocess.Popen([*command, name], env=os.environ) for name in "abc"]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    manager = make_manager(backend="database", secret_key="k")
    values = [read(manager, name) for name in listed(manager)]
    assert sorted(values) == [[name, number] for name in "abc" for number in range(25)]
    assert stored(manager) == {"head", *listed(manager)}
