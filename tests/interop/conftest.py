"""The graphs of the file's tests serve the other engines, too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "format"))
