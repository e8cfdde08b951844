"""The record of the adapter is that of a bare OpenSpiel loop with the same actions and the same chance."""

import numpy as np
import pytest
from gymnasium import spaces

from rlcore import Experiment, RandomPolicy
from rlcore.environments import OpenSpielGame, as_environment, openspiel_game
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import DynamicStyle
from rlcore.policies import MultiAgentPolicy
from rlcore.random import stream
from rlcore.stop_conditions import StopAfterNSteps

pyspiel = pytest.importorskip("pyspiel")

GAMES = [
    "tic_tac_toe",
    "kuhn_poker",
    "kuhn_poker(players=3)",
    "leduc_poker",
    "matrix_rps",
    "goofspiel(num_cards=4,imp_info=True)",
    "markov_soccer(horizon=20)",
    "coop_box_pushing(horizon=10)",
    "backgammon",
    "pig(winscore=20)",
]


def settle(node, chance):
    """Plays chance: the first outcome at which the sum of the probabilities exceeds the number drawn."""
    while node.is_chance_node():
        actions, probabilities = zip(*node.chance_outcomes(), strict=True)
        node.apply_action(actions[int(np.searchsorted(np.cumsum(probabilities), chance.uniform(), side="right"))])


def tensor(node, player):
    kind = node.get_game().get_type()
    if (
        kind.information == pyspiel.GameType.Information.PERFECT_INFORMATION
        or not kind.provides_information_state_tensor
    ):
        return node.observation_tensor(player)
    return node.information_state_tensor(player)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("n_games", [20, pytest.param(1000, marks=pytest.mark.proof)])
def test_games_equal_the_bare_loop(name, n_games):
    theirs, random, chance = pyspiel.load_game(name), np.random.default_rng(3), stream(8, "chance")
    game = as_environment(OpenSpielGame(theirs, seed=8))
    players = range(theirs.num_players())
    for _ in range(n_games):
        node = theirs.new_initial_state()
        settle(node, chance)
        game.reset()
        total = np.zeros(len(players))
        while not node.is_terminal():
            assert game.active_players() == tuple(players) and not game.is_over()
            for player in players:
                np.testing.assert_array_equal(game.state(player).ravel(), np.float32(tensor(node, player)))
                np.testing.assert_array_equal(game.legal_action_mask(player), node.legal_actions_mask(player))
            actions = {player: node.legal_actions(player) for player in players}
            actions = {player: int(random.choice(legal)) for player, legal in actions.items() if legal}
            if node.is_simultaneous_node():
                node.apply_actions([actions[player] for player in players])
                game.act(actions)
            else:
                mover = node.current_player()
                assert game.current_player() == mover
                node.apply_action(actions[mover])
                game.act(actions[mover])
            settle(node, chance)
            total += [game.reward(player) for player in players]
            np.testing.assert_allclose(total, node.returns(), atol=1e-9)
        assert game.is_over() and game.is_terminated() and not game.is_truncated()


def test_rewards_that_come_before_the_end_belong_to_their_move():
    game = as_environment(pyspiel.load_game("coop_box_pushing(horizon=3)"))
    game.reset(seed=0)
    paid = []
    while not game.is_over():
        game.act({0: 3, 1: 3})  # both stay
        paid.append(game.reward())
    assert len(paid) == 3 and paid[0] == pytest.approx({0: -0.1, 1: -0.1}, abs=0.11)
    assert sum(rewards[0] for rewards in paid) == pytest.approx(game.game.node.returns()[0])


def test_a_seed_decides_the_chance():
    def deals(seed):
        game = as_environment(pyspiel.load_game("kuhn_poker"))
        game.seed(seed)
        starts = []
        for _ in range(20):
            game.reset()
            starts.append(str(game.game.node))
        return starts

    assert deals(1) == deals(1)
    assert deals(1) != deals(2)
    assert len({*deals(1)}) == 6


