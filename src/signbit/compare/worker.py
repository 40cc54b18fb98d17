"""One run in a process of its own: ``python -m signbit.compare.worker``, settings as a line of JSON on its input."""

from __future__ import annotations

import json
import os
import sys
import threading

from signbit.compare.plan import folder_of
from signbit.errors import SignbitError
from signbit.training import RunConfig, fit, resume
from signbit.training.folder import CONFIG


def main() -> int:
    """Train, or continue, the run; 0, 2 for an error that was explained, 130 after Ctrl-C."""
    config = RunConfig.from_dict(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder = folder_of(config)
    try:
        if (folder / CONFIG).is_file():
            resume(folder, data_dir=config.data_dir)
        else:
            fit(config)
    except SignbitError as error:
        print(f"signbit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _end_with_parent() -> None:
    """The input ends when the process that started this one does, however that ended; a run survives being killed."""
    sys.stdin.read()
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
