"""General compression of bodies, where it pays. Arrow brings the codecs, and is imported on use."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CorruptPayload
from .base import Buffer

NONE = 0
NAMES = {1: "lz4", 2: "zstd"}
TAGS = {name: tag for tag, name in NAMES.items()}
LEAST_AUTO = 16 << 10
LEAST_FORCED = 1 << 10
MOST_RAW = 4 << 30
MOST_RATIO = 1000


def length(parts: Sequence[Buffer]) -> int:
    """The size of all parts, in bytes."""
    return sum([memoryview(part).nbytes for part in parts])


def compress(parts: Sequence[Buffer], policy: str, *, compressible: bool) -> tuple[int, Sequence[Buffer]]:
    """The parts as they are to be kept, and the tag of the compression that was used.

    What zstd would shrink to less than a thousandth goes to lz4, which can't, so that a payload that claims to grow
    more than that on reading is known to be a bomb.

    Args:
        parts: The body.
        policy: `auto`, `none`, `lz4` or `zstd`.
        compressible: Whether the body is of a kind where `auto` tries at all.
    """
    if policy == "none" or (policy == "auto" and not compressible):
        return NONE, parts
    least, name = (LEAST_AUTO, "lz4") if policy == "auto" else (LEAST_FORCED, policy)
    raw = length(parts)
    if raw < least:
        return NONE, parts
    packed = _pack(parts, name)
    if raw > MOST_RATIO * memoryview(packed).nbytes:
        name, packed = "lz4", _pack(parts, "lz4")
    bound = raw * 0.9 if policy == "auto" else raw
    return (TAGS[name], [packed]) if memoryview(packed).nbytes < bound else (NONE, parts)


def _pack(parts: Sequence[Buffer], name: str) -> Buffer:
    import pyarrow as pa

    return pa.compress(parts[0] if len(parts) == 1 else b"".join(parts), codec=name)


def decompress(body: Buffer, tag: int, raw_length: int) -> Buffer:
    """The body as it was. Raises `CorruptPayload` for whatever can't be one."""
    if tag == NONE:
        return body
    if tag not in NAMES:
        raise CorruptPayload(f"the payload has the unknown compression {tag}", "Upgrade dash-statemanager")
    if raw_length > min(MOST_RAW, MOST_RATIO * memoryview(body).nbytes):
        raise CorruptPayload(f"the payload claims to hold {raw_length} bytes, which is more than it can")
    import pyarrow as pa

    try:
        raw = pa.decompress(body, decompressed_size=raw_length, codec=NAMES[tag])
    except (pa.ArrowException, OSError, ValueError, MemoryError) as exc:
        raise CorruptPayload(f"the body can't be decompressed: {exc}") from exc
    if memoryview(raw).nbytes != raw_length:
        raise CorruptPayload("the body is shorter than it claims")
    return raw
