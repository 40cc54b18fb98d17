"""A pytest plugin: the tests of this process run another build of the native module, the one that ``NATIVE`` names."""

from __future__ import annotations

import importlib.util
import os
import sys

from native_build import NATIVE

_spec = importlib.util.spec_from_file_location("signbit.runtime._native", os.environ[NATIVE])
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
sys.modules[_spec.name] = _module


def pytest_report_header() -> str:
    usable = [name for name, usable, _ in _module.isa_tiers() if usable]
    return f"tiers of {NATIVE}: {' '.join(usable)}"
