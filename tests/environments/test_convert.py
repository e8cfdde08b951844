"""One door for every kind of environment."""

import gymnasium
import pytest
from gymnasium import spaces

from rlcore.environments import RandomWalk1D, SingleEnvironment, VectorEnvironment, as_environment
from rlcore.errors import ConfigError
from tests.environments.worlds import Counter, Own


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ("CartPole-v1", "CartPole-v1"),
        (lambda: gymnasium.make("CartPole-v1"), "CartPole-v1"),
        (Counter, "Counter"),
        (RandomWalk1D, "RandomWalk1D"),
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


def test_copies_need_an_id():
    with pytest.raises(ConfigError, match="copies are made of a Gymnasium id only"):
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
            pass

    class Open(Own):
        def reset(self, **named):
            super().reset(**named)

    with pytest.raises(ConfigError, match=r"Seedless\.reset takes no seed"):
        as_environment(Seedless())
    as_environment(Open()).reset(seed=3)


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
