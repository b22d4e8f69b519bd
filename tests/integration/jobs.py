"""A manager of background jobs that loses no result."""

from __future__ import annotations

from typing import Any

from dash import DiskcacheManager


class Manager(DiskcacheManager):
    """Looks whether a job runs before it looks for the result.

    Dash does it the other way round, and takes a job for canceled that ends in between.
    """

    def get_result(self, key: str, job: Any) -> Any:
        self._ran = job is not None and super().job_running(job)
        return super().get_result(key, job)

    def job_running(self, job: Any) -> bool:
        return self._ran
