"""What a change of the network during training means for compiled code."""

from __future__ import annotations

import sys


def compile_anew() -> None:
    """Drop compiled code, which holds for the network as it was: too many versions of it would end in an error.

    Without ``torch.compile`` there is nothing to drop, and its machinery is not loaded for that.
    """
    if "torch._dynamo" in sys.modules:
        import torch

        torch.compiler.reset()
