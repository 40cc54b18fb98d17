r"""Random small networks on every usable tier and number of threads, compared bit for bit with the reference.

python tests/soak/soak.py                              # the long form: ten million inferences
python tests/soak/soak.py --seed 4711 --networks 1     # what a mismatch says to repeat
python tests/soak/soak.py --out docs/results/soak.json # with a record

With emulated tiers, in the build that tests/native made:
PYTHONPATH=tests/native:tests/soak SIGNBIT_TEST_NATIVE=$(ls build/native-emulated/_native.*) \
    python -c "import native_substitute, soak; raise SystemExit(soak.main())"

On a CPU that is not this one, as that of the program check_outputs that tests/native made for 64-bit Arm:
python tests/soak/soak.py --through "qemu-aarch64 build/native-aarch64/check_outputs"
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from exact_graphs import exact_graph, exact_input

import signbit
from signbit.format import Graph, write_bytes
from signbit.runtime import Session, available_isas, reference

THREADS = (1, 2, 3)
"""Those of check_outputs, too."""
BATCHES = (1, 2, 3, 5, 16, 33, 64, 65, 130)
ELEMENTS = 1 << 18
"""Of all values of one batch together: what the reference computes in milliseconds."""
PER_PROGRAM = 100
"""Networks that another program is started for."""


@dataclass
class Tally:
    """What has been compared so far."""

    networks: int = 0
    inferences: int = 0


def random_case(seed: int) -> tuple[Graph, np.ndarray, np.ndarray]:
    """A network, images, and what the reference makes of them."""
    graph, _ = exact_graph(seed)
    rng = np.random.default_rng(seed)
    most = ELEMENTS // sum(int(np.prod(value.shape)) for value in graph.values)
    x = exact_input(graph, seed, int(rng.choice([count for count in BATCHES if count <= max(1, most)])))
    return graph, x, reference.run(graph, x)


def check(isas: list[str], seed: int) -> int:
    """Compare one network everywhere; the number of inferences made.

    Errors
    ------
    AssertionError : names the seed, the tier and the threads of a mismatch.
    """
    graph, x, expected = random_case(seed)
    data = write_bytes(graph)
    for isa, threads in itertools.product(isas, THREADS):
        with Session(data, threads=threads, isa=isa) as session:
            result = session.run(x).reshape(expected.shape)
        differing = int((result != expected).sum())
        assert not differing, (
            f"seed {seed}: {differing} of {expected.size} numbers differ on {isa}, {threads} threads; "
            f"repeat: python tests/soak/soak.py --seed {seed} --networks 1"
        )
    return len(x) * len(isas) * len(THREADS)


def write_case(folder: Path, name: int, graph: Graph, x: np.ndarray, expected: np.ndarray) -> None:
    """As check_outputs reads it."""
    (folder / f"{name}.sbn").write_bytes(write_bytes(graph))
    x.tofile(folder / f"{name}.input")
    expected.astype(np.float32).tofile(folder / f"{name}.expected")


def check_through(command: str, isas: list[str], seed: int) -> int:
    """Compare PER_PROGRAM networks in another program; the number of inferences made. ``isas`` becomes its tiers.

    Errors
    ------
    AssertionError : names the seeds, and says what the program said.
    """
    images = 0
    with TemporaryDirectory() as folder:
        for name in range(PER_PROGRAM):
            graph, x, expected = random_case(seed + name)
            write_case(Path(folder), name, graph, x, expected)
            images += len(x)
        found = subprocess.run(
            [*shlex.split(command), folder, str(PER_PROGRAM)], capture_output=True, text=True, check=False
        )
    said = f"{found.stdout}{found.stderr}".strip()
    assert found.returncode == 0, f"seeds {seed} to {seed + PER_PROGRAM - 1}: {command}: {said}"
    isas[:] = [line.partition(":")[0] for line in found.stdout.splitlines()]
    return images * len(isas) * len(THREADS)


def soak(seed: int, check: Callable[[int], int], step: int = 1) -> Iterator[Tally]:
    """Check the networks of seed, seed + 1, ..., ``step`` at once; yields the same tally after each step."""
    tally = Tally()
    for each in itertools.count(seed, step):
        tally.inferences += check(each)
        tally.networks += step
        yield tally


def record(seed: int, isas: list[str], tally: Tally, seconds: float) -> dict[str, Any]:
    """What a finished run says of itself."""
    compared = {"first_seed": seed, **asdict(tally), "tiers": isas, "threads": THREADS, "mismatches": 0}
    return {**compared, "seconds": round(seconds), "date": time.strftime("%Y-%m-%d"), "signbit": signbit.__version__}


def main() -> int:
    """Run until so many inferences or networks are done; 1 at the first mismatch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inferences", type=int, default=10_000_000, help="stop after so many (default 10 million)")
    parser.add_argument("--networks", type=int, help="stop after so many networks")
    parser.add_argument("--seed", type=int, help="of the first network (default: from the clock)")
    parser.add_argument("--out", type=Path, help="write what was compared to this JSON file when it is done")
    parser.add_argument("--through", metavar="COMMAND", help="run check_outputs, which COMMAND starts, instead")
    args = parser.parse_args()
    isas = [isa for isa in available_isas() if isa != "reference" and args.through is None]
    if not isas and args.through is None:
        parser.error("the native module cannot be loaded; build it with: pip install .")
    if args.through is not None and shutil.which((shlex.split(args.through) or [""])[0]) is None:
        parser.error(f"--through: there is no program {args.through!r}; name one, with what comes before the folder")
    seed = time.time_ns() // 1_000_000_000 * 100_000 if args.seed is None else args.seed
    where = args.through or f"tiers {', '.join(isas)}"
    print(f"soak: seed {seed}, {where}, threads {', '.join(map(str, THREADS))}", flush=True)
    started = said = time.monotonic()
    try:
        steps = soak(seed, partial(check, isas))
        if args.through is not None:
            steps = soak(seed, partial(check_through, args.through, isas), PER_PROGRAM)
        for tally in steps:
            now = time.monotonic()
            done = tally.inferences >= args.inferences or tally.networks >= (args.networks or sys.maxsize)
            if done or now - said > 10:
                said = now
                rate = tally.inferences / (now - started)
                print(
                    f"soak: {tally.inferences} inferences of {tally.networks} networks, no mismatch, {rate:.0f}/s, "
                    f"next seed {seed + tally.networks}",
                    flush=True,
                )
            if done:
                if args.out:
                    args.out.write_text(json.dumps(record(seed, isas, tally, now - started), indent=1) + "\n")
                return 0
    except AssertionError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
