import gymnasium
import pytest
from gymnasium.envs.phys2d.cartpole import CartPoleFunctional

from rlcore.environments import CartPole, FunctionalEnvironment, GymnaxEnvironment, PgxEnvironment
from rlcore.environments.libraries import wrap_functional
from rlcore.errors import ConfigError


def test_a_functional_one_of_gymnasium():
    inner = CartPoleFunctional()
    env = wrap_functional(inner)
    assert isinstance(env, FunctionalEnvironment) and env.func_env.value is inner


def test_one_of_gymnax():
    inner, params = pytest.importorskip("gymnax").make("CartPole-v1")
    env = wrap_functional(inner)
    assert isinstance(env, GymnaxEnvironment) and env.env.value is inner and env.params == params


def test_one_of_pgx():
    pgx = pytest.importorskip("pgx")
    env = wrap_functional(pgx.make("2048"))
    assert isinstance(env, PgxEnvironment) and env.env.value.id == "2048"
    with pytest.raises(ConfigError, match="chess is a game of 2 players"):
        wrap_functional(pgx.make("chess"))


@pytest.mark.parametrize(
    "other", [None, "CartPole-v1", CartPole(), CartPoleFunctional, gymnasium.make("CartPole-v1")], ids=repr
)
def test_anything_else_is_left_alone(other):
    assert wrap_functional(other) is None
