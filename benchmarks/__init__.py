"""Inference beside other engines on the same network, in the same process, in turns: ``make bench``."""
