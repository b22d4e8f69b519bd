"""SQL databases: one backend, and for each kind of database a dialect."""

from .backend import SqlBackend

__all__ = ["SqlBackend"]
