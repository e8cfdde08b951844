"""Whether columns fit into memory."""

import os
from pathlib import Path

from rlcore.errors import ConfigError


def check_memory(n_bytes: int, what: str) -> None:
    """Refuses `n_bytes` bytes that this process can't get.

    Raises:
        ConfigError: It names `what`, the bytes it takes and the bytes that are free.
    """
    free = available_bytes()
    if n_bytes > free:
        raise ConfigError(
            f"{what} take {n_bytes:,} bytes, but only {free:,} bytes of memory are free; lower the capacity, or make "
            "the states smaller (uint8 images instead of floats)"
        )


def available_bytes() -> int:
    """How much memory this process can still take; all of the machine's where the system says no more."""
    limits = [1 << 62]
    if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", {})):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    memory, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if memory.exists():  # SC_AVPHYS_PAGES leaves out the caches that the system would give back
        lines = [line.split() for line in memory.read_text().splitlines()]
        limits += [int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"]
    if group.exists() and group.read_text().strip().isdigit():
        limits.append(int(group.read_text()))
    return min(limits)
