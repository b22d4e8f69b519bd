"""Redis and Valkey: one server, a server behind Sentinels, or a cluster."""

from .backend import RedisBackend

__all__ = ["RedisBackend"]
