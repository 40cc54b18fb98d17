r"""Random small networks on every usable tier and number of threads, compared bit for bit with the reference.

python tests/soak/soak.py                              # the long form: ten million inferences
python tests/soak/soak.py --seed 4711 --networks 1     # what a mismatch says to repeat
python tests/soak/soak.py --out docs/results/soak.json # with a record

With emulated tiers, in the build that tests/native made:
PYTHONPATH=tests/native:tests/soak SIGNBIT_TEST_NATIVE=$(ls build/native-emulated/_native.*) \
    python -c "import native_substitute, soak; raise SystemExit(soak.main())"
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from exact_graphs import exact_graph, exact_input

import signbit
from signbit.format import write_bytes
from signbit.runtime import Session, available_isas, reference

THREADS = (1, 2, 3)
BATCHES = (1, 2, 3, 5, 16, 33, 64, 65, 130)
ELEMENTS = 1 << 18
"""Of all values of one batch together: what the reference computes in milliseconds."""


@dataclass
class Tally:
    """What has been compared so far."""

    networks: int = 0
    inferences: int = 0


def check(seed: int, isas: list[str]) -> int:
    """Compare one network everywhere; the number of inferences made.

    Errors
    ------
    AssertionError : names the seed, the tier and the threads of a mismatch.
    """
    graph, _ = exact_graph(seed)
    rng = np.random.default_rng(seed)
    most = ELEMENTS // sum(int(np.prod(value.shape)) for value in graph.values)
    x = exact_input(graph, seed, int(rng.choice([count for count in BATCHES if count <= max(1, most)])))
    expected = reference.run(graph, x)
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


def soak(seed: int, isas: list[str]) -> Iterator[Tally]:
    """Check the networks of seed, seed + 1, ...; yields the same tally after each."""
    tally = Tally()
    for each in itertools.count(seed):
        tally.inferences += check(each, isas)
        tally.networks += 1
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
    args = parser.parse_args()
    isas = [isa for isa in available_isas() if isa != "reference"]
    if not isas:
        parser.error("the native module cannot be loaded; build it with: pip install .")
    seed = time.time_ns() // 1_000_000_000 * 100_000 if args.seed is None else args.seed
    print(f"soak: seed {seed}, tiers {', '.join(isas)}, threads {', '.join(map(str, THREADS))}", flush=True)
    started = said = time.monotonic()
    try:
        for tally in soak(seed, isas):
            now = time.monotonic()
            done = tally.inferences >= args.inferences or tally.networks == args.networks
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