def test_reset_with_a_seed_starts_the_chance_again():
    game = as_environment(pyspiel.load_game("leduc_poker"))
    starts = []
    for _ in range(2):
        game.reset(seed=4)
        first = str(game.game.node)
        game.reset()
        starts.append((first, str(game.game.node)))
    assert starts[0] == starts[1]


def test_styles_and_spaces():
    game = as_environment(pyspiel.load_game("kuhn_poker"))
    assert (game.name, game.players(), game.dynamic_style) == ("kuhn_poker", (0, 1), DynamicStyle.SEQUENTIAL)
    assert game.action_space(1) == spaces.Discrete(2)
    assert game.state_space(0).shape == (11,)
    at_once = as_environment(pyspiel.load_game("matrix_rps"))
    assert at_once.dynamic_style is DynamicStyle.SIMULTANEOUS
    at_once.reset()
    at_once.act({0: 1, 1: 0})
    assert at_once.reward() == {0: 1.0, 1: -1.0}


@pytest.mark.parametrize(("name", "n_states"), [("kuhn_poker", 12), ("leduc_poker", 936), ("tic_tac_toe", 4520)])
def test_states_are_numbered_for_tables(name, n_states):
    """The counts are those of the literature; every decision has a number of its own, and keeps it."""
    theirs = pyspiel.load_game(name)
    game = as_environment(OpenSpielGame(theirs, numbered=True, seed=0))
    assert game.state_space(0) == spaces.Discrete(n_states + 1)
    random, texts = np.random.default_rng(0), {}
    for _ in range(200):
        game.reset()
        while not game.is_over():
            player, node = game.current_player(), game.game.node
            text = node.observation_string(player) if name == "tic_tac_toe" else node.information_state_string(player)
            assert texts.setdefault(game.state(), text) == text
            game.act(int(random.choice(np.flatnonzero(game.legal_action_mask()))))
        assert game.state(0) == n_states  # nobody decides here
    assert len({*texts.values()}) == len(texts)


def test_illegal_moves():
    game = as_environment(pyspiel.load_game("tic_tac_toe"))
    game.reset()
    game.act(3)
    with pytest.raises(
        EnvContractError, match="tic_tac_toe, game 1, turn 2, player 1: the action is 3, which is illegal"
    ):
        game.act(3)
    poker = as_environment(pyspiel.load_game("kuhn_poker"))
    poker.reset()
    with pytest.raises(EnvContractError, match="turn 1, player 0: the action is 2, expected an index from 0 to 1"):
        poker.act(2)


def test_games_that_can_t_be_played(monkeypatch):
    monkeypatch.setattr(openspiel_game, "_MOST_NODES", 1000)
    with pytest.raises(ConfigError, match="MEAN_FIELD dynamics, expected moves by turns or at once"):
        as_environment(pyspiel.load_game("mfg_crowd_modelling"))
    with pytest.raises(ConfigError, match=r"connect_four has more than 1_000 nodes.*leave numbered out"):
        OpenSpielGame(pyspiel.load_game("connect_four"), numbered=True)


def test_what_is_no_game_of_openspiel():
    kuhn = pyspiel.load_game("kuhn_poker")
    for wrong, came in (("kuhn_poker", "'kuhn_poker'"), (None, "None"), (kuhn.new_initial_state(), "a State")):
        with pytest.raises(ConfigError, match=rf"game is {came}, expected a game of OpenSpiel, such as pyspiel.load"):
            OpenSpielGame(wrong)
    with pytest.raises(ConfigError, match="numbered is 'yes', expected True or False"):
        OpenSpielGame(kuhn, numbered="yes")


def test_an_experiment_plays_it():
    policy = MultiAgentPolicy({0: RandomPolicy(), 1: RandomPolicy()})
    stop = StopAfterNSteps(50, show_progress=False)
    experiment = Experiment(policy, pyspiel.load_game("leduc_poker"), stop, seed=1).run()
    assert experiment.env.episode > 5
    assert experiment.engine.startswith("eager: leduc_poker is a game of several players")
