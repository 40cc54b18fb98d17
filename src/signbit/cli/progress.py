"""How far a long command has come: one line at the bottom of a terminal. The deployment side has no rich."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

WIDTH = 24
REFRESH_SECONDS = 0.1
CLEAR_LINE = "\r\x1b[K"


def bar_line(done: int, total: int, seconds: float) -> str:
    """The bar's text.

    >>> bar_line(1250, 5000, 10.0)
    '[######..................] 1250/5000, 125/s, 0:30 left'
    """
    filled = WIDTH * done // max(total, 1)
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {int((total - done) / rate) // 60}:{int((total - done) / rate) % 60:02} left" if rate else ""
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total}, {rate:.0f}/s{left}"


class ProgressBar:
    """Counts, and shows the count where the stream is a terminal; elsewhere it prints nothing.

    Parameters
    ----------
    total : how many there will be.
    stream : default standard error, so that standard output stays for results.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total, self._done = total, 0
        self._shown = False
        self._started = self._drawn = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if self._stream.isatty() and now - self._drawn >= REFRESH_SECONDS:
            self._drawn, self._shown = now, True
            line = bar_line(self._done, self._total, now - self._started)
            print(CLEAR_LINE + line, end="", file=self._stream, flush=True)

    def clear(self) -> None:
        """Make room for a line of text; the next step draws the bar again."""
        if self._shown:
            self._shown = False
            print(CLEAR_LINE, end="", file=self._stream, flush=True)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
