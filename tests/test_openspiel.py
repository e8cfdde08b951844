"""Exploitability and solutions by OpenSpiel, for policies and games of ours; skipped without it."""

import numpy as np
import pytest
from worlds import Still

from rlcore.environments import KuhnPoker, OpenSpielGame, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.experiment import Experiment
from rlcore.interfaces import BareState, Policy
from rlcore.policies import MultiAgentPolicy, RandomPolicy, SelfPlay
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps
from rlcore.tournament import tournament

pyspiel = pytest.importorskip("pyspiel")
openspiel = pytest.importorskip("rlcore.openspiel")

UNIFORM = 11 / 24  # of Kuhn poker, where a best response wins 0.5 as player 0 and 5/12 as player 1


@pytest.fixture(scope="module")
def kuhn():
    return pyspiel.load_game("kuhn_poker")


def our_state(node, player):
    """What our own Kuhn poker shows at a node of OpenSpiel's."""
    poker = KuhnPoker()
    first, second, *moves = node.history()
    poker.cards, poker.history = (first, second), "".join("pb"[move] for move in moves)
    return poker.state(player)


def test_uniform_play_is_as_exploitable_as_is_known(kuhn):
    everybody = SelfPlay(RandomPolicy())
    assert openspiel.exploitability(everybody, kuhn) == pytest.approx(UNIFORM)
    assert openspiel.exploitability(everybody, OpenSpielGame(kuhn, numbered=True)) == pytest.approx(UNIFORM)


class Equilibrium(Policy):
    """Player 0 bets a king with 3 alpha and a jack with alpha; cards 0, 1, 2 are jack, queen, king."""

    alpha = 0.2

    def plan(self, env):
        return 0

    def prob(self, env):
        card, history = divmod(env.state(), 9)
        bet = {
            (0, 0): self.alpha, (1, 0): 0.0, (2, 0): 3 * self.alpha,
            (0, 1): 1 / 3, (1, 1): 0.0, (2, 1): 1.0,
            (0, 2): 0.0, (1, 2): 1 / 3, (2, 2): 1.0,
            (0, 4): 0.0, (1, 4): self.alpha + 1 / 3, (2, 4): 1.0,
        }[card, history]  # fmt: skip
        return np.array([1 - bet, bet])


def test_the_known_equilibria_are_not_exploitable(kuhn):
    policy = MultiAgentPolicy({0: Equilibrium(), 1: Equilibrium()})
    assert openspiel.exploitability(policy, kuhn, our_state) == pytest.approx(0, abs=1e-12)
    policy[1].alpha = 0.0  # player 1's part does not depend on it
    assert openspiel.exploitability(policy, kuhn, our_state) == pytest.approx(0, abs=1e-12)
    policy[0].alpha = 0.5
    with pytest.raises(ConfigError, match="expected probabilities of the legal actions"):
        openspiel.exploitability(policy, kuhn, our_state)  # bets a king with 1.5


def test_a_solved_policy_is_near_an_equilibrium_in_every_form_of_state(kuhn):
    numbered = OpenSpielGame(kuhn, numbered=True)
    for game, state in ((kuhn, None), (numbered, None), (kuhn, our_state)):
        solved = openspiel.SolvedPolicy(game, 200, state)
        assert openspiel.exploitability(SelfPlay(solved), game, state) < 0.002


def test_a_solved_policy_plays_as_it_says_and_wins_of_a_random_one(kuhn):
    solved = openspiel.SolvedPolicy(kuhn, 200, our_state, seed=1)
    drawn = [solved(our_state(kuhn.new_initial_state().child(0).child(1), 0)) for _ in range(3_000)]
    bets = solved.prob(BareState(0))[1]  # with a jack
    assert np.mean(drawn) == pytest.approx(bets, abs=4 * np.sqrt(bets * (1 - bets) / 3_000) + 1e-9)
    played = tournament({"solved": solved, "random": RandomPolicy()}, KuhnPoker(seed=1), 3_000, seed=1)
    assert played.returns[0, 1] > 0.1
    opponents = MultiAgentPolicy({0: openspiel.SolvedPolicy(kuhn, 200), 1: openspiel.SolvedPolicy(kuhn, 200)})
    Experiment(opponents, kuhn, StopAfterNSteps(50, show_progress=False), seed=0).run()


def test_the_hook_measures_before_the_first_and_after_every_nth_game(kuhn):
    hook = openspiel.Exploitability(kuhn, n=3)
    experiment = Experiment(SelfPlay(RandomPolicy()), kuhn, StopAfterNEpisodes(7, show_progress=False), hook, seed=0)
    for _ in range(2):
        experiment.run()
        assert hook.games == [0, 3, 6]
        assert hook.result() == pytest.approx([UNIFORM] * 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("matrix_rps", r"matrix_rps is a game of simultaneous moves.*convert_to_turn_based\(game\)"),
        ("kuhn_poker(players=3)", "kuhn_poker is a game of 3 players and ZERO_SUM, but OpenSpiel's exploitability"),
        ("tiny_hanabi", "tiny_hanabi is a game of 2 players and IDENTICAL, but OpenSpiel's exploitability"),
    ],
)
def test_games_without_an_exploitability(name, message):
    game = pyspiel.load_game(name)
    for measure in (openspiel.Exploitability, lambda game: openspiel.exploitability(SelfPlay(RandomPolicy()), game)):
        with pytest.raises(ConfigError, match=message):
            measure(game)


def test_a_solution_is_that_of_a_game_by_turns():
    game = pyspiel.load_game("matrix_rps")
    with pytest.raises(ConfigError, match="simultaneous moves, expected one by turns"):
        openspiel.SolvedPolicy(game, 1)
    by_turns = pyspiel.convert_to_turn_based(game)
    assert openspiel.exploitability(SelfPlay(openspiel.SolvedPolicy(by_turns, 50)), by_turns) < 0.01


class Short(Still):
    def prob(self, env):
        return np.ones(1)


def test_policies_without_probabilities_are_named(kuhn):
    def measured(one):
        return openspiel.exploitability(MultiAgentPolicy({0: RandomPolicy(), 1: one}), kuhn)

    with pytest.raises(
        ConfigError, match="player 1's policy gives no probabilities to measure: FunctionPolicy has not"
    ):
        measured(lambda state, mask: 0)
    with pytest.raises(ConfigError, match=r"prob of player 1's policy is \[1.0\] at '.*', expected probabilities of"):
        measured(Short())
    with pytest.raises(ConfigError, match="policy is None, expected a Policy"):
        openspiel.exploitability(None, kuhn)


def test_what_is_no_game_and_what_was_not_solved(kuhn):
    with pytest.raises(ConfigError, match="game is 'kuhn_poker', expected a game of OpenSpiel"):
        openspiel.Exploitability("kuhn_poker")
    with pytest.raises(ConfigError, match="n is 0"):
        openspiel.Exploitability(kuhn, n=0)
    with pytest.raises(ConfigError, match="n_iterations"):
        openspiel.SolvedPolicy(kuhn, 0)
    solved = openspiel.SolvedPolicy(kuhn, 1)
    env = as_environment(KuhnPoker())
    with pytest.raises(EnvContractError, match="is none of the 12 that were solved"):
        Experiment(MultiAgentPolicy({0: solved, 1: Still()}), env, StopAfterNSteps(9), seed=0).run()
