"""What a game's class must have."""

import pytest
from gymnasium import spaces

from rlcore.environments import StackFrames, as_environment
from rlcore.errors import ConfigError
from rlcore.games import Game
from tests.environments.games import Turns


class Empty(Game):
    def step(self, action):
        pass

    def curent_player(self):
        return 0


def test_a_class_that_lacks_methods():
    with pytest.raises(ConfigError) as caught:
        as_environment(Empty())
    assert str(caught.value).splitlines() == [
        "Empty lacks the methods reset, act, players, state, reward, is_terminated, action_space, state_space, "
        "current_player of a Game; write def reset(self, seed=None), def act(self, action), def players(self), "
        "def state(self, player), def reward(self, player), def is_terminated(self, player), "
        "def action_space(self, player), def state_space(self, player), def current_player(self)",
        "Empty.curent_player looks like current_player, which Empty lacks; rename it to current_player, or to "
        "_curent_player if it is a method of your own",
        "Empty.step looks like act, which Empty lacks; rename it to act, or to _step if it is a method of your own",
    ]


def test_methods_that_take_other_arguments():
    class Wrong(Turns):
        def reward(self):
            return 0.0

        players = ("Ann", "Bob")

    with pytest.raises(ConfigError) as caught:
        as_environment(Wrong())
    assert str(caught.value).splitlines() == [
        "Wrong.players is ('Ann', 'Bob'), expected a method; write def players(self)",
        "Wrong.reward() can't be called as reward(player) (too many positional arguments); "
        "write def reward(self, player)",
    ]


def test_a_space_may_be_an_attribute_that_all_share():
    class Attribute(Turns):
        action_space = spaces.Discrete(3)

    assert as_environment(Attribute()).action_space("Cem") == spaces.Discrete(3)


def test_other_wrong_games():
    class Bad(Turns):
        dynamic_style = "simultaneous"

    class NoSpace(Turns):
        def action_space(self, player):
            return 3

    with pytest.raises(ConfigError, match=r"Bad.dynamic_style is 'simultaneous', expected a DynamicStyle"):
        as_environment(Bad())
    with pytest.raises(ConfigError, match=r"action_space\('Ann'\) of NoSpace is 3, expected a Gymnasium space"):
        as_environment(NoSpace())
    with pytest.raises(ConfigError, match="state is StackFrames, expected None"):
        as_environment(Turns(), state=StackFrames((2, 4)))
    with pytest.raises(ConfigError, match="env is an adapter already"):
        as_environment(as_environment(Turns()), reward=abs)
