"""The command line: one file per command, errors in one or two lines with exit code 2."""

from signbit.cli.main import main

__all__ = ["main"]
