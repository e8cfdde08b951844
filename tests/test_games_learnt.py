"""What is learnt by playing, shown by whole game trees, known values and many games; the long forms are proofs."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rlcore.policies import RandomPolicy
from rlcore.tournament import tournament

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


def example(name):
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def has_won(marks):
    return any(marks.issuperset(line) for line in LINES)


def worst(choose, own, other, is_own_turn):
    """The worst result for who plays by `choose`, over everything that the other side can do; rules of our own."""
    if has_won(own) or has_won(other):
        return 1 if has_won(own) else -1
    free = [cell for cell in range(9) if cell not in own | other]
    if not free:
        return 0
    if is_own_turn:
        cell = choose(own, other, free)
        assert cell in free
        return worst(choose, own | {cell}, other, False)
    return min(worst(choose, own, other | {cell}, True) for cell in free)


@functools.cache
def value(own, other):
    """What who is to move gets under perfect play."""
    if has_won(other):
        return -1
    free = [cell for cell in range(9) if cell not in own | other]
    return max((-value(other, own | {cell}) for cell in free), default=0)


def choose_by(agent):
    greedy = agent.greedy()

    def choose(own, other, free):
        state = sum(3**cell for cell in own) + 2 * sum(3**cell for cell in other)
        return greedy(state, np.isin(np.arange(9), free))

    return choose


def test_the_walk_finds_the_losses_of_a_policy_that_can_lose():
    assert worst(lambda own, other, free: free[0], frozenset(), frozenset(), True) == -1
    perfect = lambda own, other, free: min(free, key=lambda cell: value(other, own | {cell}))  # noqa: E731
    assert worst(perfect, frozenset(), frozenset(), True) == 0
    assert worst(perfect, frozenset(), frozenset(), False) == 0


def never_loses(seed, n_games):
    choose = choose_by(example("tic_tac_toe").train(seed, n_games))
    return [worst(choose, frozenset(), frozenset(), begins) for begins in (True, False)]


def test_self_play_learns_a_tic_tac_toe_that_never_loses():
    assert never_loses(seed=1, n_games=50_000) == [0, 0]


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_self_play_learns_a_tic_tac_toe_that_never_loses_from_every_seed(capsys):
    for seed in range(10):
        results = never_loses(seed, 50_000)
        with capsys.disabled():
            print(f"| tic-tac-toe | seed {seed} | worst result as x {results[0]}, as o {results[1]} |", flush=True)
        assert results == [0, 0]


def test_independent_learners_of_rock_paper_scissors_go_round_in_circles():
    """From rock to paper, which beats it, and on; a walk without direction would stay within 15 rounds or so."""
    module = example("rock_paper_scissors")
    hooks = module.train(1, 20_000).hook
    for player in (0, 1):
        probs = hooks[player].result()
        assert probs.mean(0) == pytest.approx([1 / 3] * 3, abs=0.03)
        assert (probs.max(0) > 0.7).all()
        assert module.rounds_of(probs) > 20


def exploitabilities(kuhn, seed, n_games):
    players = {player: kuhn.FictitiousPlay(kuhn.make_agent()) for player in (0, 1)}
    fictitious = kuhn.train(players, seed, n_games).hook
    independent = kuhn.train({player: kuhn.make_agent() for player in (0, 1)}, seed, n_games).hook
    return fictitious.values, independent.values


def test_fictitious_play_approaches_the_equilibrium_of_kuhn_poker():
    pytest.importorskip("pyspiel")
    fictitious, independent = exploitabilities(example("kuhn_poker"), 1, 30_000)
    assert fictitious[0] == pytest.approx(11 / 24)
    assert fictitious[-1] < 0.1
    assert min(independent) > 0.15


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_fictitious_play_comes_within_a_twentieth_of_the_equilibrium_of_kuhn_poker(capsys):
    pytest.importorskip("pyspiel")
    for seed in range(5):
        fictitious, independent = exploitabilities(example("kuhn_poker"), seed, 200_000)
        with capsys.disabled():
            print(
                f"| Kuhn poker | seed {seed} | fictitious play {fictitious[0]:.3f} to {fictitious[-1]:.3f} | "
                f"Q-learning {min(independent[1:]):.3f} to {max(independent[1:]):.3f}, at the end "
                f"{independent[-1]:.3f} |",
                flush=True,
            )
        assert fictitious[0] == pytest.approx(11 / 24)
        assert fictitious[-1] < 0.05
        assert min(independent) > 0.15


@pytest.mark.timeout(300)
def test_a_network_learns_connect_four():
    pytest.importorskip("pettingzoo.classic")
    four = example("connect_four")
    played = tournament({"learnt": four.train(0, 15_000), "random": RandomPolicy()}, four.make_env(), 200, seed=1)
    assert played.score("learnt")[1] > 0.6


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_network_beats_random_play_of_connect_four_in_95_of_100_games(capsys):
    pytest.importorskip("pettingzoo.classic")
    four = example("connect_four")
    played = tournament({"learnt": four.train(0), "random": RandomPolicy()}, four.make_env(), 1_000, seed=1)
    with capsys.disabled():
        print(
            f"| connect four | {played.wins[0, 1]} won, {played.draws[0, 1]} drawn of {played.games[0, 1]} |",
            flush=True,
        )
    assert played.wins[0, 1] >= 950
