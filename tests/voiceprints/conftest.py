"""Fixtures of several files here."""

from tests.second_model import tiny

__all__ = ["tiny"]
