"""Flip counts and rates."""

from signbit.metrics.flips import FlipTracker

__all__ = ["FlipTracker"]
