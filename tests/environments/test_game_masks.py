"""Masks that games give."""

import numpy as np
import pytest
from gymnasium import spaces
from toy_games import Scripted

from rlcore.environments import as_environment
from rlcore.errors import EnvContractError
from rlcore.experiment import Experiment
from rlcore.policies import Agent, MultiAgentPolicy, RandomPolicy, SelfPlay
from rlcore.stop_conditions import StopAfterNEpisodes
from rlcore.trajectories import CircularTraces, InsertSampleRatioController, Trajectory, WholeSampler
from tests.environments.games import Turns, started


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([True] * 3, "turn 0, player 'Ann': the action mask is"),  # Bob's
        (np.ones(3, np.int8), "expected bools of shape (2,), one per action; correct the game"),
        ([0.5, 0.5], "player 'Ann': the action mask is [0.5, 0.5] (float64 of shape (2,))"),
        ([False, False], "player 'Ann': the action mask allows no action though it is the player's move"),
    ],
)
def test_masks_that_do_not_fit(mask, message):
    game = started(mask=mask)
    for ask in (game.legal_action_mask, lambda: game.act(0)):
        with pytest.raises(EnvContractError) as caught:
            ask()
        assert message in str(caught.value)


def kept(policy, game):
    Experiment(policy, game, StopAfterNEpisodes(2, show_progress=False), seed=0).run()
    agents = [policy.policy] if isinstance(policy, SelfPlay) else policy.policies.values()
    return [agent.trajectory.container.whole() for agent in agents]


def agent():
    return Agent(RandomPolicy(), Trajectory(CircularTraces(40), WholeSampler(), InsertSampleRatioController()))


class Silent(Scripted):
    """Gives no mask to player b, and none at the end."""

    def legal_action_mask(self, player):
        return None if player == "b" or self.is_finished() else [True, False, True]


def test_where_no_mask_comes_after_one_everything_is_legal():
    every, some = [True] * 3, [True, False, True]
    for policy in (SelfPlay(agent()), MultiAgentPolicy({"a": agent(), "b": agent()})):
        batches = kept(policy, Silent("abab"))
        assert np.concatenate([batch.mask for batch in batches]).tolist() == [some] * 4 + [every] * 4
        assert np.concatenate([batch.next_mask for batch in batches]).tolist() == [some, every] * 2 + [every] * 4


class Half(Scripted):
    """Gives a mask to player b, who is not the first to move."""

    def legal_action_mask(self, player):
        return [True, False, True] if player == "b" else None


def test_that_there_are_masks_is_known_before_the_first_move():
    every, some = [True] * 3, [True, False, True]
    for policy in (SelfPlay(agent()), MultiAgentPolicy({"a": agent(), "b": agent()})):
        batches = kept(policy, Half("abab"))
        assert np.concatenate([batch.mask for batch in batches]).tolist() == [every] * 4 + [some] * 4
        assert np.concatenate([batch.next_mask for batch in batches]).tolist() == [every] * 4 + [some] * 4


def test_who_is_not_to_move_may_have_no_legal_action():
    game = started(mask=[False] * 3)
    assert game.legal_action_mask("Bob").tolist() == [False] * 3


class Masked(Turns):
    """Gives its masks inside the states."""

    def state_space(self, player):
        n = 3 if player == "Bob" else 2
        return spaces.Dict({"observation": spaces.Box(0, 100, (2,), np.float32), "action_mask": spaces.MultiBinary(n)})

    def state(self, player):
        observation = np.array([self.turn, 0], np.float32)
        mask = np.arange(3 if player == "Bob" else 2, dtype=np.int8) > 0
        return self.answers.get("state", {"observation": observation, "action_mask": mask.astype(np.int8)})


def test_masks_inside_the_states():
    game = as_environment(Masked())
    game.reset()
    assert game.state_space("Bob") == spaces.Box(0, 100, (2,), np.float32)
    assert game.legal_action_mask().tolist() == [False, True] and game.state().tolist() == [0, 0]
    assert game.legal_action_mask("Bob").tolist() == [False, True, True]
    with pytest.raises(EnvContractError, match=r"player 'Ann': the action is 0, which is illegal; legal are \[1\]"):
        game.act(0)
    game.act(1)
    game.source.answers["state"] = {"observation": np.zeros(2, np.float32), "action_mask": np.ones(2, np.int8)}
    with pytest.raises(EnvContractError, match=r"player 'Bob': the action mask is .*, expected bools of shape .3,."):
        game.act(0)
    game.source.answers["state"] = np.zeros(2)
    with pytest.raises(EnvContractError, match="player 'Cem': the state is"):
        game.state("Cem")


def test_a_mask_that_the_space_promises_must_come():
    game = as_environment(Masked())
    game.reset()
    game.source.answers["state"] = {"observation": np.zeros(2, np.float32)}
    with pytest.raises(EnvContractError, match=r"turn 0, player 'Ann': the action mask is 'missing'.*shape .2,."):
        game.act(0)


@pytest.mark.parametrize("mask", [[1, 0], [True, False], (True, False), np.array([1, 0]), np.array([1, 0], np.uint8)])
def test_masks_of_every_kind(mask):
    game = started(mask=mask)
    for _ in range(2):
        answered = game.legal_action_mask()
        assert answered.dtype == bool and answered.tolist() == [True, False]


@pytest.mark.parametrize("mask", [[2, 0], [10**30, 0], [-1, 1], [None, 1], "10", np.ones((1, 2), bool), 1])
def test_masks_that_are_none(mask):
    game = started(mask=mask)
    with pytest.raises(EnvContractError, match="Turns, game 1, turn 0, player 'Ann': the action mask is"):
        game.legal_action_mask()


def test_what_is_done_to_a_mask_of_the_game_changes_no_mask_of_ours():
    mask = np.array([True, False])
    game = started(mask=mask)
    first = game.legal_action_mask()
    mask[:] = False, True
    assert first.tolist() == [True, False]
    game.act(0)
    game.source.answers["mask"] = mask
    assert game.legal_action_mask("Ann").tolist() == [False, True] and first.tolist() == [True, False]


class Leaves(Scripted):
    """Whoever is out may do nothing."""

    def legal_action_mask(self, player):
        return np.full(3, not self.is_over(player))


def test_who_moves_and_leaves_may_have_nothing_left_to_do():
    game = as_environment(Leaves("abbc", out={1: "a", 3: "b"}, players="abc"))
    game.reset()
    for _ in range(4):
        game.act(0)
    assert game.is_over()
    assert not any(game.legal_action_mask(player).any() for player in "abc")
