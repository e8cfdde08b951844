"""Who beats whom: counts by hand, fair seats, nothing about the policies changes."""

import numpy as np
import pytest
from toy_games import Scripted
from worlds import Corridor, Still

from rlcore.approximators import TabularQApproximator
from rlcore.environments import KuhnPoker, MatrixGame, RockPaperScissors, TicTacToe, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.experiment import Experiment, evaluate
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook
from rlcore.learners import TDLearner
from rlcore.policies import Agent, MultiAgentPolicy, QBasedPolicy, RandomPolicy, SelfPlay
from rlcore.stop_conditions import StopAfterNEpisodes
from rlcore.tournament import tournament
from rlcore.trajectories import InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler


def always(action):
    return lambda state, mask: action


ROCK, PAPER, SCISSORS = map(always, range(3))


def test_wins_draws_scores_and_returns_of_rock_paper_scissors():
    played = tournament({"rock": ROCK, "paper": PAPER, "rock too": always(0)}, RockPaperScissors(n_rounds=3), 10)
    assert played.names == ("rock", "paper", "rock too")
    assert played.games.tolist() == [[0, 10, 10], [10, 0, 10], [10, 10, 0]]
    assert played.wins.tolist() == [[0, 0, 0], [10, 0, 10], [0, 0, 0]]
    assert played.losses.tolist() == [[0, 10, 0], [0, 0, 0], [0, 10, 0]]
    assert played.draws.tolist() == [[0, 0, 10], [0, 0, 0], [10, 0, 0]]
    assert played.scores[0, 1:].tolist() == [0, 0.5]
    assert np.isnan(played.scores.diagonal()).all()
    assert played.returns[1, [0, 2]].tolist() == [3, 3]  # three rounds of 1
    assert played.returns[0, [1, 2]].tolist() == [-3, 0]
    score, low, high = played.score("paper")
    assert score == 1
    assert high == pytest.approx(1)
    assert low == pytest.approx(1 / (1 + 1.959964**2 / 20))  # Wilson's interval where all of n are won
    assert played.score("rock", against="rock too")[0] == 0.5
    assert played.intervals[0, 1, 1] == pytest.approx(1 - 1 / (1 + 1.959964**2 / 10))


def test_the_table_is_written_out_best_first():
    played = tournament({"rock": ROCK, "paper": PAPER}, RockPaperScissors(), 10)
    assert str(played).splitlines() == [
        "         score     95% interval   paper    rock",
        "paper    1.000   0.722 to 1.000           1.000",
        "rock     0.000   0.000 to 0.278   0.000",
    ]


def test_every_policy_sits_in_every_seat_equally_often():
    """Player 0 gets 1, player 1 gets 2, player 2 gets 3, whatever they do."""
    payoffs = np.broadcast_to([1.0, 2.0, 3.0], (2, 2, 2, 3))
    policies = {name: always(0) for name in "abc"}
    played = tournament(policies, MatrixGame(payoffs), 12)
    off = ~np.eye(3, dtype=bool)
    assert (played.games[off] == 12).all()
    assert (played.wins[off] == 6).all()
    assert (played.returns[off] == 2).all()
    uneven = tournament(policies, MatrixGame(payoffs), 8)  # six seatings; two are played once more
    assert (uneven.games[off] == 8).all()
    assert abs(uneven.wins - uneven.losses).max() <= 2


def test_more_policies_than_players_meet_in_groups():
    payoffs = np.zeros((2, 2, 2, 3))
    played = tournament({name: always(0) for name in "abcd"}, MatrixGame(payoffs), 6)
    assert (played.games[~np.eye(4, dtype=bool)] == 12).all()  # two of the four groups hold both
    assert (played.draws == played.games).all()


def table(action):
    """An agent whose best action is `action`, and which explores half of the time."""
    values = np.zeros((3**9, 9), np.float32)
    values[:, action] = 1
    learner = TDLearner(TabularQApproximator(3**9, 9))
    learner.approximator.table[:] = values
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(0.5, seed=1))
    return Agent(policy, Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController()))


