"""Running ``.sbn`` files with numpy and the compiled module, which is loaded at its first use."""

from signbit.runtime.ceilings import Ceiling, ceilings
from signbit.runtime.isa import available_isas
from signbit.runtime.layer_time import LayerTime
from signbit.runtime.session import Session
from signbit.runtime.trace import chrome_trace

__all__ = ["Ceiling", "LayerTime", "Session", "available_isas", "ceilings", "chrome_trace"]
