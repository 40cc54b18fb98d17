"""Self-contained HTML pages: no network access, everything inline."""

from signbit.report.page import Page, Section

__all__ = ["Page", "Section"]
