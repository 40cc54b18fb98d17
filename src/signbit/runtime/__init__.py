"""Running ``.sbn`` files with numpy and the compiled module, which is loaded at its first use."""

from signbit.runtime.isa import available_isas
from signbit.runtime.session import LayerTime, Session
from signbit.runtime.trace import chrome_trace

__all__ = ["LayerTime", "Session", "available_isas", "chrome_trace"]
