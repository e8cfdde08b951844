"""Experiments that run at once do what each would do alone."""

import signal

import numpy as np
import pytest

from rlcore import (
    Experiment,
    RandomPolicy,
    StepsPerEpisode,
    StopAfterNEpisodes,
    StopAfterNSteps,
    StopSignal,
    as_environment,
    run_seeds,
)
from rlcore.compiled import planner
from rlcore.environments import MultiArmedBandit, RandomWalk1D
from rlcore.errors import ConfigError, EnvContractError
from rlcore.hooks import DoEveryNSteps, EmptyHook, Hook
from rlcore.learners import TDLearner
from rlcore.reset_conditions import ResetAfterNSteps
from tests.compiled.alike import Tape, assert_close, assert_same_leaves, counts, records
from tests.compiled.own import Faulty
from tests.compiled.test_conformance import N_STATES, epsilon, network, one_hot, table


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def episodes(n):
    return StopAfterNEpisodes(n, show_progress=False)


def walk(num_envs=None, **transforms):
    return as_environment(RandomWalk1D(N_STATES), num_envs=num_envs, **transforms)


def watched(num_envs=None):
    return Tape() + records(num_envs)


MAKERS = {
    "table, own lengths": lambda seed: Experiment(
        table(epsilon()), walk(), steps(30 + 60 * seed), watched(), ResetAfterNSteps(4), seed
    ),
    "table, the first is short": lambda seed: Experiment(
        table(epsilon()), walk(), episodes(40 if seed else 2) & steps(60), watched(), seed=seed
    ),
    "random, rows": lambda seed: Experiment(
        RandomPolicy(), as_environment(MultiArmedBandit(4), num_envs=2), episodes(50) | steps(99), watched(2), seed=seed
    ),
    "network": lambda seed: Experiment(network(0.5), walk(state=one_hot), steps(60), watched(), seed=seed),
}


@pytest.mark.parametrize("name", MAKERS)
def test_each_does_what_it_would_do_alone(name, monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 32)
    seeds = range(3)
    tolerance = 1e-5 if name == "network" else 0.0
    for seed, together in zip(seeds, run_seeds(MAKERS[name], seeds, "compiled"), strict=True):
        alone = MAKERS[name](seed).run("eager")
        assert together.engine.startswith("compiled: at once with 2 other seeds")
        assert together.stop_reason == alone.stop_reason
        assert_close(alone.hook.result(), together.hook.result(), 1e-6 if name == "random, rows" else 0.0)
        assert_same_leaves(alone.policy, together.policy, tolerance)
        assert counts(alone) == counts(together)


def stopped_by_a_hook(seed):
    stop = StopSignal()
    hook = DoEveryNSteps(lambda t, policy, env: stop.set(f"at {t}"), n=100 - 30 * seed) + Tape()
    return Experiment(table(epsilon()), walk(), stop, hook, seed=seed)


def test_each_is_stopped_by_its_own_hook(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 16)
    for seed, together in enumerate(run_seeds(stopped_by_a_hook, range(3), "compiled")):
        alone = stopped_by_a_hook(seed).run("eager")
        assert together.stop_reason == alone.stop_reason == f"StopSignal: at {100 - 30 * seed}"
        assert_close(alone.hook.result(), together.hook.result())


def test_the_second_time_compiles_nothing():
    def make(seed):
        return Experiment(table(epsilon()), walk(), steps(40), seed=seed)

    run_seeds(make, range(2), "compiled")
    assert [one.compile_seconds for one in run_seeds(make, [7, 8], "compiled")] == [0, 0]


def test_they_can_go_on_alone():
    def make(seed):
        return Experiment(table(epsilon()), walk(), steps(40), StepsPerEpisode(), seed=seed)

    for seed, together in enumerate(run_seeds(make, range(2), "compiled")):
        alone = make(seed).run("eager")
        assert together.run("compiled").hook.result() == alone.run("eager").hook.result()
        assert_same_leaves(together.policy, alone.policy)


