"""The same experiment in both engines, and whether it was the same experiment."""

from itertools import zip_longest

import jax
import numpy as np

from rlcore import Experiment
from rlcore.hooks import (
    BatchStepsPerEpisode,
    DoEveryNEpisodes,
    DoEveryNSteps,
    DoOnExit,
    Hook,
    RewardsPerEpisode,
    StepsPerEpisode,
    TotalBatchRewardPerEpisode,
    TotalRewardPerEpisode,
)
from rlcore.random import Random
from rlcore.stages import Stage
from rlcore.struct import walk


class Tape(Hook):
    """Writes down, at every stage, all that may be asked of an environment."""

    reads_reward = True
    reads_policy = False

    def __init__(self, needs_state=True):
        self.needs_state = needs_state
        self.rows = []

    def pre_experiment(self, policy, env):
        self.rows = [("pre_experiment", env.num_envs)]

    def pre_episode(self, policy, env):
        self.write("pre_episode", env)

    def pre_act(self, policy, env):
        self.write("pre_act", env)

    def post_act(self, policy, env):
        self.write("post_act", env)

    def post_episode(self, policy, env):
        self.write("post_episode", env)

    def post_experiment(self, policy, env):
        self.write("post_experiment", env)

    def write(self, stage, env):
        row = {
            "stage": stage,
            "last_action": numbers(env.last_action()),
            "reward": typed(env.reward()),
            "ended": [int(row) for row in env.ended()],
        }
        for question in ("is_terminated", "is_truncated", "is_over", "is_transition", "needs_reset"):
            row[question] = typed(getattr(env, question)())
        if self.needs_state and stage != "pre_act":
            row |= {"state": numbers(env.state()), "next_state": numbers(env.next_state())}
        self.rows.append(row)

    def result(self):
        return self.rows


class Acts(Hook):
    """Writes down the stages, and does something at the n-th call of one of them."""

    def __init__(self, act, stage="post_act", n=1):
        self.act, self.stage, self.n = act, stage, n
        self.stages = []

    def push(self, stage, policy, env):
        self.stages.append(stage.value)
        if stage.value == self.stage and self.stages.count(self.stage) == self.n:
            self.act()


def numbers(value):
    """A value as nested lists, whatever its type."""
    return jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), value)


def typed(value):
    """A value as lists and its type."""
    return type(value).__name__, str(getattr(value, "dtype", "")), np.asarray(value).tolist()


def built_in(num_envs):
    """Every built-in hook whose result tells something and reads no clock."""
    seen = []
    hook = DoEveryNSteps(lambda t, policy, env: seen.append(("step", t, numbers(env.last_action()))), n=7)
    for stage in (Stage.PRE_EPISODE, Stage.POST_ACT, Stage.POST_EPISODE):
        hook += DoEveryNEpisodes(lambda t, policy, env, stage=stage: seen.append((stage.value, t)), n=3, stage=stage)
    hook += DoOnExit(lambda policy, env: seen.append("exit"))
    return hook + Calls(seen) + records(num_envs)


class Calls(Hook):
    """Answers what other hooks have written down since the run began."""

    reads_policy = False

    def __init__(self, seen):
        self.seen = seen
        self.begin = 0

    def pre_experiment(self, policy, env):
        self.begin = len(self.seen)

    def push_block(self, policy, block):
        pass

    def result(self):
        return self.seen[self.begin :]


def records(num_envs):
    """The built-in hooks that keep rewards and lengths; none of them looks at the policy."""
    rows = num_envs or 1
    return (
        StepsPerEpisode()
        + TotalRewardPerEpisode(display_on_exit=False)
        + RewardsPerEpisode(keep=20)
        + BatchStepsPerEpisode(rows, keep=5)
        + TotalBatchRewardPerEpisode(rows)
    )


def run_in(engines, make):
    """Runs one experiment, once in each of `engines`; the experiment, and its hook's results and reasons to stop."""
    experiment = Experiment(**make(), seed=3)
    results = []
    for engine in engines:
        experiment.run(engine)
        assert experiment.engine.startswith(engine)
        results.append((experiment.stop_reason, jax.tree.map(lambda leaf: leaf, experiment.hook.result())))
    return experiment, results


def counts(experiment):
    """How many numbers every stream of the policy has given, by its path."""
    return {path: part.count for path, part in walk(experiment.policy) if isinstance(part, Random)}


def assert_close(one, other, tolerance=0.0, where="results"):
    """Two nested results are equal, floats within `tolerance`; the first difference is shown, not thousands of rows."""
    assert type(one) is type(other), f"{where}: {one!r} and {other!r}"
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_close(one[key], other[key], tolerance, f"{where}.{key}")
    elif isinstance(one, list | tuple):
        for at, (a, b) in enumerate(zip_longest(one, other)):
            if a != b:
                assert_close(a, b, tolerance, f"{where}[{at}]")
    elif isinstance(one, float):
        assert abs(one - other) <= tolerance * (1 + abs(one)), f"{where}: {one!r} and {other!r}"
    else:
        assert one == other, f"{where}: {one!r} and {other!r}"


def assert_same_leaves(one, other, tolerance=0.0):
    """Two components hold the same numbers, in the same kind of leaves."""
    ones, others = (jax.tree_util.tree_flatten_with_path(part) for part in (one, other))
    assert ones[1] == others[1]
    for (path, a), (_, b) in zip(ones[0], others[0], strict=True):
        if jax.dtypes.issubdtype(getattr(a, "dtype", np.float32), jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        same = np.allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), tolerance, tolerance)
        assert same, f"{jax.tree_util.keystr(path)}: {a} and {b}"


def assert_alike(make, tolerance=0.0, row_tolerance=0.0, engines=("compiled", "compiled"), reference=None):
    """Runs one experiment in `engines` and compares everything with as many runs in the eager engine."""
    eager, expected = reference or run_in(["eager"] * len(engines), make)
    other, results = run_in(engines, make)
    assert_close(expected, results, row_tolerance)
    assert_same_leaves(eager.policy, other.policy, tolerance)
    assert_same_leaves(eager.reset_condition, other.reset_condition)
    assert counts(eager) == counts(other)
    return other
