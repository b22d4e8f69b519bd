"""One column of a large frame costs a fraction of the whole frame, in time and in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

READER = """
import json, sys, time
from hashlib import blake2b
from pathlib import Path
import pyarrow as pa
import dash_statemanager as dsm
from dash_statemanager.definitions import StoreDefinition

reference, store = json.loads(sys.argv[1]), StoreDefinition("frame", scope="app")
manager = dsm.configure(backend="database", database_url=sys.argv[2], secret_key="benchmark" * 4, cache_bytes=0)

def use(frame):
    for name in frame:
        array = pa.array(frame[name].array, from_pandas=False)
        for chunk in getattr(array, "chunks", [array]):
            for buffer in filter(None, chunk.buffers()):
                blake2b(buffer)  # looks at every byte

def measured(columns):
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the memory
    before, start = peak(), time.perf_counter()
    [handle] = manager.open_many([(reference, store)])
    use(handle.columns(columns) if columns else handle.value)
    return time.perf_counter() - start, peak() - before

def peak():
    words = Path("/proc/self/status").read_text().split()
    return 1024 * int(words[words.index("VmHWM:") + 1])

measured(["id", "kind", "name"])  # what is imported on first use
print(json.dumps([measured(columns) for _ in range(9) for columns in (["price"], [])]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of the memory")
def test_one_column_of_ten_costs_a_fraction_of_the_frame(tmp_path: Path) -> None:
    from dash_statemanager import configure
    from dash_statemanager.definitions import StoreDefinition
    from tests.benchmarks.values import frame_of

    url = f"sqlite:///{tmp_path / 'parts.db'}"
    manager = configure(backend="database", database_url=url, secret_key="benchmark" * 4)
    [reference] = manager.write_many([(StoreDefinition("frame", scope="app"), frame_of(1_000_000)(1))])

    arguments = [sys.executable, "-c", READER, json.dumps(reference), url]
    done = subprocess.run(arguments, capture_output=True, text=True, env=dict(os.environ), check=True)
    measured = json.loads(done.stdout)
    one, whole = measured[::2], measured[1::2]
    for what, most in enumerate((0.15, 0.2)):
        assert median(part[what] / all_of_it[what] for part, all_of_it in zip(one, whole, strict=True)) < most
