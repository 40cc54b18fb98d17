"""A machine that only runs networks: what gets imported, and that nothing of the training island is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sbn_graphs import every_operation, random_input

from signbit.format import write
from signbit.runtime import available_isas, reference

SOURCE = Path(__file__).resolve().parents[2] / "src"

BLOCK = """
import sys

class Blocked:
    names = {"torch", "lightning", "torchmetrics", "kornia", "sklearn", "scipy", "PIL", "matplotlib", "yaml", "rich"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Blocked())
"""


def python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter; its standard output."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", available_isas())
def test_runs_where_only_numpy_is_installed(name: str, tmp_path: Path) -> None:
    graph = every_operation()
    write(graph, tmp_path / "model.sbn")
    batch = random_input(graph, 1)
    np.save(tmp_path / "batch.npy", batch)
    code = BLOCK + (
        "import numpy as np, signbit\n"
        "model, batch, output, isa = sys.argv[1:]\n"
        "session = signbit.runtime.Session(model, isa=isa)\n"
        "np.save(output, session.run(np.load(batch)))\n"
        "assert session.profile(np.load(batch)) and session.metadata\n"
        "print(sorted(Blocked.names & {name.split('.')[0] for name in sys.modules}))"
    )
    out = python(code, *(str(tmp_path / file) for file in ("model.sbn", "batch.npy", "output.npy")), name)
    assert out.strip() == "[]"
    expected = reference.run(graph, batch)[:, :, 0, 0]
    np.testing.assert_allclose(np.load(tmp_path / "output.npy"), expected, rtol=1e-4, atol=1e-5)


def test_the_block_blocks() -> None:
    code = BLOCK + "try:\n    import torch\nexcept ImportError as error:\n    print(error)"
    assert python(code).strip() == "torch is not on this machine"


def loaded_by(module: str, *suspects: str) -> set[str]:
    """Which of the suspects an import brings into a fresh interpreter."""
    return set(suspects) & set(python(f"import sys, {module}; print(*sys.modules)").split())


def test_importing_signbit_imports_nothing_heavy() -> None:
    assert loaded_by("signbit", "torch", "numpy", "signbit.runtime", "signbit.format") == set()


def test_importing_the_runtime_loads_no_compiled_code_of_ours() -> None:
    assert loaded_by("signbit.runtime", "torch", "PIL", "signbit.runtime._native", "numpy") == {"numpy"}


def test_importing_signbit_is_quick() -> None:
    """Processor time inside fresh interpreters: what other work on the machine leaves alone."""
    code = "import time; start = time.process_time(); import signbit; print(time.process_time() - start)"
    assert min(float(python(code)) for _ in range(5)) < 0.1
