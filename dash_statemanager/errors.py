"""One error tree.

Every message says what was tried, what was wrong and what to do next::

    StateError
    ├── ConfigError                 a setting is unknown, malformed or contradicts another
    │   └── MissingExtra            an optional dependency is not installed (also an ImportError)
    ├── BackendError                the place where payloads are kept
    │   ├── BackendUnavailable      it can't be reached, or belongs to another process
    │   │   └── BackendBusy         it is there, and has too much to do right now
    │   ├── BackendReadOnly         it takes no writes now; reads go on
    │   ├── BackendFull             it has no room left; nothing was written
    │   ├── BackendFormatError      what is there is not ours, or is newer than this version
    │   └── Conflict                a conditional put found that another was faster
    ├── CodecError                  no codec takes this value, or not all of it
    │   └── CorruptPayload          bytes that are there but are not a payload
    ├── PartError                   columns or rows that a value does not have (also a LookupError)
    ├── ValueTooLarge               a value, or a session, over its limit; nothing was written
    ├── UnsupportedDash             Dash is not as this version knows it (also an ImportError)
    ├── SessionError                there is no session to act for
    ├── LockTimeout                 a lock was not free in time
    └── LockLost                    a lock went to another while it was held; nothing was written
"""

from __future__ import annotations

__all__ = [
    "BackendBusy",
    "BackendError",
    "BackendFormatError",
    "BackendFull",
    "BackendReadOnly",
    "BackendUnavailable",
    "CodecError",
    "ConfigError",
    "Conflict",
    "CorruptPayload",
    "LockLost",
    "LockTimeout",
    "MissingExtra",
    "PartError",
    "SessionError",
    "StateError",
    "UnsupportedDash",
    "ValueTooLarge",
]


class StateError(Exception):
    """The root of all errors that this library raises.

    Args:
        what: What was tried and what was wrong, as one sentence without a full stop.
        remedy: What to do next, as one sentence without a full stop.

    Attributes:
        store: The id of the store that was read or written, where one was.
    """

    def __init__(self, what: str, remedy: str | None = None) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy
        self.store: str | None = None

    def __str__(self) -> str:
        subject = f"store {self.store!r}: " if self.store else ""
        advice = f" {self.remedy}." if self.remedy else ""
        return f"{subject}{self.what}.{advice}"


class ConfigError(StateError):
    """A setting is unknown, malformed or contradicts another."""


class MissingExtra(ConfigError, ImportError):
    """An optional dependency is needed and not installed; the remedy is a pip command."""


class BackendError(StateError):
    """The backend refused or failed."""


class BackendUnavailable(BackendError):
    """The backend can't be reached. Never to be read as "there is nothing"."""


class BackendBusy(BackendUnavailable):
    """The backend, or the way to it, has too much to do right now; it need not be away for others."""


class BackendReadOnly(BackendError):
    """The backend takes no writes, as a replica does. Nothing was written; reads go on."""


class BackendFull(BackendError):
    """The backend has no room left. Nothing was written, what was stored stays."""


class BackendFormatError(BackendError):
    """The place exists but holds something else, or a newer format than this version knows."""


class Conflict(BackendError):
    """A conditional put found another etag than it expected."""


class CodecError(StateError):
    """No codec takes this value, or a part of it."""


class CorruptPayload(CodecError):
    """The bytes are there, but they are not a whole payload. Not the same as missing."""


class PartError(StateError, LookupError):
    """Columns or rows were asked for that a value does not have."""


class ValueTooLarge(StateError):
    """A value, or all that a session holds, is over its limit. Nothing was written."""


class UnsupportedDash(StateError, ImportError):
    """Dash lacks something that this library reaches into: a newer Dash needs a newer version of the library."""


class SessionError(StateError):
    """There is no session to act for."""


class LockTimeout(StateError):
    """A lock was not free in time."""


class LockLost(StateError):
    """A lock went to another while it was held. Nothing was written."""
