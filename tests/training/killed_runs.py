"""Trains runs twice: once in peace, once in a process that is killed again and again, wherever that hits it.

``killed_runs.py OUT SEED KILLS METHOD...``: prints a line of JSON for each method, with the moments of its kills.
The runs are in ``OUT/METHOD-whole`` and ``OUT/METHOD-killed``. Every process is forked from this one, which has
imported torch and computed nothing.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signbit.training import RunConfig, fit, resume

FILE_EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.link")
SETTINGS: dict[str, Any] = {
    "epochs": 4, "train_images": 300, "batch_size": 50, "threads": 1, "model_options": {"width": 8},
    "tensorboard": False, "augment": "crop-flip",
}  # fmt: skip
EARLY = {"freeze_rate": 0.5, "patience": 1, "stop_rate": 0.2, "stop_patience": 1, "warm_up": 0.0}
"""SFAO's settings with which it freezes and stops within four epochs."""


def train(config: RunConfig) -> None:
    assert config.out is not None
    run = Path(config.out)
    if (run / "config.yaml").is_file():
        resume(run)
    else:
        fit(config)


def at_file_event(folder: str, number: int, pipe: int) -> None:
    """Die just before the ``number``-th thing that is done to files of the run; tell what it was, and how many."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in FILE_EVENTS or not any(str(a).startswith(folder) for a in arguments[:2]):
            return
        seen += 1
        os.write(pipe, f"{event} {Path(str(arguments[0])).name}\n".encode())
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def in_the_middle_of_a_file(size: int) -> None:
    """Die while a file grows beyond ``size`` octets, which are on the disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def child(config: RunConfig, prepare: Callable[[int], None], seconds: float | None = None) -> tuple[int, list[str]]:
    """Train in a process of its own. Returns the signal that ended it, or 0, and what it did to files."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        try:
            prepare(writer)
            train(config)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reader) as pipe:
        events = pipe.read().splitlines()
    status = os.waitpid(process, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"training failed: {config.method}")
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), events


def main(out: Path, seed: int, kills: int, method: str) -> dict[str, Any]:
    options = {"method_options": EARLY} if "sfao" in method else {}
    whole, killed = (
        RunConfig.from_dict({**SETTINGS, **options, "method": method, "out": str(out / f"{method}-{name}")})
        for name in ("whole", "killed")
    )
    start = time.monotonic()
    _, events = child(whole, lambda pipe: at_file_event(str(whole.out), 0, pipe))
    seconds = time.monotonic() - start
    sizes = [path.stat().st_size for path in (out / f"{method}-whole" / "checkpoints").iterdir()]
    chance = random.Random(f"{seed} {method}")
    moments = []
    while len(moments) < kills and not (out / f"{method}-killed" / "result.json").exists():
        kind = ("file", "write", "file", "time")[len(moments) % 4]
        if kind == "file":
            number = chance.randint(1, max(2, len(events) // 2))
            code, done = child(killed, lambda pipe, n=number: at_file_event(str(killed.out), n, pipe))  # type: ignore[misc]
            moments.append(f"before {done[-1]}" if code else "never")
        elif kind == "write":
            size = chance.randrange(1, min(sizes))
            code, _ = child(killed, lambda _, s=size: in_the_middle_of_a_file(s))  # type: ignore[misc]
            moments.append(f"in a file, after {size} octets" if code else "never")
        else:
            delay = chance.uniform(0, seconds)
            code, _ = child(killed, lambda _: None, delay)
            moments.append(f"after {delay:.3f} s" if code else "never")
    code, _ = child(killed, lambda _: None)
    assert code == 0
    return {"method": method, "file_events": len(events), "kills": moments}


if __name__ == "__main__":
    for name in sys.argv[4:]:
        print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), name)), flush=True)