def test_the_greedy_views_play_and_nothing_changes():
    agent, random, own = table(4), RandomPolicy(seed=3), table(0)
    tables = [one.policy.learner.approximator.table.copy() for one in (agent, own)]
    policies = {"agent": agent, "random": random, "unnamed": RandomPolicy(), "self-play": SelfPlay(own)}
    first = tournament(policies, TicTacToe(), 20, seed=1)
    assert random.random.count == 0
    assert not policies["unnamed"].random.is_named()
    assert agent.policy.explorer.step == own.policy.explorer.step == 1
    assert agent.policy.explorer.random.count == 0
    assert len(agent.trajectory) == 0
    for one, before in zip((agent, own), tables, strict=True):
        assert np.array_equal(one.policy.learner.approximator.table, before)
    again = tournament(policies, TicTacToe(), 20, seed=1)
    assert np.array_equal(first.wins, again.wins)
    other = tournament(policies, TicTacToe(), 20, seed=2)
    assert not np.array_equal(first.wins, other.wins)


def test_the_order_of_the_policies_changes_the_order_of_the_table_only():
    def policies():
        return {"a": RandomPolicy(), "b": RandomPolicy(), "c": always_first}

    one = tournament(policies(), TicTacToe(), 31, seed=4)
    other = tournament(dict(reversed(policies().items())), TicTacToe(), 31, seed=4)
    assert other.names == ("c", "b", "a")
    assert np.array_equal(one.wins, other.wins[::-1, ::-1])
    assert np.array_equal(one.returns, other.returns[::-1, ::-1], equal_nan=True)


def always_first(state, mask):
    return int(mask.argmax())


def test_who_begins_wins_tic_tac_toe_with_the_first_cell_rule():
    """The two play the same game with colours swapped, so that each wins half."""
    played = tournament({"one": always_first, "two": lambda state, mask: int(mask.argmax())}, TicTacToe(), 10)
    assert played.wins.tolist() == [[0, 5], [5, 0]]


def test_a_policy_of_several_players_plays_with_the_one_of_the_seat():
    pair = MultiAgentPolicy({0: ROCK, 1: PAPER})
    played = tournament({"pair": pair, "rock": ROCK}, RockPaperScissors(), 4)
    assert played.wins[0, 1] == 2  # as player 1
    assert played.draws[0, 1] == 2


def test_chance_takes_part():
    played = tournament({"a": always(1), "b": RandomPolicy()}, KuhnPoker(), 300, seed=0)
    assert played.draws.sum() == 0
    assert played.returns[0, 1] == -played.returns[1, 0]
    assert 0 < played.wins[0, 1] < 300


def test_rewards_before_a_players_first_move_count():
    """Turns 1 and 2 pay 1 + 2 to a and 10 + 20 to b, though b moves at the second only."""
    played = tournament({"x": always(0), "y": always(0)}, Scripted("ab"), 2)
    assert played.returns[0, 1] == (3 + 30) / 2


@pytest.mark.parametrize(
    ("policies", "env", "message"),
    [
        ({"a": ROCK}, RockPaperScissors(), "expected a dict of at least two policies"),
        ([ROCK, PAPER], RockPaperScissors(), "expected a dict of at least two policies"),
        ({"a": 1, "b": ROCK}, RockPaperScissors(), "policy 'a' is 1, expected a policy or a function"),
        ({"a": ROCK, "b": ROCK}, MatrixGame(np.zeros((2, 2, 2, 3))), "there are 2 policies, expected at least 3"),
        ({"a": Still(), "b": Still()}, Corridor(), r"no players, expected a game; evaluate\(policy, env\)"),
    ],
)
def test_wrong_arguments(policies, env, message):
    with pytest.raises(ConfigError, match=message):
        tournament(policies, env)


