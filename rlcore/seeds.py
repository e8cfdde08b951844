"""The same experiment for many seeds, all at once where it can be compiled."""

import functools
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import jax
import numpy as np

from rlcore.arguments import check_function, named
from rlcore.compiled import CompiledRun
from rlcore.compiled.limits import structure_of
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment
from rlcore.leaves import have_one_structure, names_of
from rlcore.random import check_seed
from rlcore.signals import Interrupt
from rlcore.struct import brief, is_struct, walk


def run_seeds(
    make_experiment: Callable[[int], Experiment], seeds: Iterable[int], engine: str = "auto"
) -> list[Experiment]:
    """Builds an experiment for every seed and runs them, compiled and all at once if they can be.

    Every experiment has its own policy, environment, conditions and hooks, and ends as it would alone. Numbers that are
    leaves of the policy or environment may differ between them; `static()` fields may not.

    Args:
        make_experiment: Called with each seed; builds everything anew, with `seed=seed`.
        seeds: Whole numbers of at least 0, at least one.
        engine: `"compiled"`: all at once; `"eager"`: one after the other; `"auto"`: at once if they can be compiled.

    Returns:
        The finished experiments, in the order of the seeds.

    Raises:
        ConfigError: Something else than an experiment, parts that two of them share, experiments that differ in their
            structure (the field is named), or, with `"compiled"`, something that can't be compiled.
    """
    check_function("make_experiment", make_experiment, ("seed",))
    numbers = [check_seed(seed) for seed in seeds] if isinstance(seeds, Iterable) else []
    if not numbers:
        came = "empty" if isinstance(seeds, Iterable) else named(seeds)
        raise ConfigError(f"seeds is {came}, expected at least one whole number, such as range(16)")
    if engine not in ("auto", "eager", "compiled"):
        raise ConfigError(f"engine is {engine!r}, expected 'auto', 'eager' or 'compiled'")
    experiments = [_made(make_experiment, seed) for seed in numbers]
    _check_apart(experiments, numbers)
    if len(experiments) == 1:
        return [experiments[0].run(engine)]
    compiled = None if engine == "eager" else _compiled(experiments, numbers, engine)
    if compiled is None:
        return [experiment.run(engine) for experiment in experiments]
    with Interrupt() as interrupt, ExitStack() as runs:
        for i, experiment in enumerate(experiments):
            runs.enter_context(experiment._under_way(interrupt, functools.partial(compiled.where, i)))
            experiment.engine = f"compiled: at once with {len(experiments) - 1} other seeds"
        try:
            compiled.run(interrupt)
        finally:
            for experiment, beyond in zip(experiments, compiled.steps_beyond, strict=True):
                experiment._report(compiled.compile_seconds, beyond)
    return experiments


def _made(make_experiment: Callable[[int], Experiment], seed: int) -> Experiment:
    experiment = make_experiment(seed)
    if not isinstance(experiment, Experiment):
        raise ConfigError(
            f"make_experiment({seed}) returned {named(experiment)}, expected an Experiment that has not run; "
            "write return Experiment(policy, env, stop_condition, hook, seed=seed)"
        )
    return experiment


def _check_apart(experiments: list[Experiment], seeds: list[int]) -> None:
    """Refuses experiments that share a part, which each of them would change."""
    owners: dict[int, int] = {}
    for seed, experiment in zip(seeds, experiments, strict=True):
        parts = [part for _, part in walk((experiment.policy, experiment.reset_condition)) if is_struct(part)]
        parts += [experiment, experiment.env, experiment.env.source, experiment.stop_condition, experiment.hook]
        for part in {id(part): part for part in parts}.values():
            owner = owners.setdefault(id(part), seed)
            if owner != seed or (part is experiment and seeds.count(seed) > 1):
                raise ConfigError(
                    f"the experiments of seeds {owner} and {seed} share a {type(part).__name__}, expected each its "
                    "own: build all of them inside make_experiment, and give each seed once"
                )


def _compiled(experiments: list[Experiment], seeds: list[int], engine: str) -> CompiledRun | None:
    try:
        compiled = CompiledRun(experiments)
    except ConfigError as reason:
        if engine == "compiled":
            raise ConfigError(f"the experiments can't be run as one program: {reason}") from reason
        return None
    for seed, other in zip(seeds[1:], experiments[1:], strict=True):
        _check_alike(experiments[0], other, seeds[0], seed)
    return compiled


def _check_alike(one: Experiment, other: Experiment, seed: int, other_seed: int) -> None:
    """Refuses two experiments that one program can't run, naming the first field that differs."""
    pairs = (
        ("policy", one.policy, other.policy),
        ("environment", one.env.source, other.env.source),
        ("reset_condition", one.reset_condition, other.reset_condition),
    )
    who = f"between the experiments of seeds {seed} and {other_seed}"
    advice = "expected the same for all seeds; numbers that are leaves, not static(), may differ"
    if one.env.num_envs != other.env.num_envs:
        raise ConfigError(f"num_envs differs {who}: {one.env.num_envs} and {other.env.num_envs}; {advice}")
    if structure_of(one.stop_condition.limit()) != structure_of(other.stop_condition.limit()):
        raise ConfigError(f"stop_condition differs {who}: {one.stop_condition} and {other.stop_condition}; {advice}")
    for root, first, second in pairs:
        mine, theirs = dict(walk(first, root)), dict(walk(second, root))
        for path, part in mine.items():
            found = theirs.get(path)
            if type(found) is not type(part) and (is_struct(part) or is_struct(found)):
                raise ConfigError(f"{path} differs {who}: {brief(part)} and {brief(found)}; {advice}")
            if not is_struct(part):
                continue
            for name in type(part).__struct_fields__["static"]:
                a, b = getattr(part, name), getattr(found, name)
                if a != b:
                    raise ConfigError(f"{path}.{name.lstrip('_')} differs {who}: {brief(a)} and {brief(b)}; {advice}")
        if not have_one_structure(first, second):
            raise ConfigError(f"the {root} has another structure {who}: {brief(first)} and {brief(second)}; {advice}")
        for name, a, b in zip(names_of(first, root), _shapes(first), _shapes(second), strict=True):
            if a != b:
                raise ConfigError(f"{name} differs {who}: {a} and {b}; {advice}")
    form, other_form = (getattr(env, "form", None) for env in (one.env, other.env))
    if form != other_form:
        raise ConfigError(
            f"the functions that as_environment puts around {one.env.name}, or its spaces, differ {who}; expected the "
            "same for all seeds"
        )


def _shapes(tree: Any) -> list[str]:
    arrays = [leaf if hasattr(leaf, "dtype") else np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return [f"{array.dtype}{list(array.shape)}" for array in arrays]
