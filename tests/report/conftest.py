"""The run folders of the comparison's tests serve the reports, too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "compare"))
