"""Conformance suites: one call puts a part of one's own through everything that the library's parts have to hold."""

from signbit.testing.binarizers import check_binarizer
from signbit.testing.methods import check_method
from signbit.testing.optimizers import check_optimizer
from signbit.testing.transforms import check_transform

__all__ = ["check_binarizer", "check_method", "check_optimizer", "check_transform"]
