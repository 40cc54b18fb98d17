"""The graphs of the file's tests serve the other engines, too, and so do the networks of other rooms' tests."""

import sys
from pathlib import Path

for room in ("", "format", "models"):
    sys.path.insert(0, str(Path(__file__).parent.parent / room))
