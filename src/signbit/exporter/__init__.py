"""The bridge from torch to the ``.sbn`` file: trace -> fold -> lower -> verify."""
