"""The client of a process: who it is, where the server is, and how many connections it may have."""

from __future__ import annotations

import os

import google.auth
from google.cloud import storage

from .transport import PatientAdapter

__all__ = ["connect"]


def connect(endpoint: str | None, pool_size: int) -> storage.Client:
    """A client with Application Default Credentials; it asks for the credentials, not yet for the server.

    Args:
        endpoint: Another server, without credentials; default is `STORAGE_EMULATOR_HOST`, else the real one.
        pool_size: Most connections.
    """
    if endpoint:
        options = {"client_options": {"api_endpoint": endpoint}, "use_auth_w_custom_endpoint": False}
        client = storage.Client(project="none", **options)
    elif os.environ.get("STORAGE_EMULATOR_HOST"):
        client = storage.Client(project="none")
    else:
        credentials, project = google.auth.default(scopes=storage.Client.SCOPE)
        client = storage.Client(project=project, credentials=credentials)
    # Newer clients describe the bucket in traces, asking for it in a thread that needs storage.buckets.get.
    client._bucket_metadata_cache = None
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, PatientAdapter(pool_maxsize=pool_size, pool_block=True))
    return client
