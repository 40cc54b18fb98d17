"""One file served to many threads, images read while others run; needs no torch: ``python serve.py MODEL.sbn``."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from signbit.runtime import Session


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a .sbn file")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=4)
    args = parser.parse_args(argv)

    with Session(args.model, threads=1) as session:
        labels = session.metadata.get("labels") or [str(i) for i in range(session.output_shape[0])]
        noise = np.random.default_rng(0)
        requests = noise.standard_normal((args.requests, 1, *session.input_shape), dtype=np.float32)

        def answer(image: np.ndarray) -> str:
            # Runs of one session take turns without Python's lock; open several for runs side by side.
            return labels[int(session.run(image).argmax())]

        start = time.perf_counter()
        with ThreadPoolExecutor(args.clients) as clients:
            answers = Counter(clients.map(answer, requests))
        seconds = time.perf_counter() - start
        print(f"{args.requests} requests of {args.clients} clients in {seconds:.3f} s on {session.isa}")
        print("answers to noise:", ", ".join(f"{label} x {count}" for label, count in answers.most_common()))
        for step in sorted(session.profile(requests[0]), key=lambda step: -step.seconds)[:3]:
            print(f"{step.name or step.op}: {1e6 * step.seconds:.1f} us")


if __name__ == "__main__":
    main()
