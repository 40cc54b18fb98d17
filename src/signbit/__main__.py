"""``python -m signbit`` is the ``signbit`` command."""

from __future__ import annotations

import sys

from signbit.cli import main

if __name__ == "__main__":
    sys.exit(main())
