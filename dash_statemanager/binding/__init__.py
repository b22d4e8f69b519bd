"""The only folder that knows Dash's insides."""

from .versions import check as _check

_check()
