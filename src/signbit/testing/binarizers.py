"""What every binarizer must hold."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from signbit.binarizers import Binarizer

Slope = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""The documented surrogate derivative as a function of the input, in float64."""

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def check_binarizer(
    make: Callable[[], Binarizer], slope: Slope, *, row: int | None = None, device: str = "cpu"
) -> None:
    """Raise AssertionError unless the binarizer keeps what :class:`~signbit.binarizers.Binarizer` promises.

    Checked in float32, float64 and bfloat16: values in the alphabet, also for zeros and infinities; NaN refused, that
    is kept as NaN, wherever it stands in a tensor; the value at zero; shape, dtype, memory format and input kept; the
    gradient equal to ``upstream * slope(x)``, also at and beside -1, 0 and +1; and pickling, deepcopy, ``state_dict``,
    ``torch.compile`` without a graph break.

    Parameters
    ----------
    make : makes the binarizer under test, the same one each time.
    slope : its surrogate derivative, written independently of it.
    row : for a binarizer whose gradient depends on the row (filter): ``slope`` then gets rows of so many numbers.
    device : where to check, for example "cuda".

    >>> from signbit.binarizers import SignIdentity
    >>> check_binarizer(SignIdentity, np.ones_like)
    """

    def there() -> Binarizer:
        return make().to(device)

    for dtype in DTYPES:
        _check_values(there(), probe(dtype).to(device))
        _check_gradient(there(), slope, probe(dtype).to(device), row)
    _check_layout(there(), device)
    _check_copies(there, probe(torch.float32).to(device))


def probe(dtype: torch.dtype) -> Tensor:
    """Finite points where binarizers go wrong: zeros, ones, their neighbours, tiny, large, and a seeded normal draw."""
    edges = torch.tensor([0.0, 0.5, 1.0, 2.0, 100.0], dtype=dtype)
    up, down = torch.full_like(edges, torch.inf), torch.full_like(edges, -torch.inf)
    beside = torch.cat([edges, torch.nextafter(edges, up), torch.nextafter(edges, down)])
    draw = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    return torch.cat([beside, -beside, draw])


def _check_values(binarizer: Binarizer, finite: Tensor) -> None:
    alphabet, dtype = binarizer.alphabet, finite.dtype
    x = torch.cat([finite, finite.new_tensor([torch.inf, -torch.inf])])
    before = x.clone()
    y = binarizer(x).detach()
    assert (y.dtype, y.shape) == (dtype, x.shape), f"shape and dtype are kept; got {y.dtype} {list(y.shape)}"
    assert torch.equal(x, before), "the input is not changed"
    outside = y[(y != alphabet.low) & (y != alphabet.high)]
    assert outside.numel() == 0, f"values are in {alphabet.name}; got {outside.tolist()} in {dtype}"
    assert torch.equal(y, binarizer(x).detach()), "the same input gives the same output"
    spoiled = x.clone()
    spoiled[::7] = torch.nan  # in the vectorised part of a loop and in its tail
    kept = binarizer(spoiled).detach()
    symbols = kept[spoiled.isnan() & ~kept.isnan()]
    assert symbols.numel() == 0, f"NaN stays NaN; got {symbols.unique().tolist()} in {dtype}"
    assert torch.equal(kept[~spoiled.isnan()], y[~spoiled.isnan()]), "NaN changes nothing beside it"
    zeros = finite.new_tensor([0.0, -0.0])
    if not list(binarizer.parameters()):  # a trainable threshold may stand elsewhere
        at_zero = binarizer(zeros).tolist()
        assert at_zero == [alphabet.at_zero] * 2, f"zero of either sign gives {alphabet.at_zero}; got {at_zero}"


def _check_gradient(binarizer: Binarizer, slope: Slope, x: Tensor, row: int | None) -> None:
    dtype = x.dtype
    if row is not None:
        x = torch.nn.functional.pad(x, (0, -x.numel() % row)).view(-1, row)
    x.requires_grad_()
    upstream = torch.linspace(-2, 2, x.numel(), dtype=torch.float64).to(x).view_as(x)
    (gradient,) = torch.autograd.grad(binarizer(x), x, upstream)
    assert gradient.dtype == dtype, f"the gradient has the input's dtype; got {gradient.dtype} for {dtype}"
    expected = upstream.cpu().double().numpy() * slope(x.detach().cpu().double().numpy())
    # bfloat16 rounds the slope and its product with the upstream gradient once each; a slope may be 1 - nearly 1.
    tolerance = 4 * torch.finfo(dtype).eps
    found = gradient.cpu().double().numpy()
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=str(dtype))


def _check_layout(binarizer: Binarizer, device: str) -> None:
    images = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1)).to(device)
    for x in (images.to(memory_format=torch.channels_last), images.transpose(1, 3), images[:, :, ::2], images[:0]):
        assert torch.equal(binarizer(x), binarizer(x.contiguous())), f"strides {x.stride()} change the result"
    last = binarizer(images.to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last), "channels_last is kept"


def _check_copies(make: Callable[[], Binarizer], x: Tensor) -> None:
    binarizer = make()
    expected = binarizer(x)
    loaded = make()
    loaded.load_state_dict(binarizer.state_dict())
    pickled: Binarizer = pickle.loads(pickle.dumps(binarizer))
    for way, other in {"deepcopy": copy.deepcopy(binarizer), "pickle": pickled, "state_dict": loaded}.items():
        assert torch.equal(other(x), expected), f"{way} changes the result"
    # The backend "eager" runs the captured graph as it is: it shows graph breaks and needs no compiler.
    compiled = torch.compile(make().forward, fullgraph=True, backend="eager")
    with warnings.catch_warnings():
        # Capturing an autograd function makes torch warn about itself.
        warnings.filterwarnings(
            "ignore", "<class 'torch.autograd.function.Function'> should not be", DeprecationWarning
        )
        assert torch.equal(compiled(x), expected), "torch.compile changes the result"
