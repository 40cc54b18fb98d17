"""``signbit demo``: the whole way on digits, from pixels to a verified native file, in under a minute."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from signbit.cli.command import Command, say

RECIPE = "digits/convnet-tiny-ste"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder to write to, new or empty; default: a name under runs/")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order (default 0)")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    started = time.perf_counter()
    import torch

    from signbit.cli.turns import interleaved
    from signbit.compare.deployment import export_trained
    from signbit.data import normalize
    from signbit.recipes import find
    from signbit.report.run_page import run_page
    from signbit.runtime import Session
    from signbit.training import RunConfig, fit, load_run

    out = args.out or Path("runs") / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    config = replace(RunConfig.from_yaml(find(RECIPE)), out=str(out), seed=args.seed, threads=1, tensorboard=False)
    say(args, f"1/4  training {config.model} with {config.method} on {config.data} ({config.epochs} epochs)")
    result = fit(config)
    say(args, f"     test accuracy {100 * result.test_accuracy:.2f} %")

    say(args, "2/4  exporting and verifying")
    model, _ = load_run(out)
    dataset = config.load_data()
    report, _ = export_trained(model, config, dataset, out / "model.sbn")
    say(args, f"     {report.packed_layers} layers packed, {report.float_layers} float, {report.bytes:,} bytes")

    say(args, "3/4  running the file natively on every test image, beside torch")
    x = normalize(dataset.test.images, dataset.mean, dataset.std)

    def torch_run(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(images)).numpy())

    with Session(out / "model.sbn") as session:
        native_logits, torch_logits = session.run(x), torch_run(x)
        torch.set_num_threads(1)
        times = interleaved({"native": session.run, "torch": torch_run}, x[:1], repeats=50)
        isa = session.isa
    agreement = float(np.mean(native_logits.argmax(1) == torch_logits.argmax(1)))
    accuracy = float(np.mean(native_logits.argmax(1) == dataset.test.labels))
    native_ms, torch_ms = (1000 * median(times[name]) for name in ("native", "torch"))
    say(args, f"     same answer on {100 * agreement:.2f} % of {len(x)} images, test accuracy {100 * accuracy:.2f} %")
    say(args, f"     one image, one thread: native ({isa}) {native_ms:.3f} ms, torch {torch_ms:.3f} ms")

    say(args, "4/4  writing the report")
    page = run_page(
        run=out,
        title="Binary digits",
        export=report.to_dict(),
        cards=[
            (f"{100 * accuracy:.2f} %", f"test accuracy ({len(x)} images)"),
            (f"{100 * agreement:.2f} %", "same answer as torch"),
            (f"{report.bytes:,} B", f"file; float32: {report.float_bytes:,} B"),
            (f"{native_ms:.3f} ms", f"one image natively ({isa}); torch: {torch_ms:.3f} ms"),
        ],
        reproduce=f"signbit demo --seed {args.seed}",
    )
    page.write(out / "report.html")
    seconds = time.perf_counter() - started
    say(args)
    say(args, f"     file    {out / 'model.sbn'}   {report.bytes:,} bytes (float32: {report.float_bytes:,})")
    say(args, f"     report  {out / 'report.html'}")
    say(args, f"     done in {seconds:.1f} s")
    return {
        "test_accuracy": accuracy,
        "argmax_agreement": agreement,
        "sbn_bytes": report.bytes,
        "float_bytes": report.float_bytes,
        "native_ms": native_ms,
        "torch_ms": torch_ms,
        "seconds": seconds,
        "report": str(out / "report.html"),
        "file": str(out / "model.sbn"),
        "run": str(out),
    }


COMMAND = Command(
    name="demo",
    summary="train on digits, export, run natively, verify: all in under a minute",
    examples=("signbit demo", "signbit demo --out runs/first --json"),
    configure=configure,
    run=run,
)
