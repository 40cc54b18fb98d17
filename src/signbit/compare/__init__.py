"""Settings side by side under one protocol: runs in parallel processes, records, and what they allow one to say."""

from signbit.compare.records import RunRecord, find_runs, is_finished, read_record
from signbit.compare.settings import Comparison, Setting, compare
from signbit.compare.statistics import Estimate, Pair, compare_pairs, estimate, verdict

__all__ = [
    "Comparison",
    "Estimate",
    "Pair",
    "RunRecord",
    "Setting",
    "compare",
    "compare_pairs",
    "estimate",
    "find_runs",
    "is_finished",
    "read_record",
    "verdict",
]
