"""One door for every kind of environment."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlcore import Experiment, run
from rlcore.environments import RandomWalk1D, SingleEnvironment, VectorEnvironment, as_environment
from rlcore.environments.check_answers import same
from rlcore.environments.jax_environment import JaxEnvironment
from rlcore.errors import ConfigError
from rlcore.hooks import StepsPerEpisode
from rlcore.interfaces import Environment
from rlcore.policies import RandomPolicy
from rlcore.random import seed_number
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.struct import struct
from tests.environments.own import Own
from tests.environments.worlds import Counter


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ("CartPole-v1", "CartPole-v1"),
        (lambda: gymnasium.make("CartPole-v1"), "CartPole-v1"),
        (Counter, "Counter"),
        (Own, "Own"),
    ],
)
def test_single_environments(env, name):
    adapter = as_environment(env if isinstance(env, str) else env())
    assert type(adapter) is SingleEnvironment and adapter.name == name and adapter.num_envs is None
    assert as_environment(adapter) is adapter and not adapter.is_in_use


@pytest.mark.parametrize("n", [1, 3])
def test_copies_of_an_id_side_by_side(n):
    adapter = as_environment("CartPole-v1", num_envs=n)
    assert type(adapter) is VectorEnvironment and adapter.num_envs == n and as_environment(adapter) is adapter
    adapter.reset(seed=0)
    assert adapter.state().shape == (n, 4)


@pytest.mark.parametrize("env", [None, 3, Counter, Own, object(), [Counter()], len])
def test_what_is_no_environment(env):
    with pytest.raises(ConfigError, match="expected a Gymnasium id, environment or vector") as caught:
        as_environment(env)
    assert ("pass an instance" in str(caught.value)) == isinstance(env, type)


@pytest.mark.parametrize("name", ["NoSuch-v0", "", "CartPole-v99"])
@pytest.mark.parametrize("num_envs", [None, 2])
def test_unknown_ids(name, num_envs):
    with pytest.raises(ConfigError, match="expected the id of a Gymnasium environment"):
        as_environment(name, num_envs=num_envs)


@pytest.mark.parametrize("num_envs", [0, -1, 1.5, True, "2"])
def test_bad_counts(num_envs):
    with pytest.raises(ConfigError, match="num_envs"):
        as_environment("CartPole-v1", num_envs=num_envs)


def test_a_struct_is_a_jax_environment():
    walk = RandomWalk1D()
    adapter = as_environment(walk)
    assert type(adapter) is JaxEnvironment and isinstance(adapter, SingleEnvironment)
    assert adapter.source is walk and adapter.name == "RandomWalk1D" and adapter.num_envs is None
    assert as_environment(adapter) is adapter and not adapter.is_in_use
    rows = as_environment(RandomWalk1D(), num_envs=3)
    assert isinstance(rows, VectorEnvironment) and rows.num_envs == 3 and as_environment(rows) is rows


def test_a_struct_that_can_t_be_traced_is_stepped_by_python():
    @struct
    class Reckless(RandomWalk1D):
        def reward(self):
            return 1.0 if self.position > 3 else 0.0

    adapter = as_environment(Reckless())
    assert type(adapter) is SingleEnvironment
    assert "Reckless.reward (field position)" in adapter.why_untraced
    assert "can't be traced" in adapter.why_untraced and "jnp.where" in adapter.why_untraced
    adapter.reset()
    adapter.act(1)
    assert adapter.reward() == 1.0


def test_copies_need_an_id_or_a_struct():
    with pytest.raises(ConfigError, match="copies are made of a Gymnasium id or a JAX environment"):
        as_environment(Counter(), num_envs=2)


def test_an_adapter_takes_no_functions():
    with pytest.raises(ConfigError, match="adapter already"):
        as_environment(as_environment(Counter()), reward=abs)
    with pytest.raises(ConfigError, match="adapter already"):
        as_environment(as_environment(Counter()), num_envs=2)


@pytest.mark.parametrize("kind", ["observation_space", "action_space"])
def test_gymnasium_environments_without_spaces(kind):
    env = Counter()
    delattr(env, kind)
    with pytest.raises(ConfigError, match=f"{kind} of Counter is None, expected a Gymnasium space"):
        as_environment(env)


def test_own_environments_without_spaces():
    class Spaceless(Own):
        def state_space(self):
            raise NotImplementedError

    with pytest.raises(ConfigError, match="state_space of Spaceless is None"):
        as_environment(Spaceless())


def test_own_environments_whose_reset_takes_no_seed():
    class Seedless(Own):
        def reset(self):
            super().reset()

    class Open(Own):
        def reset(self, **named):
            super().reset(**named)

    class Positional(Own):
        def reset(self, seed=None, /):
            super().reset(seed)

    for kind, expected in ((Seedless, None), (Open, 3), (Positional, None)):
        own = kind()
        env = as_environment(own)
        env.reset(seed=3), env.reset()
        assert own.seeds == [expected, None], kind


@pytest.mark.parametrize("where", ["class", "instance"])
def test_spaces_that_are_attributes(where):
    class Habit(Own):
        pass

    own = Habit()
    owner = Habit if where == "class" else own
    owner.action_space, owner.state_space = spaces.Discrete(2), spaces.Discrete(4)
    env = Experiment(RandomPolicy(), own, StopAfterNSteps(9), seed=0).run().env
    assert env.action_space() == spaces.Discrete(2) and env.state_space() == spaces.Discrete(4)


def test_all_missing_methods_are_named_at_once():
    class Gymnasium(Environment):
        observation_space = spaces.Discrete(3)
        action_space = spaces.Discrete(3)

        def reset(self, seed=None):
            pass

        def step(self, action):
            pass

        def is_terminatd(self):
            pass

    with pytest.raises(ConfigError) as caught:
        as_environment(Gymnasium())
    text = str(caught.value)
    assert text.startswith("Gymnasium lacks the methods act, state, reward, is_terminated, state_space of an Environ")
    assert (
        "def act(self, action), def state(self), def reward(self), def is_terminated(self), def state_space(self)"
        in text
    )
    for own, right in (("observation_space", "state_space"), ("step", "act"), ("is_terminatd", "is_terminated")):
        assert f"\nGymnasium.{own} looks like {right}, " in text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("act", lambda self: None, r"act\(\) can't be called as act\(action\) .*write def act\(self, action\)"),
        ("state", lambda self, player: 0, r"state\(player\) can't be called as state\(\)"),
        ("reset", lambda self, seed: None, r"reset\(seed\) can't be called .*write def reset\(self, seed=None\)"),
        ("is_truncated", lambda self, n: False, "is_truncated"),
        ("legal_action_mask", lambda self, n: None, "legal_action_mask"),
        ("reward", 0.0, r"reward is 0\.0, expected a method; write def reward\(self\), and keep .* self\._reward"),
        ("state", property(lambda self: 1 / 0), "state is a property, expected a method"),
        ("state_space", None, "state_space is None, expected a method; write def state_space"),
        ("state_space", lambda self: 4, "state_space of Wrong is 4, expected a Gymnasium space"),
    ],
)
def test_methods_that_could_not_be_called(name, value, expected):
    with pytest.raises(ConfigError, match=expected):
        as_environment(type("Wrong", (Own,), {name: value})())


def test_other_methods_of_an_own_environment_are_never_asked():
    def refuse(self, *arguments):
        raise AssertionError("an adapter answers this")

    given = ("next_state", "next_legal_action_mask", "is_over", "ended", "is_transition", "needs_reset", "truncate")
    given += ("last_action", "seed", "where", "can_truncate_rows", "step", "render")
    rich = type("Rich", (Own,), dict.fromkeys(given, refuse) | {"close": 17.5, "name": 3, "is_in_use": True})
    hook = StepsPerEpisode()
    experiment = Experiment(RandomPolicy(), rich(length=50), StopAfterNSteps(40), hook, ResetAfterNSteps(8), seed=0)
    assert experiment.run().hook.steps == [8] * 5
    experiment.env.close()


def test_copies_side_by_side_can_be_cut():
    hook = StepsPerEpisode()
    env = as_environment("CartPole-v1", num_envs=4)
    assert env.source.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    run(RandomPolicy(), env, StopAfterNSteps(120), hook, ResetAfterNSteps(6), seed=0)
    assert hook.steps == [6] * 20


def test_copies_take_no_step_for_a_reset_and_each_row_has_its_seed():
    def states(n):
        env = as_environment("CartPole-v1", num_envs=n)
        env.seed(5)
        env.reset()
        seen = []
        for _ in range(60):
            env.act(np.ones(n, int))
            assert env.is_transition().all()
            seen.append((env.state()[:2], env.next_state()[:2], env.is_terminated()[:2]))
        return seen

    two = states(2)
    for one, other in zip(two, states(5), strict=True):
        for mine, yours in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, yours)
    alone = gymnasium.make("CartPole-v1")
    alone.reset(seed=seed_number(5, "environment.1"))
    for state, next_state, terminated in two:
        following, _, over, _, _ = alone.step(1)
        np.testing.assert_array_equal(next_state[1], following)
        assert terminated[1] == over
        np.testing.assert_array_equal(state[1], alone.reset()[0] if over else following)


@pytest.mark.parametrize("name", ["CartPole-v1", "Taxi-v4", "Blackjack-v1"])
def test_copies_are_not_overwritten(name):
    env = as_environment(name, num_envs=2)
    env.reset(seed=0)
    kept = []
    for _ in range(30):
        env.act(np.ones(2, int))
        answers = (env.state(), env.next_state(), env.reward(), env.is_over(), env.legal_action_mask())
        kept.append((answers, copy.deepcopy(answers)))
    assert all(same(answers, copied) for answers, copied in kept)


def test_an_adapter_says_what_is_inside():
    assert repr(as_environment("CartPole-v1")) == "SingleEnvironment(CartPole-v1)"
    assert repr(as_environment("CartPole-v1", num_envs=4)) == "VectorEnvironment(CartPole-v1, 4 rows)"
    assert repr(as_environment(Own())) == "SingleEnvironment(Own)"


def test_own_environments_are_single():
    class Many(Own):
        num_envs = 2

    with pytest.raises(ConfigError, match="num_envs is 2, expected None"):
        as_environment(Many())


def test_unsupported_spaces_are_refused_when_built():
    env = Counter()
    env.observation_space = spaces.Text(3)
    with pytest.raises(ConfigError, match="not supported"):
        as_environment(env)
