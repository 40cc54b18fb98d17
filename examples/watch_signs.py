"""Trains the same network with several methods and draws how their signs come to rest: ``python watch_signs.py``."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from signbit.training import RunConfig, fit


def flips(run: Path) -> list[float]:
    """Share of the signs that changed, in percent, epoch by epoch."""
    with (run / "metrics.csv").open() as file:
        return [100 * float(row["sign_flip_rate"]) for row in csv.DictReader(file)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="ste,bop2nd,si-bnn")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("runs/signs"), help="a new folder")
    args = parser.parse_args(argv)

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for method in args.methods.split(","):
        run = args.out / method
        fit(RunConfig(method=method, epochs=args.epochs, threads=1, tensorboard=False, out=str(run)))
        axes.plot(range(1, args.epochs + 1), flips(run), marker="o", markersize=3, label=method)
    axes.set(yscale="log", xlabel="epoch", ylabel="signs flipped since the epoch before, %")
    axes.legend(frameon=False)
    figure.savefig(args.out / "signs.svg")
    plt.close(figure)
    print(f"drawn: {args.out / 'signs.svg'}")


if __name__ == "__main__":
    main()
