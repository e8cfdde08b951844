import itertools

import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import KuhnPoker, as_environment
from rlcore.errors import ConfigError

PASS, BET = 0, 1
HIGHER = "the player with the higher card"
PAYOFFS = [  # moves, winner, chips: the whole table of the rules
    ([PASS, PASS], HIGHER, 1),
    ([BET, PASS], 0, 1),
    ([BET, BET], HIGHER, 2),
    ([PASS, BET, PASS], 1, 1),
    ([PASS, BET, BET], HIGHER, 2),
]
DEALS = [*itertools.permutations(range(3), 2)]


def dealt(cards, numbered=True):
    game = KuhnPoker(numbered, seed=0)
    while game.cards != cards:
        game.reset()
    return game


@pytest.mark.parametrize("cards", DEALS)
@pytest.mark.parametrize(("moves", "winner", "chips"), PAYOFFS)
def test_payoffs(cards, moves, winner, chips):
    game = dealt(cards)
    for turn, move in enumerate(moves):
        assert game.current_player() == turn % 2 and game.active_players() == (0, 1)
        assert game.reward(0) == game.reward(1) == 0.0 and not game.is_terminated(0)
        game.act(move)
    assert game.is_terminated(0) and game.is_terminated(1)
    assert game.current_player() is None and game.active_players() == ()
    if winner is HIGHER:
        winner = cards.index(max(cards))
    assert (game.reward(winner), game.reward(1 - winner)) == (chips, -chips)


def test_players_see_their_card_and_the_moves_alone():
    seen = {}
    for cards in DEALS:
        for n_moves in range(4):
            for moves in itertools.product((PASS, BET), repeat=n_moves):
                number, array = dealt(cards), dealt(cards, numbered=False)
                for move in moves:
                    if number.active_players():
                        number.act(move), array.act(move)
                for player in (0, 1):
                    key = cards[player], number.history
                    state = number.state(player), tuple(array.state(player))
                    assert seen.setdefault(key, state) == state
    assert len(seen) == 27 and len({number for number, _ in seen.values()}) == 27 == len(
        {one for _, one in seen.values()}
    )
    assert {number for number, _ in seen.values()} == {*range(27)}
    assert seen[2, "pb"][1] == (0, 0, 1, 1, 0, 0, 1, 0, 0)


def test_the_order_of_the_numbers():
    for place, history in enumerate(["", "p", "b", "pp", "pb", "bp", "bb", "pbp", "pbb"]):
        game = dealt((1, 2))
        for move in history:
            game.act("pb".index(move))
        assert (game.state(0), game.state(1)) == (9 + place, 18 + place)


def test_deals_are_even_and_seeded():
    game, deals = KuhnPoker(seed=3), []
    for _ in range(6000):
        game.reset()
        deals.append(game.cards)
    counts = [deals.count(cards) for cards in DEALS]
    assert min(counts) > 880 and max(counts) < 1120  # 1000 each, standard deviation 29
    again = KuhnPoker()
    again.reset(seed=3)
    assert [again.cards] + [again.reset() or again.cards for _ in range(50)] == deals[:51]


def test_the_value_of_good_play_is_minus_one_eighteenth():
    """Both play the equilibrium with α = 0; the expectation is over all deals and moves."""
    bets_first = {0: 0.0, 1: 0.0, 2: 0.0}
    calls_after_pass = {0: 0.0, 1: 1 / 3, 2: 1.0}
    bets_after_pass = {0: 1 / 3, 1: 0.0, 2: 1.0}
    calls = {0: 0.0, 1: 1 / 3, 2: 1.0}
    strategies = {"": bets_first, "pb": calls_after_pass, "p": bets_after_pass, "b": calls}

    def value(game, moves):
        if game.is_terminated(0):
            return game.reward(0)
        bet = strategies[game.history][game.cards[game.current_player()]]
        total = 0.0
        for move, probability in ((PASS, 1 - bet), (BET, bet)):
            after = dealt(game.cards)
            for each in (*moves, move):
                after.act(each)
            total += probability * value(after, (*moves, move)) if probability else 0.0
        return total

    assert np.mean([value(dealt(cards), ()) for cards in DEALS]) == pytest.approx(-1 / 18)


def test_as_an_environment():
    game = as_environment(KuhnPoker())
    assert game.players() == (0, 1) and game.action_space(1) == spaces.Discrete(2)
    assert game.state_space(0) == spaces.Discrete(27)
    assert as_environment(KuhnPoker(numbered=False)).state_space(1) == spaces.Box(0.0, 1.0, (9,), np.float32)
    game.seed(1)
    game.reset()
    game.act(BET)
    game.act(PASS)
    assert game.reward() == {0: 1.0, 1: -1.0} and game.is_terminated()


def test_it_is_the_game_of_openspiel():
    pyspiel = pytest.importorskip("pyspiel")
    theirs = pyspiel.load_game("kuhn_poker")
    for cards in DEALS:
        for moves, _, _ in PAYOFFS:
            node, game = theirs.new_initial_state(), dealt(cards)
            for action in cards:
                node.apply_action(action)
            for move in moves:
                assert node.current_player() == game.current_player()
                node.apply_action(move)
                game.act(move)
            assert node.is_terminal() and node.returns() == [game.reward(0), game.reward(1)]


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="seed is -1"):
        KuhnPoker(seed=-1)
    with pytest.raises(ConfigError, match="numbered is 1, expected True or False"):
        KuhnPoker(numbered=1)
