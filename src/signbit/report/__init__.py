"""Self-contained HTML pages: no network access, everything inline."""

from signbit.report.page import Figure, Page, Section

__all__ = ["Figure", "Page", "Section"]
