"""Where in the user's own code an operation, or an error of tracing, comes from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType

import torch
from torch import nn

from signbit.errors import ExportError

TORCH = str(Path(torch.__file__).parent) + os.sep
SIGNBIT = str(Path(__file__).parent.parent) + os.sep
FRAME = re.compile(r'File "([^"]+)", line (\d+), in [^\n]*(?:\n[ \t]+([^\n]+))?')


def user_line(stack_trace: str | None) -> str:
    """``"net.py, line 12: y = x * x"`` for the innermost frame that is neither torch's nor ours; empty without one.

    Parameters
    ----------
    stack_trace : as Python prints it, outermost frame first.

    >>> user_line('  File "net.py", line 12, in forward' + chr(10) + '    y = x * x')
    'net.py, line 12: y = x * x'
    """
    frames = FRAME.findall(stack_trace or "")
    for file, line, code in reversed(frames):
        if not file.startswith((TORCH, SIGNBIT, "torch/", "<")):
            return f"{_short(file)}, line {line}" + (f": {code.strip()}" if code else "")
    return ""


def untraceable(error: Exception, model: nn.Module, names: dict[nn.Module, str]) -> ExportError:
    """What torch could not follow, in one line."""
    module, line = _innermost_forward(error.__traceback__, names) or (model, "")
    lines = str(error).strip().splitlines()
    reason = lines[0].rstrip(". ") if lines else type(error).__name__
    if reason.count(")") > reason.count("("):
        reason = reason.removesuffix(")")
    advice = ""
    if "data-dependent" in reason:
        reason = "its control flow depends on the values of a tensor"
        advice = "; compute both branches, or decide by shapes and settings"
    elif "Constraints violated" in str(error) or "ConstraintViolation" in type(error).__name__:
        reason = "it works for one number of images only"
        advice = "; take the batch from the tensor: x.view(x.shape[0], -1)"
    at = f" ({line})" if line else ""
    return ExportError(
        f"{names[module] or 'the network'}: forward of {type(module).__name__} cannot be followed{at}: {reason}{advice}"
    )


def _innermost_forward(traceback: TracebackType | None, names: dict[nn.Module, str]) -> tuple[nn.Module, str] | None:
    """The last module of ``names`` whose forward is on the stack of an error, and the line it had reached."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_locals.get(next(iter(frame.f_code.co_varnames), ""))
        if isinstance(module, nn.Module) and module in names and frame.f_code.co_name != "_call_impl":
            file = frame.f_code.co_filename
            own = not file.startswith((TORCH, SIGNBIT))
            if own or found is None or found[0] is not module:
                found = module, f"{_short(file)}, line {traceback.tb_lineno}" if own else ""
        traceback = traceback.tb_next
    return found


def _short(file: str) -> str:
    """Relative to the present folder where it lies inside."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
