"""Compiled programs, kept so that a second experiment of the same kind compiles nothing."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax

from rlcore.compiled.program import Plan, Program

_MANY = 32
# the operations of a step are too small to be handed to other threads, which costs more than they take
_IN_ORDER: dict[str, str | bool] = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
_programs: OrderedDict[Any, Any] = OrderedDict()


def compiled(plan: Plan, n_seeds: int | None, arguments: tuple[Any, ...]) -> tuple[Callable[..., Any], float]:
    """The executable of a program for arguments of these shapes, and the seconds that its compilation took now.

    Args:
        plan: What the program does.
        n_seeds: How many experiments run at once along a leading axis of their courses; `None`: one, without it.
        arguments: Those of `Program.__call__`.
    """
    key = (plan, n_seeds, signature_of(arguments), jax.config.read("jax_enable_x64"))
    if key in _programs:
        _programs.move_to_end(key)
        return _programs[key], 0.0
    start = time.perf_counter()
    program: Callable[..., Any] = Program(plan)
    if n_seeds is not None:
        program = jax.vmap(program, in_axes=(0, None, None, 0))
    lowered = jax.jit(program, donate_argnums=0).lower(*arguments)
    executable = lowered.compile(_IN_ORDER if jax.default_backend() == "cpu" else None)
    _programs[key] = executable
    if len(_programs) > _MANY:
        _programs.popitem(last=False)
    return executable, time.perf_counter() - start


def signature_of(tree: Any) -> Any:
    """What a compilation depends on: the structure of a tree, static fields included, and the shapes of its leaves."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
