"""The short form of ``make soak``, and that the long form would notice."""

from __future__ import annotations

import itertools
import shlex
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from exact_graphs import EXACT, OPERATIONS, exact_graph, exact_input
from soak import THREADS, check, check_through, random_case, soak

from signbit.format import DType
from signbit.runtime import Session, available_isas, reference

NATIVE = [isa for isa in available_isas() if isa != "reference"]
needs_native = pytest.mark.skipif(not NATIVE, reason="the native module isn't built")


@needs_native
def test_random_networks_equal_the_reference_bit_for_bit() -> None:
    *_, tally = itertools.islice(soak(0, partial(check, NATIVE)), 60)
    assert tally.networks == 60
    assert tally.inferences >= 60 * len(NATIVE) * len(THREADS)


@needs_native
def test_a_mismatch_says_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.run

    def wrong(session: Session, x: np.ndarray) -> np.ndarray:
        y = right(session, x)
        if session.threads == 2:
            y.flat[-1] = np.nextafter(y.flat[-1], np.float32(np.inf))
        return y

    monkeypatch.setattr(Session, "run", wrong)
    with pytest.raises(
        AssertionError, match=f"seed 7: 1 of .* on {NATIVE[0]}, 2 threads; repeat: .*--seed 7 --networks 1"
    ):
        check(NATIVE, 7)


def test_networks_are_checked_in_another_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that says what it was given, and then fails."""
    monkeypatch.setattr("soak.PER_PROGRAM", 3)
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from pathlib import Path; folder, count = Path(sys.argv[1]), int(sys.argv[2])\n"
        "kinds = ('sbn', 'input', 'expected')\n"
        "assert all((folder / f'{i}.{kind}').stat().st_size for i in range(count) for kind in kinds)\n"
        "print(f'neon: {count} networks'); sys.exit(Path(__file__).with_name('broken').exists())\n"
    )
    isas: list[str] = []
    images = sum(len(random_case(seed)[1]) for seed in (4, 5, 6))
    command = shlex.join([sys.executable, str(program)])
    assert check_through(command, isas, 4) == images * len(THREADS)
    assert isas == ["neon"]
    (tmp_path / "broken").touch()
    with pytest.raises(AssertionError, match=r"seeds 4 to 6: .*neon: 3 networks"):
        check_through(command, isas, 4)


def test_every_number_is_on_its_grid() -> None:
    """What makes the comparison exact: all values are multiples of their quantum and below 2^24 times it."""
    used: set[str] = set()
    for seed in range(80):
        graph, grids = exact_graph(seed)
        used |= {node.op for node in graph.nodes}
        for value, numbers in enumerate(reference.run_all(graph, exact_input(graph, seed, 2))):
            quantum, bound = grids[value]
            assert bound / quantum < EXACT
            assert np.abs(numbers).max() <= bound, (seed, value)
            assert np.all(np.mod(numbers.astype(np.float64), quantum) == 0), (seed, value)
            assert graph.values[value].dtype is not DType.I32 or quantum == 1
    assert used == set(OPERATIONS)
