"""A network of one's own in a training loop of one's own, exported and run without torch: ``python own_network.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from signbit.data import load, normalize
from signbit.layers import LayerFactory
from signbit.methods import create_optimizer, resolve


class Small(nn.Module):
    """Two binary convolutions between a real first and a real last layer; ``layers`` makes it binary or float."""

    def __init__(self, layers: LayerFactory, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32))
        self.body = nn.Sequential(
            layers.conv2d(32, 64, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(64),
            layers.conv2d(64, 64, 3, padding=1),
            nn.BatchNorm2d(64),
        )
        self.head = nn.Linear(64 * 4 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.body(self.stem(x)), 1))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="ste", help="ste, bop, bop2nd or si-bnn: what needs no callbacks")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", default="small.sbn")
    args = parser.parse_args(argv)

    torch.manual_seed(0)
    digits = load("digits")
    images = torch.from_numpy(normalize(digits.train.images, digits.mean, digits.std))
    labels = torch.from_numpy(digits.train.labels).long()
    batches = len(images) // 64

    model = Small(resolve(args.method).layers(), classes=10)
    # The length of the run lets rates follow their schedules.
    optimizer = create_optimizer(model, method=args.method, total_steps=args.epochs * batches)
    for epoch in range(args.epochs):
        for batch in torch.randperm(len(images))[: batches * 64].view(batches, 64):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}/{args.epochs}  loss of the last batch {loss.item():.4f}")

    test = normalize(digits.test.images, digits.mean, digits.std)
    print(signbit.export(model.eval(), images[:1], args.out, data=images[:100]))
    with signbit.runtime.Session(args.out, threads=1) as session:
        right = (session.run(test).argmax(1) == digits.test.labels).mean()
        print(f"{args.out}: {100 * right:.2f} % of {len(test)} test images, {session.isa}")


if __name__ == "__main__":
    main()
