"""Is one method better than another here? Runs over seeds and a paired test: ``python three_seeds.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from signbit.compare import compare, read_record, verdict
from signbit.training import RunConfig, fit


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="ste,si-bnn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"), help="a new folder")
    args = parser.parse_args(argv)

    records = []
    for method in args.methods.split(","):
        for seed in range(args.seeds):
            run = args.out / f"{method}-s{seed}"
            fit(RunConfig(method=method, epochs=args.epochs, seed=seed, threads=1, tensorboard=False, out=str(run)))
            records.append(read_record(run))
    comparison = compare(records)
    for setting in comparison.settings:
        accuracy = setting.figure("test_accuracy")
        interval = "one seed" if accuracy.half_width is None else f"± {100 * accuracy.half_width:.2f}"
        print(f"{setting.name}: {100 * accuracy.mean:.2f} % ({interval})")
    print(verdict(comparison.pairs))


if __name__ == "__main__":
    main()
