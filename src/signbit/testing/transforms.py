"""What every transform must hold."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from signbit.transforms import Transform

Array = npt.NDArray[np.float64]

Forward = Callable[[Array, Mapping[str, Array]], Array]
"""(x, parameters by name) -> y."""

Backward = Callable[[Array, Array, Mapping[str, Array]], Mapping[str, Array]]
"""(x, upstream gradient, parameters by name) -> gradients: of ``"x"``, and of every parameter by name."""

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def check_transform(
    make: Callable[[], Transform],
    shape: tuple[int, ...],
    forward: Forward | None = None,
    backward: Backward | None = None,
    *,
    device: str = "cpu",
) -> None:
    """Raise AssertionError unless the transform keeps what :class:`~signbit.transforms.Transform` promises.

    Checked in training mode with parameters drawn at random, in float32, float64 and bfloat16: values and gradients
    equal to the equations; shape, dtype and input kept; the same result twice and for other memory layouts; and
    ``state_dict``, pickling, deepcopy, ``torch.compile`` without a graph break.

    Parameters
    ----------
    make : makes the transform under test.
    shape : of the input to test with.
    forward, backward : its documented equations, written in numpy independently of it. None, for rounding, which has no
        smooth ones: values and gradients are then left to a test of their own.
    device : where to check, for example "cuda".

    >>> from signbit.transforms import ChannelScale
    >>> def forward(x, p):
    ...     return p["alpha"][:, None, None] * x
    >>> def backward(x, g, p):
    ...     return {"x": p["alpha"][:, None, None] * g, "alpha": (g * x).sum((0, 2, 3))}
    >>> check_transform(lambda: ChannelScale(3), (2, 3, 4, 4), forward, backward)
    """
    assert isinstance(make().folds, bool), "folds says whether the transform disappears at export"
    for dtype in DTYPES:
        _check_kept(_drawn(make, dtype).to(device), _input(shape, dtype).to(device))
        if forward is not None and backward is not None:
            draw = _input((2, *shape), dtype).to(device)
            _check_equations(_drawn(make, dtype).to(device), draw, forward, backward)
    transform, x = _drawn(make, torch.float32).to(device), _input(shape, torch.float32).to(device)
    _check_layout(transform, x)
    _check_copies(make().to(device), transform, x)


def _drawn(make: Callable[[], Transform], dtype: torch.dtype) -> Transform:
    """A transform whose parameters are neither all equal nor where they start."""
    transform, generator = make().to(dtype), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in transform.parameters():
            draw = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.5 * draw.to(dtype))
    return transform


def _input(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _check_kept(transform: Transform, x: Tensor) -> None:
    before = x.clone()
    y = transform(x)
    assert (y.dtype, y.shape) == (x.dtype, x.shape), f"shape and dtype are kept; got {y.dtype} {list(y.shape)}"
    assert torch.equal(x, before), "the input is not changed"


def _check_equations(transform: Transform, draw: Tensor, forward: Forward, backward: Backward) -> None:
    (x, upstream), dtype = draw, draw.dtype
    parameters = dict(transform.named_parameters())
    y = transform(x.requires_grad_())
    grads = torch.autograd.grad(y, [x, *parameters.values()], upstream)
    wide = {name: _numpy(parameter) for name, parameter in parameters.items()}
    at, g = _numpy(x), _numpy(upstream)
    expected = backward(at, g, wide)
    assert set(expected) == {"x", *parameters}, f"backward gives x and {sorted(parameters)}; got {sorted(expected)}"
    pairs = {"y": (y, forward(at, wide))}
    pairs.update((name, (grad, expected[name])) for name, grad in zip(["x", *parameters], grads, strict=True))
    for name, (ours, theirs) in pairs.items():
        scale = np.abs(theirs).max()  # sums cancel: errors are measured by the largest entry
        np.testing.assert_allclose(
            _numpy(ours), theirs, rtol=0, atol=16 * torch.finfo(dtype).eps * scale,
            err_msg=f"{name} in {dtype}",
        )  # fmt: skip


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()


def _check_layout(transform: Transform, x: Tensor) -> None:
    last = x.transpose(0, -1).contiguous().transpose(0, -1)
    for other in (x, last):
        torch.testing.assert_close(transform(other), transform(x), msg=f"strides {other.stride()} change the result")


def _check_copies(loaded: Transform, transform: Transform, x: Tensor) -> None:
    loaded.load_state_dict(transform.state_dict())
    pickled: Transform = pickle.loads(pickle.dumps(transform))
    copies = {"deepcopy": copy.deepcopy(transform), "pickle": pickled, "state_dict": loaded}
    # The backend "eager" runs the captured graph as it is: it shows graph breaks and needs no compiler.
    compiled = torch.compile(copy.deepcopy(transform).forward, fullgraph=True, backend="eager")
    expected = transform(x)
    for way, other in copies.items():
        assert torch.equal(other(x), expected), f"{way} changes the result"
    with warnings.catch_warnings():
        # Capturing an autograd function makes torch warn about itself.
        warnings.filterwarnings(
            "ignore", "<class 'torch.autograd.function.Function'> should not be", DeprecationWarning
        )
        torch.testing.assert_close(compiled(x), expected, msg="torch.compile changes the result")
