"""What several test modules of codecs use."""

from __future__ import annotations

from hypothesis import settings

FEW = settings(max_examples=min(settings().max_examples, 2000))
"""For properties beside the main two, which alone run with all the examples of the profile."""
