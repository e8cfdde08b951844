"""Tables of what follows from an action, laid out so that compiled code looks them up in few operations."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rlcore.errors import ConfigError, shorten

Transitions = Mapping[int, Any] | Sequence[Any]
_CLOSE = 1e-6  # how far off 1 a sum of probabilities may be


class Lottery(NamedTuple):
    """Draws from finite distributions with one uniform number and two look-ups, however many outcomes there are.

    Every distribution has `n` tickets. Number u is on the ⌊u n⌋-th; it wins that ticket's own outcome if u is below
    the ticket's edge, else the outcome of another ticket. The edges are such that every outcome wins as often as its
    probability says.

    Source: Walker 1977, "An efficient method for generating discrete random variables with general distributions".
    """

    edge: np.ndarray  # [distributions * n] float32, in u; 0 where the own outcome is impossible
    other: np.ndarray  # [distributions * n] int32, the index of the ticket that wins instead


class TransitionTable(NamedTuple):
    """The outcomes of all pairs of state and action; pair `state * n_actions + action` owns `n_outcomes` of them.

    `next_state`, `reward` and `terminated` are `[pairs * n_outcomes]`, int32, float32, bool.
    """

    n_states: int
    n_actions: int
    n_outcomes: int
    next_state: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    lottery: Lottery


def lottery(probabilities: np.ndarray) -> Lottery:
    """The lottery of the distributions `[distributions, n]`, each of which sums to 1.

    Source: Vose 1991, "A linear algorithm for generating random numbers with a given distribution".
    """
    n = probabilities.shape[1]
    parts, others = np.ones(probabilities.shape), np.arange(probabilities.size).reshape(probabilities.shape)
    for i, shares in enumerate((probabilities * n).tolist()):
        short = [ticket for ticket, share in enumerate(shares) if share < 1]
        long = [ticket for ticket, share in enumerate(shares) if share >= 1]
        while short and long:  # what a short ticket lacks is given by a long one
            ticket, giver = short.pop(), long[-1]
            parts[i, ticket], others[i, ticket] = shares[ticket], n * i + giver
            shares[giver] -= 1 - shares[ticket]
            if shares[giver] < 1:
                short.append(long.pop())
    edges = (np.arange(n) + parts) / n
    edges[parts == 0], edges[parts == 1] = 0, 2  # never and always, however u n is rounded
    return Lottery(edges.astype(np.float32).ravel(), others.astype(np.int32).ravel())


def transition_table(transitions: Transitions) -> TransitionTable:
    """Lays out `transitions[state][action]`, sequences of `(probability, next state, reward, terminated)`.

    Raises:
        ConfigError: States or actions are not 0, 1, 2, ..., states differ in their number of actions, or an outcome
            is wrong: probabilities that don't sum to 1, a next state that does not exist, a reward that is not finite.
    """
    states = _listed(transitions, "transitions", "states")
    pairs = [_listed(actions, f"transitions[{state}]", "actions") for state, actions in enumerate(states)]
    n_states, n_actions = len(pairs), len(pairs[0])
    if unequal := [state for state, actions in enumerate(pairs) if len(actions) != n_actions]:
        raise ConfigError(
            f"state 0 has {n_actions} actions and state {unequal[0]} has {len(pairs[unequal[0]])}, expected the same "
            "number everywhere; give those that are missing any outcome, and say with masks which are legal"
        )
    names = [f"transitions[{state}][{action}]" for state in range(n_states) for action in range(n_actions)]
    outcomes = list(map(_checked, itertools.chain(*pairs), names))
    counts = np.array([len(rows) for rows in outcomes])
    is_filled = np.arange(counts.max()) < counts[:, None]  # [pairs, outcomes], rows filled from the left
    places = list(itertools.chain(*([name] * len(rows) for name, rows in zip(names, outcomes, strict=True))))
    columns = zip(*itertools.chain(*outcomes), strict=True)
    probability, next_state, reward, terminated = (_filled(is_filled, values) for values in columns)
    return TransitionTable(
        n_states,
        n_actions,
        int(counts.max()),
        _next_states(next_state, is_filled, n_states, places),
        _rewards(reward, is_filled, places),
        terminated.astype(bool).ravel(),
        lottery(distributions(probability, names)),
    )


def distributions(probabilities: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """`[distributions, n]` float64 probabilities, checked, and made to sum to 1 exactly.

    Raises:
        ConfigError: One of them, called by its name, has a negative number or does not sum to 1.
    """
    sums = probabilities.sum(axis=1, keepdims=True)
    is_right = (probabilities >= 0).all(axis=1) & (np.abs(sums[:, 0] - 1) <= _CLOSE)
    if not is_right.all():
        i = int(np.flatnonzero(~is_right)[0])
        raise ConfigError(
            f"{names[i]} has the probabilities {shorten(repr(probabilities[i].tolist()))}, whose sum is "
            f"{sums[i, 0]:g}; expected numbers of at least 0 that sum to 1"
        )
    return probabilities / sums


def _listed(numbered: Any, name: str, what: str) -> list[Any]:
    """The values of a mapping whose keys are 0, 1, 2, ..., or of a sequence."""
    if isinstance(numbered, Mapping):
        if set(numbered) != set(range(len(numbered))):
            raise ConfigError(f"{name} has the keys {shorten(repr(list(numbered)))}, expected {what} from 0 on")
        numbered = [numbered[i] for i in range(len(numbered))]
    if not isinstance(numbered, list | tuple) or not numbered:
        raise ConfigError(f"{name} is {shorten(repr(numbered))}, expected a dict or list of {what}, at least one")
    return list(numbered)


def _checked(outcomes: Any, name: str) -> list[tuple[float, float, float, float]]:
    try:
        rows = [(float(p), float(next_state), float(reward), float(end)) for p, next_state, reward, end in outcomes]
    except (TypeError, ValueError):
        rows = []
    if not rows:
        raise ConfigError(
            f"{name} is {shorten(repr(outcomes))}, expected a list of (probability, next state, reward, terminated)"
        )
    return rows


def _filled(is_filled: np.ndarray, values: Sequence[float]) -> np.ndarray:
    """`[pairs, outcomes]` float64: the values, and zeros where a pair has fewer outcomes than others."""
    array = np.zeros(is_filled.shape)
    array[is_filled] = values
    return array


def _next_states(values: np.ndarray, is_filled: np.ndarray, n_states: int, places: Sequence[str]) -> np.ndarray:
    is_wrong = ~np.isin(values[is_filled], np.arange(n_states))
    if is_wrong.any():
        i = int(np.flatnonzero(is_wrong)[0])
        raise ConfigError(
            f"{places[i]} leads to state {values[is_filled][i]:g}, expected a whole number from 0 to {n_states - 1}"
        )
    return values.astype(np.int32).ravel()


def _rewards(values: np.ndarray, is_filled: np.ndarray, places: Sequence[str]) -> np.ndarray:
    with np.errstate(over="ignore"):
        rewards = values.astype(np.float32)
    is_wrong = ~np.isfinite(rewards[is_filled])
    if is_wrong.any():
        i = int(np.flatnonzero(is_wrong)[0])
        raise ConfigError(f"{places[i]} has the reward {values[is_filled][i]:g}, expected a finite float32 number")
    return rewards.ravel()
