"""Payloads as objects of a Google Cloud Storage bucket."""

from .backend import GcsBackend
from .lifecycle import lifecycle_rule

__all__ = ["GcsBackend", "lifecycle_rule"]
