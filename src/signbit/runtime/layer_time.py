"""A row of a profile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerTime:
    """What one step of the network cost.

    Attributes
    ----------
    name : path of the module that its first node came from.
    op : its operation; several, joined by +, where the native runtime does them together.
    seconds : wall-clock time of one run.
    macs : multiply-accumulates of that run, padded taps included; 0 for what is no convolution or linear layer.
    ceiling : 10^9 one-bit products a second that the tier's instructions allow on the session's threads; None for a
        step without a binary convolution, and in the reference.

    >>> layer = LayerTime("conv1", "binary_conv2d", 0.002, 1_000_000_000, ceiling=800.0)
    >>> layer.gmacs_per_second, layer.share_of_ceiling
    (500.0, 0.625)
    """

    name: str
    op: str
    seconds: float
    macs: int
    ceiling: float | None = None

    @property
    def gmacs_per_second(self) -> float:
        """Speed."""
        return self.macs / self.seconds / 1e9 if self.seconds > 0 else 0.0

    @property
    def share_of_ceiling(self) -> float | None:
        """Speed over :attr:`ceiling`, all that the step does besides its convolution included."""
        return None if self.ceiling is None else self.gmacs_per_second / self.ceiling