def test_one_policy_under_two_names_and_other_wrong_arguments():
    policy = RandomPolicy()
    with pytest.raises(ConfigError, match="the same policy stands under two names"):
        tournament({"a": policy, "b": policy}, RockPaperScissors())
    with pytest.raises(ConfigError, match="n_games is 0"):
        tournament({"a": ROCK, "b": PAPER}, RockPaperScissors(), 0)
    with pytest.raises(ConfigError, match=r"confidence is 1\.0"):
        tournament({"a": ROCK, "b": PAPER}, RockPaperScissors(), confidence=1.0)
    with pytest.raises(ConfigError, match="there is no policy 'z', expected one of 'a', 'b'"):
        tournament({"a": ROCK, "b": PAPER}, RockPaperScissors(), 2).score("z")


def test_evaluate_refuses_games_and_says_what_to_do():
    with pytest.raises(ConfigError, match=r"TicTacToe has the players 'x', 'o'.*tournament\(\{name: policy"):
        evaluate(SelfPlay(RandomPolicy()), TicTacToe())


def test_who_draws_at_random_draws_anew_in_every_seat():
    """Else two random policies would play every game twice, with seats swapped, and win the same."""
    played = [tournament({"a": RandomPolicy(), "b": RandomPolicy()}, TicTacToe(), 60, seed=seed) for seed in range(4)]
    assert any(one.wins[0, 1] != one.wins[1, 0] for one in played)


@pytest.mark.parametrize("game", [KuhnPoker(), KuhnPoker(seed=3)])
def test_chance_deals_every_seating_the_same_and_every_tournament(game):
    def watching():
        return lambda state, mask: deals.append(env.game.cards) or 1

    env, all_deals = as_environment(game), []
    for _ in range(2):
        deals = []
        tournament({"a": watching(), "b": watching()}, env, 20, seed=1)
        assert deals[:20] == deals[20:] and len({*deals}) > 2
        all_deals.append(deals)
    assert all_deals[0] == all_deals[1]
    assert game.random.count == 0


def test_an_error_says_who_was_who():
    policies = {"a": RandomPolicy(), "b": lambda state, mask: 9}
    with pytest.raises(EnvContractError, match="player 'o': the action is 9") as caught:
        tournament(policies, TicTacToe(), 2, seed=0)
    assert "in the tournament 'a' was 'x', 'b' was 'o'" in caught.value.__notes__


class Joined(Scripted):
    def possible_players(self):
        return self.everybody


def test_who_may_join_later_takes_part():
    game = Joined("abc", joins={2: "c"}, players="abc", is_growing=True)
    played = tournament({name: always(0) for name in "xyz"}, game, 6)
    off = ~np.eye(3, dtype=bool)
    assert (played.games[off] == 6).all() and (played.wins[off] == 3).all()


def test_a_game_without_end_is_cut():
    played = tournament({"rock": ROCK, "paper": PAPER}, RockPaperScissors(n_rounds=None), 4, max_steps=5)
    assert played.games[0, 1] == 4
    assert played.returns[1, 0] == 5  # what was won until then
    with pytest.raises(ConfigError, match="max_steps is 0"):
        tournament({"rock": ROCK, "paper": PAPER}, RockPaperScissors(), max_steps=0)


def test_each_of_two_experiments_in_one_game_has_its_own_seed():
    def deals(env, *seeds):
        built = [Experiment(random_policies(), env, StopAfterNEpisodes(20), Deals(), seed=seed) for seed in seeds]
        return [one.run().hook.deals for one in built]

    class Deals(Hook):
        def pre_experiment(self, policy, env):
            self.deals = []

        def pre_act(self, policy, env):
            self.deals.append(env.state(env.current_player()))

    def random_policies():
        return MultiAgentPolicy({player: RandomPolicy(seed=player) for player in KuhnPoker().players()})

    one, other = deals(KuhnPoker(), 1), deals(KuhnPoker(), 2)
    both = deals(KuhnPoker(), 1, 2)
    assert [str(deal) for deal in both] == [str(deal) for deal in (*one, *other)]
    assert str(both[0]) != str(both[1])
