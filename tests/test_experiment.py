"""Experiments: what is refused when they are built, seeds, evaluation."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from policies_asked import FixedValues
from worlds import Corridor, Count, Still, counts

from rlcore.environments import CartPole, RandomWalk1D, as_environment
from rlcore.environments.bandit import MultiArmedBandit
from rlcore.errors import ConfigError, HookError, RLCoreError
from rlcore.experiment import Evaluation, Experiment, evaluate, run
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import (
    DoEveryNEpisodes,
    DoEveryNSteps,
    EmptyHook,
    Hook,
    RewardsPerEpisode,
    StepsPerEpisode,
    TimePerStep,
    TotalBatchRewardPerEpisode,
    TotalRewardPerEpisode,
)
from rlcore.interfaces import Policy
from rlcore.policies import QBasedPolicy, RandomPolicy
from rlcore.random import Random, stream
from rlcore.reset_conditions import ResetAfterNSteps, ResetIfEnvTerminated
from rlcore.stop_conditions import (
    StopAfterNEpisodes,
    StopAfterNoImprovement,
    StopAfterNSeconds,
    StopAfterNSteps,
    StopCondition,
    StopIfEnvTerminated,
    StopSignal,
)
from rlcore.struct import struct


def steps(n):
    return StopAfterNSteps(n, show_progress=False)


def episodes(n):
    return StopAfterNEpisodes(n, show_progress=False)


def test_defaults():
    experiment = Experiment(Still(), Corridor(2), steps(1))
    assert type(experiment.hook) is EmptyHook
    assert type(experiment.reset_condition) is ResetIfEnvTerminated
    assert (experiment.stop_reason, experiment.engine, experiment.compile_seconds) == (None, None, 0.0)
    assert experiment.run() is experiment
    assert run(Still(), Corridor(2)).stop_reason == "StopAfterNEpisodes(1)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(policy=3), "policy is 3, expected a Policy"),
        (dict(policy=Still), "pass an instance, not the class"),
        (dict(env=3), "expected a Gymnasium id"),
        (dict(env="NoSuchWorld-v0"), "NoSuchWorld"),
        (dict(env=Corridor), "pass an instance, not the class"),
        (
            dict(policy=lambda state: 0),
            "policy is the function <lambda>.*derive a class from Policy and write its method",
        ),
        (dict(policy=FixedValues(np.eye(2))), r"policy is a FixedValues.*wrap it: QBasedPolicy\(learner, explorer\)"),
        (dict(policy=Corridor(2)), "policy is a Corridor.*pass it as env=, the second argument"),
        (dict(stop_condition=5), r"stop_condition is 5, expected a StopCondition; write StopAfterNSteps\(5\)"),
        (dict(stop_condition=None), r"is None, .*pass one such as StopAfterNSteps\(10_000\)"),
        (dict(stop_condition=StepsPerEpisode()), "is a StepsPerEpisode, .*; pass it as hook="),
        (dict(stop_condition=ResetIfEnvTerminated()), "is a ResetIfEnvTerminated, .*; pass it as reset_condition="),
        (dict(stop_condition=lambda policy, env: True), r"write its method check\(self, policy, env\)"),
        (dict(reset_condition=5), r"expected a ResetCondition; write ResetAfterNSteps\(5\)"),
        (dict(hook=[EmptyHook()]), r"add up hooks with \+"),
        (dict(hook=print), "wrap a function in DoEveryNSteps"),
        (dict(hook=steps(3)), "hook is a StopAfterNSteps.*pass it as stop_condition="),
        (dict(stop_condition=StopAfterNSteps), "pass an instance"),
        (dict(hook=print), "expected a Hook"),
        (dict(reset_condition=3), "expected a ResetCondition"),
        (dict(seed=-1), "seed is -1"),
        (dict(seed="x"), "seed is 'x'"),
        (dict(seed=1.5), "seed is 1.5"),
    ],
)
def test_wrong_arguments_are_refused_when_it_is_built(arguments, message):
    given = dict(policy=Still(), env=Corridor(2), stop_condition=steps(1)) | arguments
    with pytest.raises(ConfigError, match=message):
        Experiment(**given)


def test_misspelt_methods_are_refused_wherever_they_stand():
    class BadHook(Hook):
        def post_atc(self, policy, env):
            pass

    class BadCondition(StopCondition):
        def check(self, policy, env):
            return True

        def pre_epsiode(self, policy, env):
            pass

    class BadPolicy(Still):
        def post_act(self, env):
            pass

    for arguments in (
        dict(hook=StepsPerEpisode() + BadHook()),
        dict(stop_condition=steps(3) | BadCondition()),
        dict(policy=BadPolicy()),
    ):
        with pytest.raises(HookError, match=r"Bad"):
            Experiment(**(dict(policy=Still(), env=Corridor(2), stop_condition=steps(1)) | arguments))


def test_one_struct_in_two_places_is_refused():
    @struct
    class Two(QBasedPolicy):
        other: object = None

        def __init__(self, random):
            self.learner, self.explorer, self.other = None, random, random

        def check(self, env):
            pass

    with pytest.raises(ConfigError, match=r"policy\.explorer and at policy\.other"):
        Experiment(Two(EpsilonGreedyExplorer(0.1)), Corridor(2), steps(1))


def test_a_policy_that_does_not_fit_is_refused_when_the_experiment_is_built():
    class Fussy(Still):
        def check(self, env):
            raise ConfigError(f"{env.action_space()} is not for me")

    with pytest.raises(ConfigError, match=r"Discrete\(2\) is not for me"):
        Experiment(Fussy(), Corridor(2), steps(1))


def rewards(seed, hook=None, **arguments):
    record = RewardsPerEpisode()
    env = gymnasium.make("CartPole-v1")
    states = []

    class States(Hook):
        def post_act(self, policy, env):
            states.append(env.state())

    Experiment(RandomPolicy(), env, episodes(5), record + States() + (hook or EmptyHook()), seed=seed).run()
    return np.stack(states)


def test_one_seed_fixes_everything_and_watching_changes_nothing():
    plain = rewards(3)
    watched = rewards(3, TotalRewardPerEpisode(display_on_exit=False) + StepsPerEpisode())
    other_env = gymnasium.make("CartPole-v1")
    looked = rewards(3, DoEveryNEpisodes(lambda t, policy, env: evaluate(policy, other_env, 2, seed=t)))
    assert np.array_equal(plain, rewards(3))
    assert np.array_equal(plain, watched)
    assert np.array_equal(plain, looked)
    assert not np.array_equal(plain[:5], rewards(4)[:5])


def test_a_seed_is_drawn_and_kept_if_none_is_given():
    experiment = Experiment(RandomPolicy(), "CartPole-v1", episodes(2), StepsPerEpisode()).run()
    again = Experiment(RandomPolicy(), "CartPole-v1", episodes(2), StepsPerEpisode(), seed=experiment.seed).run()
    assert experiment.hook.steps == again.hook.steps


def test_streams_are_named_by_their_place_and_keep_their_name():
    policy = RandomPolicy()
    Experiment(policy, Corridor(2), steps(3), seed=1).run()
    assert policy.random._key.tolist() == stream(1, "policy.random")._key.tolist()
    Experiment(policy, Corridor(2), steps(3), seed=2).run()
    assert policy.random._key.tolist() == stream(1, "policy.random")._key.tolist()
    assert policy.random.count == 6  # it goes on where it was

    own = RandomPolicy(seed=7)
    key = own.random._key.tolist()
    Experiment(own, Corridor(2), steps(3), seed=1)
    assert own.random._key.tolist() == key


def test_rows_have_streams_of_their_own():
    def starts(n):
        env = as_environment("CartPole-v1", num_envs=n)
        Experiment(RandomPolicy(), env, steps(1), seed=5).run()
        env.seed(5)
        env.reset()
        return env.state()

    assert np.array_equal(starts(2), starts(5)[:2])
    assert len(np.unique(starts(5)[:, 0])) == 5


def test_built_in_environments_take_their_numbers_from_the_root_seed():
    def values(seed, bandit):
        Experiment(RandomPolicy(), bandit, steps(2), seed=seed).run("eager")
        return np.asarray(bandit.true_values)

    assert np.array_equal(values(1, MultiArmedBandit(5)), values(1, MultiArmedBandit(5)))
    assert not np.array_equal(values(1, MultiArmedBandit(5)), values(2, MultiArmedBandit(5)))
    assert np.array_equal(values(1, MultiArmedBandit(5, seed=9)), values(2, MultiArmedBandit(5, seed=9)))


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("num_envs", [None, 2])
def test_a_jax_environment_follows_the_seed_of_every_experiment_that_it_enters(engine, num_envs):
    def lengths(seed, env):
        return run(RandomPolicy(), env, episodes(5), StepsPerEpisode(), seed=seed, engine=engine).hook.steps

    env = CartPole() if num_envs is None else as_environment(CartPole(), num_envs=num_envs)
    first = lengths(0, env)
    assert lengths(1, env) != first
    assert lengths(0, env) == first
    own = [lengths(0, CartPole(seed=3)), lengths(0, CartPole(seed=4))]
    assert own[0] != own[1]


def test_experiments_with_one_jax_environment_keep_their_seeds_in_any_order():
    def lengths(*experiments):
        return [experiment.run("eager").hook.steps for experiment in experiments]

    def made(env, seed):
        return Experiment(RandomPolicy(), env, episodes(4), StepsPerEpisode(), seed=seed)

    env = CartPole()
    assert lengths(made(env, 0), made(env, 1)) == lengths(made(CartPole(), 0), made(CartPole(), 1))
    again = made(env, 0)
    assert lengths(again, again)[0] != lengths(again)[0]  # a second run goes on


def test_evaluation_in_the_same_jax_environment_repeats_itself():
    env = CartPole()
    answers = [evaluate(RandomPolicy(), env, 5, seed=seed).lengths.tolist() for seed in (3, 4, 3)]
    assert answers[0] == answers[2] != answers[1]


@struct
class Left(Policy):
    def plan(self, env):
        return 0 * env.state()


@pytest.mark.parametrize(
    ("policy", "env", "engine", "expected"),
    [
        (Left, lambda: RandomWalk1D(3), "auto", "compiled: JAX can trace all of its parts"),
        (Left, lambda: RandomWalk1D(3), "compiled", "compiled: as asked"),
        (Left, lambda: RandomWalk1D(3), "eager", "eager: as asked"),
        (Still, lambda: RandomWalk1D(3), "auto", "eager: policy is of class Still, which is no @struct"),
        (Left, lambda: Corridor(1), "auto", "eager: Corridor is no JAX environment; a JAX environment is a @struct"),
    ],
)
def test_the_engine_is_chosen_by_what_can_be_traced_and_named(policy, env, engine, expected):
    hook = StepsPerEpisode()
    experiment = Experiment(policy(), env(), steps(4), hook, seed=0).run(engine)
    assert experiment.engine.startswith(expected)
    assert experiment.engine.startswith("compiled") or experiment.compile_seconds == 0
    assert hook.steps == [1, 1, 1, 1]


def test_an_engine_that_can_t_run_it_is_refused_before_anything_is_called():
    hook = DoEveryNSteps(lambda t, policy, env: None)
    experiment = Experiment(Still(), Corridor(2), steps(4), hook)
    for engine, message in [
        ("fast", "engine is 'fast', expected 'auto', 'eager' or 'compiled'"),
        ("compiled", "the experiment can't be run as one program: Corridor is no JAX environment"),
    ]:
        with pytest.raises(ConfigError, match=message):
            experiment.run(engine)
    assert (experiment.stop_reason, experiment.engine) == (None, None)
    assert experiment.run("eager").stop_reason == "StopAfterNSteps(4)"


def test_an_environment_in_use_is_refused():
    class Nested(Hook):
        def post_act(self, policy, env):
            evaluate(policy, env, 1)

    with pytest.raises(ConfigError, match="in use by a running experiment"):
        run(Still(), Corridor(3), hook=Nested())


@pytest.mark.parametrize(
    "same", [lambda env: env, lambda env: gymnasium.wrappers.TimeLimit(env.unwrapped, 5), as_environment]
)
def test_the_source_of_an_environment_in_use_is_refused(same):
    env = gymnasium.make("CartPole-v1")

    def nested(t, policy, adapter):
        evaluate(policy, same(env), 1)

    with pytest.raises(ConfigError, match="CartPole-v1 is in use by a running experiment"):
        run(Still(), env, hook=DoEveryNEpisodes(nested))
    assert evaluate(Still(), env, 2).lengths.min() > 0  # free again


def test_a_row_of_a_vector_environment_in_use_is_refused():
    envs = counts((2, 3), AutoresetMode.NEXT_STEP)

    def nested(t, policy, adapter):
        evaluate(policy, envs.envs[1], 1)

    with pytest.raises(ConfigError, match="in use by a running experiment"):
        run(Still(), envs, hook=DoEveryNEpisodes(nested))


def test_reasons_and_notes_are_short():
    class Loud(Hook):
        def post_act(self, policy, env):
            raise ValueError("x" * 10_000)

    class Wordy(StopCondition):
        def check(self, policy, env):
            return True

        def reason(self):
            return "because " * 1000

    experiment = Experiment(Still(), Corridor(3), steps(2), Loud())
    with pytest.raises(ValueError, match="xxx") as caught:
        experiment.run()
    assert experiment.stop_reason.startswith("ValueError: xxx")
    assert len(experiment.stop_reason) == 200
    assert all(len(note) < 300 for note in caught.value.__notes__)
    assert len(run(Still(), Corridor(3), Wordy()).stop_reason) == 200


def test_a_run_that_was_not_finite_says_so_once():
    class Diverges(Still):
        def post_act(self, env, action):
            raise RLCoreError("not finite")

        def post_experiment(self, env):
            raise RLCoreError("not finite")

    with pytest.raises(RLCoreError, match="not finite") as caught:
        run(Diverges(), Corridor(3))
    assert not any("after that" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (steps(100), "StopAfterNSteps(100)"),
        (episodes(3) | StopSignal(), "StopIfAny(StopAfterNEpisodes(3), StopSignal())"),
        (StopAfterNSeconds(1.5) & StopIfEnvTerminated(), "StopIfAll(StopAfterNSeconds(1.5), StopIfEnvTerminated())"),
        (StopAfterNoImprovement(lambda: 0.0, 4), "StopAfterNoImprovement(patience=4)"),
        (ResetAfterNSteps(4) | ResetIfEnvTerminated(), "ResetIfAny(ResetAfterNSteps(4), ResetIfEnvTerminated())"),
        (as_environment("CartPole-v1"), "SingleEnvironment(CartPole-v1)"),
        (StepsPerEpisode(), "StepsPerEpisode(0 episodes)"),
        (TotalBatchRewardPerEpisode(2), "TotalBatchRewardPerEpisode(0 episodes)"),
        (TimePerStep(), "TimePerStep(0 steps)"),
        (EmptyHook(), "EmptyHook()"),
        (DoEveryNSteps(max, 5), "DoEveryNSteps(f=max, n=5)"),
    ],
)
def test_parts_are_shown_shortly(part, text):
    assert repr(part) == text


def test_a_hook_shows_how_much_it_has_seen():
    hook = StepsPerEpisode()
    run(Still(), Corridor(2), episodes(3), hook)
    assert repr(hook) == "StepsPerEpisode(3 episodes)"


def test_evaluation_counts_returns_and_lengths():
    result = evaluate(Still(), Count(4), 3)
    assert isinstance(result, Evaluation)
    returns, lengths = result
    assert returns.tolist() == [10.0, 10.0, 10.0]
    assert lengths.tolist() == [4, 4, 4]
    assert evaluate(Still(), Count(4), 2, max_steps=2).returns.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_row_plays_its_share_so_short_episodes_are_not_favoured(mode):
    lengths = evaluate(Still(), counts((1, 10), mode), 8).lengths
    assert sorted(lengths.tolist()) == [1] * 4 + [10] * 4
    assert len(evaluate(Still(), counts((2, 2, 2), mode), 4).lengths) == 4


def test_evaluation_changes_nothing_about_the_policy():
    class Learns(Still):
        def __init__(self):
            self.random, self.calls = Random(), []

        def plan(self, env):
            return self.random.integers(2)

        def post_act(self, env, action):
            self.calls.append("keep")

        def optimise(self, stage, trajectory=None):
            self.calls.append("learn")

    policy = Learns()
    assert evaluate(policy, "CartPole-v1", 3, seed=0).lengths.min() > 0
    assert (policy.calls, policy.random.is_named()) == ([], False)

    random = RandomPolicy(seed=1)
    before = [random.random.count, *(np.asarray(leaf).tolist() for leaf in jax.tree.leaves(random))]
    evaluate(random, "CartPole-v1", 3, seed=0)
    assert [random.random.count, *(np.asarray(leaf).tolist() for leaf in jax.tree.leaves(random))] == before


def test_evaluation_is_fixed_by_its_seed():
    answers = [evaluate(RandomPolicy(seed=seed), "CartPole-v1", 5, seed=3).lengths.tolist() for seed in (1, 2)]
    assert answers[0] == answers[1]
    assert evaluate(RandomPolicy(), "CartPole-v1", 5, seed=4).lengths.tolist() != answers[0]


@pytest.mark.parametrize("arguments", [dict(n_episodes=0), dict(n_episodes=1.5), dict(max_steps=0), dict(seed=-1)])
def test_evaluation_refuses_bad_arguments(arguments):
    with pytest.raises(ConfigError, match="expected a whole number"):
        evaluate(Still(), Corridor(2), **arguments)
    with pytest.raises(ConfigError, match="derive a class from Policy"):
        evaluate(lambda state: 0, Corridor(2))


def test_evaluation_says_that_rows_which_reset_themselves_are_not_cut():
    with pytest.raises(ConfigError, match=r"^max_steps is 2, but .*resets its rows itself.*a single environment"):
        evaluate(Still(), counts((3, 4), AutoresetMode.NEXT_STEP), 2, max_steps=2)
    assert evaluate(Still(), counts((3, 4), AutoresetMode.DISABLED), 2, max_steps=2).lengths.tolist() == [2, 2]


def test_it_says_what_it_is():
    text = repr(run(Still(), Corridor(2), seed=3))
    assert text == (
        "Experiment(Still, Corridor, StopAfterNEpisodes, EmptyHook, seed=3, stop_reason='StopAfterNEpisodes(1)')"
    )
