"""Faults made by real mechanisms: a preloaded shim, small and failing disks, signals, other processes."""