def test_networks_learn_what_they_learn_alone_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(planner, "FIRST_ROWS", 16)
    monkeypatch.setattr(planner, "MOST_ROWS", 32)

    def make(seed):
        return Experiment(network(0.5), walk(state=one_hot), steps(100), watched(), seed=seed)

    for seed, together in enumerate(run_seeds(make, range(5), "compiled")):
        alone = make(seed).run("compiled")
        assert_same_leaves(alone.policy, together.policy, 0.0)
        assert_close(alone.hook.result(), together.hook.result())
        assert alone.policy.metrics == together.policy.metrics


@pytest.mark.parametrize("act", [None, lambda: signal.raise_signal(signal.SIGINT)], ids=["a fault", "Ctrl-C"])
def test_what_ends_the_run_of_one_network_ends_all_of_them(act):
    made = []

    def make(seed):
        policy = network(0.5)
        hook = FailsAt((act or fail) if seed == 1 else lambda: None)
        made.append(Experiment(policy, walk(state=one_hot), steps(500), hook, seed=seed))
        return made[-1]

    with pytest.raises(KeyboardInterrupt if act else ValueError):
        run_seeds(make, range(3), "compiled")
    for experiment in made:
        assert experiment.hook.is_over
        assert np.isfinite(experiment.policy.policy.learner.approximator.parameters["layers"][0]["kernel"]).all()
        experiment.hook = EmptyHook()
        assert experiment.run("compiled").stop_reason == "StopAfterNSteps(500)"


class FailsAt(Hook):
    """Does something at its 20th step."""

    def __init__(self, act):
        self.act, self.count, self.is_over = act, 0, False

    def post_act(self, policy, env):
        self.count += 1
        if self.count == 20:
            self.act()

    def post_experiment(self, policy, env):
        self.is_over = True


def fail():
    raise ValueError("as planned")


@pytest.mark.parametrize(
    ("act", "error"),
    [(fail, ValueError), (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt)],
)
def test_what_ends_one_run_ends_all_of_them(act, error):
    made = []

    def make(seed):
        hook = FailsAt(act if seed == 1 else lambda: None)
        made.append(Experiment(table(epsilon()), walk(), steps(500), hook, seed=seed))
        return made[-1]

    with pytest.raises(error):
        run_seeds(make, range(3), "compiled")
    assert [one.hook.is_over for one in made] == [True] * 3
    for experiment in made:
        assert experiment.stop_reason
        assert experiment.policy.trajectory.controller.inserted >= 20
        experiment.hook = EmptyHook()
        assert experiment.run("compiled").stop_reason == "StopAfterNSteps(500)"


def test_a_fault_in_one_of_them_is_raised():
    def make(seed):
        return Experiment(RandomPolicy(), Faulty(at=30, reward_then=np.inf), steps(90), StepsPerEpisode(), seed=seed)

    with pytest.raises(EnvContractError, match="the reward is inf"):
        run_seeds(make, range(2), "compiled")


def differing(seed, policy=None, env=None):
    policy, env = policy or table(epsilon()), env or walk()
    return Experiment(policy, env, steps(20), seed=seed)


def own_alpha(seed):
    agent = table(epsilon())
    agent.policy.learner = TDLearner(agent.policy.learner.approximator, alpha=0.5 / (1 + seed))
    return differing(seed, agent)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (own_alpha, "policy.policy.learner.alpha"),
        (lambda seed: differing(seed, env=walk(2 + seed)), "num_envs differs"),
        (lambda seed: differing(seed, RandomPolicy(), RandomWalk1D(5 + seed)), "environment.n_states"),
        (lambda seed: differing(seed, RandomPolicy() if seed else table(epsilon())), "policy differs"),
        (lambda seed: differing(seed, table(epsilon(), n_states=N_STATES + seed)), "approximator.table differs"),
    ],
)
def test_experiments_of_two_kinds_are_refused(make, named):
    with pytest.raises(ConfigError, match="between the experiments of seeds 0 and 1") as error:
        run_seeds(make, range(2), "compiled")
    assert named in str(error.value)


def test_a_shared_part_is_refused():
    agent, hook = table(epsilon()), StepsPerEpisode()
    with pytest.raises(ConfigError, match="share a Agent"):
        run_seeds(lambda seed: Experiment(agent, walk(), steps(20), seed=seed), range(2))
    with pytest.raises(ConfigError, match="share a StepsPerEpisode"):
        run_seeds(lambda seed: Experiment(RandomPolicy(), walk(), steps(20), hook, seed=seed), range(2))
