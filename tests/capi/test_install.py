"""What is installed: a small library that exports its functions alone, and that C programs find in every usual way."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native_build import CMAKE, ROOT, SANITIZE, alone_in, build, run, skip_without_sanitizers
from sbn_graphs import every_operation, random_input

from signbit.format import write_bytes
from signbit.runtime import Session

GRAPH = every_operation()
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
HEADER = ROOT / "native" / "src" / "capi" / "signbit.h"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CC is None, reason="needs a C compiler")]
needs_pkg_config = pytest.mark.skipif(shutil.which("pkg-config") is None, reason="needs pkg-config")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.sbn").write_bytes(write_bytes(GRAPH))
    random_input(GRAPH, 4, count=5).tofile(tmp_path / "images.f32")
    return tmp_path / "model.sbn"


def assert_classifies(program: Path, model: Path, **environment: str) -> None:
    """``program`` prints what Session computes: metadata, then class and score of each image."""
    command = [program, model, model.parent / "images.f32"]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert result.returncode == 0, result.stderr
    session = Session(model)
    metadata, *lines = result.stdout.splitlines()
    assert metadata.startswith('{"input":')
    logits = session.run(random_input(GRAPH, 4, count=5))
    printed = [re.fullmatch(r"class (\d+), score (\S+)", line) for line in lines]
    assert [match and int(match[1]) for match in printed] == logits.argmax(axis=1).tolist()
    assert [match and np.float32(match[2]) for match in printed] == logits.max(axis=1).tolist()


def pkg_config(prefix: Path, *arguments: str) -> list[str]:
    (folder,) = (path.parent for path in prefix.rglob("signbit.pc"))
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    command = ["pkg-config", *arguments, "signbit"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split()


def test_the_stripped_library_is_small(installed: subprocess.CompletedProcess[str], library: Path) -> None:
    match = re.search(r"-- libsignbit\S+: (\d+) bytes", installed.stdout)
    print(match and match[0])
    assert match is not None
    assert int(match[1]) == library.stat().st_size < 500_000


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
@pytest.mark.skipif(platform.system() != "Linux", reason="the export list is the GNU linker's")
def test_the_library_exports_the_functions_of_the_header_alone(library: Path) -> None:
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).stdout.splitlines()}
    assert exported == set(re.findall(r"^SIGNBIT_API .*?(signbit_\w+)\(", HEADER.read_text(), flags=re.MULTILINE))
    assert "signbit_open" in exported


def test_the_header_needs_nothing_else(prefix: Path, tmp_path: Path) -> None:
    for name, compiler in (
        ("only.c", ["cc", *STRICT]),
        ("only.cpp", ["c++", "-Wall", "-Wextra", "-pedantic", "-Werror"]),
    ):
        (tmp_path / name).write_text("#include <signbit.h>\n#include <signbit.h>\n")
        compiled = run(*compiler, f"-I{prefix}/include", "-c", tmp_path / name, "-o", tmp_path / "only.o")
        assert compiled.returncode == 0, compiled.stderr


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
@pytest.mark.skipif(platform.system() != "Linux", reason="names of libraries are Linux's")
def test_the_library_needs_the_standard_libraries_alone(library: Path) -> None:
    needed = set(re.findall(r"NEEDED.*\[(\w+)", run("readelf", "-d", library).stdout))
    assert {"libc"} < needed <= {"libc", "libstdc", "libm", "libgcc_s", "libpthread", "ld"}


@needs_pkg_config
def test_example_with_pkg_config(prefix: Path, library: Path, model: Path, tmp_path: Path) -> None:
    source = ROOT / "examples" / "c" / "classify.c"
    assert len(source.read_text().splitlines()) <= 40
    moved = tmp_path / "moved"  # what is installed may be moved
    shutil.copytree(prefix, moved, symlinks=True)
    program = tmp_path / "classify"
    compiled = run(str(CC), *STRICT, source, *pkg_config(moved, "--cflags", "--libs"), "-o", program)
    assert compiled.returncode == 0, compiled.stderr
    assert_classifies(program, model, LD_LIBRARY_PATH=str(moved / library.parent.relative_to(prefix)))
    wrong = subprocess.run(
        [program, model.parent / "images.f32", model],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)},
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("classify: not a valid .sbn file")


@needs_pkg_config
@pytest.mark.skipif(platform.system() != "Linux", reason="only here is a program without any shared library usual")
def test_example_without_shared_libraries(prefix: Path, model: Path, tmp_path: Path) -> None:
    program = tmp_path / "classify"
    flags = pkg_config(prefix, "--static", "--cflags", "--libs")
    compiled = run(str(CC), "-static", *STRICT, ROOT / "examples" / "c" / "classify.c", *flags, "-o", program)
    assert compiled.returncode == 0, compiled.stderr
    assert_classifies(program, model, SIGNBIT_NUM_THREADS="2")


@pytest.mark.parametrize("target", ["signbit::signbit", "signbit::static"])
def test_example_with_cmake(prefix: Path, model: Path, tmp_path: Path, target: str) -> None:
    shutil.copytree(ROOT / "examples" / "c", tmp_path / "example")
    lists = tmp_path / "example" / "CMakeLists.txt"
    lists.write_text(lists.read_text().replace("PRIVATE signbit::signbit)", f"PRIVATE {target})"))
    flags = f"-DCMAKE_C_FLAGS={' '.join(STRICT)}"
    where = tmp_path / "build"
    configured = run(str(CMAKE), "-S", lists.parent, "-B", where, f"-DCMAKE_PREFIX_PATH={prefix}", flags)
    assert configured.returncode == 0, configured.stderr
    built = run(str(CMAKE), "--build", where)
    assert built.returncode == 0, built.stdout + built.stderr
    assert_classifies(where / "classify", model)


def test_a_c_program_under_sanitizers(model: Path, tmp_path: Path) -> None:
    skip_without_sanitizers(tmp_path)
    where = build("native-sanitized", "signbit", f"-DSIGNBIT_SANITIZE={SANITIZE}") / "native" / "src" / "capi"
    program = tmp_path / "check_capi"
    source = ROOT / "native" / "tests" / "check_capi.c"
    options = ["-g", f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", f"-I{HEADER.parent}", "-pthread"]
    compiled = run(str(CC), *STRICT, *options, source, where / "libsignbit.so", f"-Wl,-rpath,{where}", "-o", program)
    assert compiled.returncode == 0, compiled.stderr
    result = run(program, model, timeout=120)
    assert (result.returncode, result.stdout) == (0, "capi: ok\n"), result.stderr[-4000:]


@needs_pkg_config
@pytest.mark.skipif(platform.system() != "Linux", reason="LD_LIBRARY_PATH is Linux's")
def test_commands_of_the_readme(installed: subprocess.CompletedProcess[str], model: Path) -> None:
    """In the folder that has been built already, else as they stand."""
    (commands,) = re.findall(r"## From C\n\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    for written, here in {
        "cmake -S . -B build/c": f"cmake -S {ROOT} -B build/c",
        "build/c": str(installed.args[2]),
        "examples/": f"{ROOT}/examples/",
        "cmake ": f"{CMAKE} ",
    }.items():
        assert written in commands
        commands = commands.replace(written, here)
    (model.parent / "commands.sh").write_text(f"set -eu; LD_LIBRARY_PATH=; cd {model.parent}\n{commands}")
    with alone_in("native-tests"):
        result = run("sh", model.parent / "commands.sh")
    assert result.returncode == 0, result.stderr
    said, size, rest = result.stdout.partition(" bytes\n")
    assert "-- libsignbit.so" in said.splitlines()[-1]
    assert size
    assert rest.count("class ") == 5


def test_ctypes_in_the_manual(library: Path, model: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "c.md").read_text(), flags=re.DOTALL)
    code = code.replace("libsignbit.so", str(library))
    for path, says in ((str(model), ""), ("none.sbn", "OSError: cannot read none.sbn")):
        result = run(sys.executable, "-c", code.replace("model.sbn", path))
        assert (result.returncode, bool(says)) in ((0, False), (1, True))
        assert says in result.stderr
