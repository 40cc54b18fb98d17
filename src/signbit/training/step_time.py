"""Time of one training step of a binary network beside its float twin: forward, backward, update, on random images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn

from signbit.methods import create_model, create_optimizer
from signbit.training.allocator import keep_freed_memory

Step = Callable[[], None]


@dataclass(frozen=True)
class Mode:
    """How the step is run: eagerly or through ``torch.compile``, in float32 or bfloat16 autocast."""

    compiled: bool
    bf16: bool

    @property
    def name(self) -> str:
        """For tables and JSON."""
        return f"{'compiled' if self.compiled else 'eager'} {'bf16' if self.bf16 else 'fp32'}"


MODES = [Mode(compiled, bf16) for compiled in (False, True) for bf16 in (False, True)]


@dataclass(frozen=True)
class StepTime:
    """Median seconds of a step, binary and float, and the median ratio of neighbouring steps."""

    mode: str
    binary: float
    floating: float
    ratio: float


def compare_with_float_twin(
    model: str, method: str, input_size: tuple[int, int, int, int], mode: Mode, *, repeats: int, device: str = "cpu"
) -> StepTime:
    """Steps of the binary network and of its float twin in turns, after three that warm up (and compile).

    Parameters
    ----------
    model, method : registered names.
    input_size : ``(batch, C, H, W)``.
    mode : eager or compiled, float32 or bfloat16.
    repeats : counted steps of each network, >= 1.
    device : where to run, for example ``"cpu"`` or ``"cuda"``.
    """
    keep_freed_memory()
    binary = _step(model, method, input_size, mode, device)
    floating = _step(model, "float", input_size, mode, device)
    for _ in range(3):
        binary()
        floating()
    pairs = [(_seconds(binary, device), _seconds(floating, device)) for _ in range(repeats)]
    return StepTime(
        mode=mode.name,
        binary=median(b for b, _ in pairs),
        floating=median(f for _, f in pairs),
        ratio=median(b / f for b, f in pairs),
    )


def _step(model: str, method: str, input_size: tuple[int, int, int, int], mode: Mode, device: str) -> Step:
    """One training step as a function without arguments."""
    torch.manual_seed(0)
    classes = 10
    network = create_model(model, method=method, num_classes=classes, input_size=(1, *input_size[1:])).to(device)
    optimizer = create_optimizer(network, method=method)
    forward: Callable[..., torch.Tensor] = torch.compile(network) if mode.compiled else network
    images = torch.randn(input_size, device=device)
    labels = torch.randint(classes, (input_size[0],), device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16) if mode.bf16 else nullcontext():
            loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def _seconds(step: Step, device: str) -> float:
    start = time.perf_counter()
    step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Use this many intra-operation threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
