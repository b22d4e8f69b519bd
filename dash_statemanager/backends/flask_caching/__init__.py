"""Payloads in the cache that an app already has."""

from .backend import FlaskCachingBackend

__all__ = ["FlaskCachingBackend"]
