"""The native engine and the Python side: the same files accepted, the same numbers computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sbn_graphs import random_graph, random_input
from test_malformed import GOOD, RULES, Break, mutate, repaired

from signbit.errors import FormatError
from signbit.format import read_bytes, write_bytes
from signbit.runtime import Session, available_isas, isa, reference

NATIVE = [name for name in available_isas() if name != "reference"]

pytestmark = pytest.mark.skipif(not NATIVE, reason="the native module isn't built")


@pytest.mark.parametrize("name", NATIVE)
def test_random_networks(name: str) -> None:
    """Bits may only differ where a float is within rounding of its threshold; that doesn't happen with these seeds."""
    for seed in range(120):
        graph = random_graph(seed)
        x = random_input(graph, seed)
        expected = reference.run(graph, x)
        for threads in (1, 2):
            result = Session(write_bytes(graph), threads=threads, isa=name).run(x).reshape(expected.shape)
            scale = np.abs(expected).max(initial=1.0)
            np.testing.assert_allclose(result / scale, expected / scale, rtol=0, atol=1e-5, err_msg=f"seed {seed}")


def error_of(read: Callable[[bytes], object], data: bytes) -> FormatError | None:
    try:
        read(data)
    except FormatError as error:
        return error
    return None


def load(data: bytes) -> object:
    return isa.native().Program(data, NATIVE[-1], 1)


def test_the_same_rules() -> None:
    """Only Python reads the metadata; everything else is refused by both."""
    differing = []
    for rule in RULES:
        data = repaired(rule.apply())
        python, native = error_of(read_bytes, data), error_of(load, data)
        assert python is not None
        if native is None:
            assert "metadata" in str(python), rule
        elif native.offset != python.offset:
            differing.append(rule)
    # Where one change breaks two rules, the two may name either.
    assert len(differing) < len(RULES) // 10, differing


def test_the_same_outcome_for_mutations() -> None:
    rng = np.random.default_rng(5)
    sources = [GOOD, *(write_bytes(random_graph(seed)) for seed in range(20))]
    accepted = 0
    for _ in range(1000):
        data = mutate(rng, sources[int(rng.integers(len(sources)))])
        python, native = error_of(read_bytes, data), error_of(load, data)
        if python is not None and "metadata" in str(python):
            continue
        assert (python is None) == (native is None), (python, native)
        accepted += python is None
    assert accepted > 50


def test_a_rule_is_a_change() -> None:
    assert isinstance(RULES[0], Break)
    assert error_of(load, GOOD) is None
