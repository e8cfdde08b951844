"""Experiments of many seeds at once are what each of them is alone."""

import numpy as np
import pytest
from worlds import Corridor, Still

from rlcore.approximators import TabularQApproximator
from rlcore.environments import RandomWalk1D, as_environment
from rlcore.errors import ConfigError
from rlcore.experiment import Experiment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook, RewardsPerEpisode, StepsPerEpisode
from rlcore.learners import TDLearner
from rlcore.policies import Agent, QBasedPolicy, RandomPolicy
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.seeds import run_seeds
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNoImprovement, StopAfterNSteps
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def episodes(n):
    return StopAfterNEpisodes(n, show_progress=False)


def agent(seed=0, alpha=0.5, n_states=7):
    table = TabularQApproximator(n_states, 2)
    table.table[:] = seed / 8  # leaves may differ from seed to seed
    explorer = EpsilonGreedyExplorer(0.25, break_ties=True)
    memory = Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    return Agent(QBasedPolicy(TDLearner(table, gamma=0.5, alpha=alpha), explorer), memory)


def experiment(seed, stop=lambda hook: steps(300), num_envs=None, cut=None):
    hook = StepsPerEpisode() + RewardsPerEpisode()
    env = as_environment(RandomWalk1D(7), num_envs=num_envs)
    return Experiment(agent(seed), env, stop(hook), hook, None if cut is None else ResetAfterNSteps(cut), seed=seed)


def no_improvement(hook):
    """Asked only when the record is shown, so that the seeds end in different chunks."""
    return StopAfterNoImprovement(lambda: -hook[StepsPerEpisode].steps[-1], patience=25)


def facts(one):
    table = one.policy.policy.learner.approximator.table
    return one.hook.result(), one.stop_reason, table.tolist(), one.policy.policy.explorer.random.count


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"cut": 4},
        {"num_envs": 2},
        {"stop": lambda hook: episodes(40)},
        {"stop": lambda hook: episodes(40) | steps(150)},
    ],
    ids=["steps", "cut", "rows", "episodes", "either"],
)
def test_each_is_what_it_is_alone(setting):
    seeds = [5, 0, 3]
    together = run_seeds(lambda seed: experiment(seed, **setting), seeds, "compiled")
    assert [one.seed for one in together] == seeds
    assert [one.engine for one in together] == ["compiled: at once with 2 other seeds"] * 3
    assert len({repr(facts(one)) for one in together}) == 3
    for seed, one in zip(seeds, together, strict=True):
        assert facts(one) == facts(experiment(seed, **setting).run("eager"))


def test_each_ends_in_its_own_time():
    """What hooks saw and why it ended are those of the run alone; the policies may have learnt a little further."""
    together = run_seeds(lambda seed: experiment(seed, no_improvement), range(6), "compiled")
    assert len({len(one.hook[StepsPerEpisode].steps) for one in together}) > 2
    for seed, one in enumerate(together):
        alone = experiment(seed, no_improvement).run("eager")
        assert (one.hook.result(), one.stop_reason) == (alone.hook.result(), alone.stop_reason)


def test_they_can_be_run_again_alone_and_go_on():
    together = run_seeds(experiment, range(3))
    for seed, one in enumerate(together):
        twice = experiment(seed).run("eager").run("eager")
        assert facts(one.run()) == facts(twice)


def test_what_can_t_be_compiled_is_run_one_after_the_other():
    def corridor(seed):
        return Experiment(Still(), Corridor(2), steps(2 * seed + 4), StepsPerEpisode(), seed=seed)

    together = run_seeds(corridor, range(3))
    assert [one.hook.steps for one in together] == [[2] * 2, [2] * 3, [2] * 4]
    assert all(one.engine.startswith("eager: Corridor is no JAX environment") for one in together)
    with pytest.raises(ConfigError, match="can't be run as one program: Corridor is no JAX environment"):
        run_seeds(corridor, range(3), "compiled")


def test_a_single_seed_is_an_ordinary_run():
    (one,) = run_seeds(experiment, [4])
    assert facts(one) == facts(experiment(4).run("eager"))


def walk(seed, policy=None, env=None, hook=None, num_envs=None, reward=None):
    env = as_environment(RandomWalk1D(7) if env is None else env, reward=reward, num_envs=num_envs)
    return Experiment(RandomPolicy() if policy is None else policy, env, steps(5), hook, seed=seed)


SHARED = {"policy": RandomPolicy(), "env": RandomWalk1D(7), "hook": StepsPerEpisode()}


@pytest.mark.parametrize(("name", "kind"), [("policy", RandomPolicy), ("env", RandomWalk1D), ("hook", StepsPerEpisode)])
def test_shared_parts_are_refused(name, kind):
    with pytest.raises(ConfigError, match=f"seeds 1 and 2 share a {kind.__name__}.*inside make_experiment"):
        run_seeds(lambda seed: walk(seed, **{name: SHARED[name]}), [1, 2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda seed: walk(seed, agent(alpha=0.5 / (seed + 1))), r"policy\.policy\.learner\.alpha differs .* 0 and 1"),
        (lambda seed: walk(seed, env=RandomWalk1D(7 + seed)), r"environment\.n_states differs .*: 7 and 8"),
        (lambda seed: walk(seed, agent(n_states=7 + seed)), "policy.* differ.* seeds 0 and 1"),
        (lambda seed: walk(seed, RandomPolicy() if seed else agent()), "policy differs .*Agent.* and RandomPolicy"),
        (lambda seed: walk(seed, num_envs=seed + 1), "num_envs differs .*: 1 and 2"),
        (
            lambda seed: walk(seed, reward=None if seed else abs),
            "functions that as_environment puts around RandomWalk1D",
        ),
    ],
)
def test_experiments_of_different_kinds_are_refused_with_what_differs(make, message):
    with pytest.raises(ConfigError, match=message):
        run_seeds(make, range(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((experiment, []), "seeds is empty, expected at least one"),
        ((experiment, 3), "seeds is 3, expected at least one"),
        ((experiment, [0, -1]), "seed"),
        ((experiment, [0], "fast"), "engine is 'fast', expected 'auto', 'eager' or 'compiled'"),
        ((lambda seed: None, [0]), r"make_experiment\(0\) returned None, expected an Experiment"),
        ((3, [0]), "make_experiment"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        run_seeds(*arguments)


def test_an_error_in_one_hook_ends_all_and_what_was_learnt_stays():
    class Fails(Hook):
        def __init__(self, at):
            self.at, self.seen = at, 0

        def post_act(self, policy, env):
            self.seen += 1
            if self.seen == self.at:
                raise RuntimeError("the disk is full")

    made = []

    def make(seed):
        hook = Fails(10 if seed == 1 else 0)
        made.append(Experiment(agent(seed), RandomWalk1D(7), steps(300), hook, seed=seed))
        return made[-1]

    with pytest.raises(RuntimeError, match="the disk is full"):
        run_seeds(make, range(3))
    assert made[1].hook.seen == 10 and "the disk is full" in made[1].stop_reason
    assert np.isfinite(made[1].policy.policy.learner.approximator.table).all()
    assert not np.array_equal(made[1].policy.policy.learner.approximator.table, np.full((7, 2), 1 / 8))
    assert [one.run("eager").stop_reason for one in made if one is not made[1]] == ["StopAfterNSteps(300)"] * 2
