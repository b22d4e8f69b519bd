"""The rule that lets a bucket delete by itself what has expired."""

from __future__ import annotations

from typing import Any

__all__ = ["lifecycle_rule"]


def lifecycle_rule(prefix: str = "dash/") -> dict[str, Any]:
    """A lifecycle configuration for the bucket, for `gcloud storage buckets update --lifecycle-file`.

    Expired objects are deleted a day after they expired, even while no app runs. The app itself never needs it.

    Args:
        prefix: What all names of the app's objects start with: `STATE_NAMESPACE` and a slash.
    """
    condition = {"daysSinceCustomTime": 1, "matchesPrefix": [prefix]}
    return {"rule": [{"action": {"type": "Delete"}, "condition": condition}]}
