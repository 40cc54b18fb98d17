"""What the benchmark itself spends its time on."""

from __future__ import annotations

import time


class Phases:
    """Seconds by phase, one phase after the other from the moment that this is made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def end(self, phase: str) -> None:
        """What has passed since the end of the phase before was this one."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._since
        self._since = now
