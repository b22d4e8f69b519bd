"""What comes back for what was stored: the pairs of `docs/explanation/values.md`."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid

import numpy as np
import pandas as pd

from dash_statemanager import ServerStore

AS_IN_DCC_STORE = [
    # stored, comes back
    ({"a": 1, "b": [True, None, "ü"]}, {"a": 1, "b": [True, None, "ü"]}),
    ((1, 2), [1, 2]),
    ({1: "one", None: "none"}, {"1": "one", "null": "none"}),
    (dt.date(2026, 5, 17), "2026-05-17"),
    (dt.datetime(2026, 5, 17, 8, 30), "2026-05-17T08:30:00"),
    (float("nan"), None),
    (np.float64(0.5), 0.5),
    (np.array([1, 2, 3]), [1, 2, 3]),
    (pd.Series([1, 2, 3]), [1, 2, 3]),
]
# [json ends]

BETTER_THAN_IN_DCC_STORE = [
    (
        {"9": "comes first", "1": "stays second"},
        {"9": "comes first", "1": "stays second"},
    ),
    (1.0, 1.0),
    (2**63 + 1, 2**63 + 1),
]
# [better ends]

KEEP_THEIR_TYPE = [
    b"\x00\xff",
    {"red", "green"},
    pd.DataFrame(
        {
            "when": pd.to_datetime(["2026-05-17"]).tz_localize("Europe/Berlin"),
            "what": ["flight"],
        }
    ),
    {"tables": [pd.DataFrame({"n": [1, 2]}), pd.DataFrame({"n": [3]})]},
]
# [typed ends]

store = ServerStore(id="typed-values", types="python")

KEEP_THEIR_TYPE_WITH_TYPES_PYTHON = [
    (1, 2),
    {1: "one", (2, 3): "a tuple as a key"},
    dt.datetime(2026, 5, 17, 8, 30, tzinfo=dt.timezone.utc),
    np.array([[1.5, 2.5]]),
    pd.Series([1, 2, 3], name="n"),
    decimal.Decimal("0.10"),
    uuid.UUID(int=7),
]
