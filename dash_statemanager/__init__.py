"""ServerStore: `dcc.Store` whose data stays on the server.

Importing this package is all the set-up: change `dcc.Store` to `ServerStore`, and callbacks go on as they are.
"""

from typing import TYPE_CHECKING, Any

from .api import (
    configure,
    delete_store,
    ensure_session_context,
    get_session_id,
    get_state_manager,
    get_store,
    get_stores,
    is_configured,
    reset,
    rotate_session,
    set_store,
    set_stores,
    store_exists,
    update_store,
)
from .api import (
    expect_stores as _expect_stores,
)
from .binding.install import install as _install
from .component import ServerStore as _ServerStore
from .decorators import locked, memoized, state_managed_callback
from .errors import (
    BackendBusy,
    BackendError,
    BackendFormatError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    CodecError,
    ConfigError,
    Conflict,
    CorruptPayload,
    LockLost,
    LockTimeout,
    MissingExtra,
    PartError,
    SessionError,
    StateError,
    UnsupportedDash,
    ValueTooLarge,
)
from .handles import Stored

if TYPE_CHECKING:
    from .component import ServerStore

__version__ = "0.1.0"

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
    "ServerStore",
    "SessionError",
    "StateError",
    "Stored",
    "UnsupportedDash",
    "ValueTooLarge",
    "configure",
    "delete_store",
    "ensure_session_context",
    "get_session_id",
    "get_state_manager",
    "get_store",
    "get_stores",
    "is_configured",
    "locked",
    "memoized",
    "reset",
    "rotate_session",
    "set_store",
    "set_stores",
    "state_managed_callback",
    "store_exists",
    "update_store",
]

_js_dist: list[dict[str, object]] = []
_css_dist: list[dict[str, object]] = []

_install()


def __getattr__(name: str) -> Any:
    """Whoever names `ServerStore` uses it; Dash itself imports this package in every app of the environment."""
    if name != "ServerStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _expect_stores()
    return _ServerStore
