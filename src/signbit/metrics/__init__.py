"""Flip counts and rates; what training costs."""

from signbit.metrics.flips import FlipTracker
from signbit.metrics.operations import published_cost, released_code_cost

__all__ = ["FlipTracker", "published_cost", "released_code_cost"]
