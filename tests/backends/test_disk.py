"""Maps of files: they cost memory of the system, and nothing that the rest of the process needs."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

import pytest

from dash_statemanager.backends.base import Buffer
from dash_statemanager.backends.disk import map_file

LIMIT = 256


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def mapped(path: Path) -> Buffer:
    with path.open("rb", buffering=0) as file:
        return map_file(file)


@pytest.mark.usefixtures("few_descriptors")
def test_maps_leave_half_of_the_descriptors_to_others(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"what is read")

    kept = [mapped(path) for _ in range(2 * LIMIT)]

    maps = sum(isinstance(buffer, mmap) for buffer in kept)
    assert maps == 2 * LIMIT if sys.version_info >= (3, 13) else LIMIT // 4 < maps <= LIMIT // 2
    assert {bytes(buffer) for buffer in kept} == {b"what is read"}
    for descriptor in [os.dup(0) for _ in range(LIMIT // 4)]:
        os.close(descriptor)
    kept.clear()
    assert isinstance(mapped(path), mmap)
