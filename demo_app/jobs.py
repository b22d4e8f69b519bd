"""Where long callbacks run. This is the one place that knows which backend needs what."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Thread
from typing import Any

import diskcache
from dash import DiskcacheManager

JOBS_FOLDER = "state.db-jobs"


def job_manager(backend: str) -> DiskcacheManager:
    """Jobs in processes of their own; in threads of the server where values are kept in the server's memory."""
    if backend == "memory":
        return ThreadManager(diskcache.Cache())  # type: ignore[no-untyped-call]
    return DiskcacheManager(diskcache.Cache(JOBS_FOLDER))


class ThreadManager(DiskcacheManager):
    """Runs each job in a thread of the server process, with the same progress and the same results.

    No other process sees what the memory backend keeps, so a job that writes to a store must run here.
    """

    def call_job_fn(self, key: str, job_fn: Callable[..., None], args: Any, context: dict[str, Any]) -> int:
        """Starts the job; Dash knows it by the id of this process, which is healthy as long as the job can be."""
        arguments = (key, self._make_progress_key(key), args, context)  # type: ignore[no-untyped-call]
        Thread(target=job_fn, args=arguments, name=f"job-{key[:8]}", daemon=True).start()
        return os.getpid()

    def terminate_job(self, job: int | None) -> None:
        """A thread ends by itself. Killing the process, as the parent class does, would end the server."""
