"""The C header, compiled as C99 with every warning an error, against the reference executor."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks_at_hand import network
from sbn_graphs import every_operation, random_graph, random_input

from signbit.format import OPS, Graph
from signbit.interop.c_header import OPERATIONS, to_c
from signbit.methods import METHODS
from signbit.runtime import reference

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
MAIN = """
#include <stdio.h>
int main(void) {
    static float input[SIGNBIT_INPUT_SIZE], output[SIGNBIT_OUTPUT_SIZE];
    while (fread(input, sizeof(float), SIGNBIT_INPUT_SIZE, stdin) == SIGNBIT_INPUT_SIZE) {
        predict(input, output);
        fwrite(output, sizeof(float), SIGNBIT_OUTPUT_SIZE, stdout);
    }
    return 0;
}
"""


def run(graph: Graph, images: np.ndarray, folder: Path) -> np.ndarray:
    source, program = folder / "model.c", folder / "model"
    source.write_text(to_c(graph) + MAIN)
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-ffp-contract=off"]
    subprocess.run([str(COMPILER), *flags, str(source), "-o", str(program), "-lm"], check=True)
    done = subprocess.run([str(program)], input=images.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(len(images), -1)


def test_every_operation_is_there() -> None:
    assert set(OPERATIONS) | {"flatten"} == set(OPS)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize("seed", range(-1, 15))
def test_predict(seed: int, tmp_path: Path) -> None:
    graph = every_operation() if seed < 0 else random_graph(seed)
    images = random_input(graph, seed + 1, count=3)
    expected = reference.run(graph, images).reshape(3, -1)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(run(graph, images, tmp_path) / scale, expected / scale, rtol=0, atol=1e-5)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize("method", METHODS.names())
def test_predict_of_every_method(method: str, tmp_path: Path) -> None:
    graph, images = network("convnet-tiny", method, 8)
    expected = reference.run(graph, images)[:, :, 0, 0]
    found = run(graph, images, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max(initial=1.0))
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_nothing_is_allocated() -> None:
    assert not {"malloc", "calloc", "stdlib.h"} & set(to_c(every_operation()).replace("(", " ").split())
