"""The engine that runs experiments as one compiled program."""

from rlcore.compiled.engine import CompiledRun

__all__ = ["CompiledRun"]
