"""What is known of an object without its data, and how that is written into its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

__all__ = ["Stat", "custom_time", "metadata"]

EXPIRES, MARK, CODEC = "expires", "mark", "codec"
NEVER = "never"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
END = datetime(9999, 12, 31, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Stat:
    """What is known of an object without its data.

    Attributes:
        key: Its name.
        nbytes: Size of its data.
        generation: Number of this write of the name; the entry's etag.
        metageneration: Number of this version of the metadata.
        expires_at: Unix time, or None for never.
        mark: Random, and different for every write.
        custom_time: What a lifecycle rule goes by: about the time of expiry.
    """

    key: str
    nbytes: int
    generation: int
    metageneration: int
    expires_at: float | None
    mark: str = ""
    custom_time: datetime | None = None

    @property
    def etag(self) -> str:
        return str(self.generation)

    def alive(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    @classmethod
    def of(cls, blob: Any) -> Stat | None:
        """Of a blob whose properties are loaded; None where another program wrote it."""
        return cls.written(blob) if EXPIRES in (blob.metadata or {}) else None

    @classmethod
    def written(cls, blob: Any) -> Stat:
        """Of a blob that was written by us."""
        described = blob.metadata
        numbers = int(blob.size), int(blob.generation), int(blob.metageneration)
        return cls(blob.name, *numbers, _moment(described[EXPIRES]), described.get(MARK, ""), blob.custom_time)

    @classmethod
    def of_headers(cls, key: str, nbytes: int, headers: Mapping[str, str]) -> Stat | None:
        """Of the answer to a download; None from a server that leaves the metadata out."""
        try:
            numbers = int(headers["x-goog-generation"]), int(headers["x-goog-metageneration"])
            return cls(key, nbytes, *numbers, _moment(headers[f"x-goog-meta-{EXPIRES}"]))
        except KeyError:
            return None


def metadata(expires_at: float | None, mark: str, codec: str) -> dict[str, str]:
    """The metadata of an object that is written now."""
    return {EXPIRES: NEVER if expires_at is None else repr(expires_at), MARK: mark, CODEC: codec}


def custom_time(expires_at: float | None, before: datetime | None = None) -> datetime | None:
    """The custom time of an object; it can't be taken away from one that has it, nor set back.

    Args:
        expires_at: Unix time, or None for never.
        before: The custom time that it has.
    """
    if expires_at is None:
        return END if before else None
    return max(before or EPOCH, min(END, EPOCH + timedelta(seconds=min(expires_at, 1e11))))


def _moment(text: str) -> float | None:
    return None if text == NEVER else float(text)
