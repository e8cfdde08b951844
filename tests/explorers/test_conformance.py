"""What every explorer keeps to, whichever it is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rlcore.errors import ConfigError, EnvContractError, RLCoreError
from rlcore.explorers import (
    BatchExplorer,
    EpsilonGreedyExplorer,
    GreedyExplorer,
    GumbelSoftmaxExplorer,
    UCBExplorer,
    WeightedExplorer,
    WeightedSoftmaxExplorer,
)
from rlcore.interfaces import Explorer
from rlcore.random import Random, random_or_seeded
from rlcore.struct import check_tree, struct, walk


@struct
class OwnExplorer(Explorer):
    """What a user writes: the legal action at random, values ignored."""

    random: Random

    def plan(self, values, mask=None):
        scores = self.random.uniform(values.shape)
        scores = scores if mask is None else jnp.where(mask, scores, -1.0)
        action = jnp.argmax(scores, axis=-1)
        return action if isinstance(values, jax.Array) else np.asarray(action, np.int64)[()].item()

    def prob(self, values, mask=None):
        allowed = np.ones(np.shape(values), np.float32) if mask is None else mask
        return (allowed / allowed.sum(-1, keepdims=True)).astype(np.float32)


EXPLORERS = {
    "greedy": GreedyExplorer,
    "epsilon": functools.partial(EpsilonGreedyExplorer, 0.3, seed=3),
    "epsilon_zero": functools.partial(EpsilonGreedyExplorer, 0.0, seed=3),
    "epsilon_one": functools.partial(EpsilonGreedyExplorer, 1.0, seed=3),
    "epsilon_ties": functools.partial(EpsilonGreedyExplorer, 0.3, break_ties=True, seed=3),
    "epsilon_linear": functools.partial(EpsilonGreedyExplorer, 0.1, warmup_steps=7, decay_steps=700, seed=3),
    "epsilon_exp": functools.partial(EpsilonGreedyExplorer, 0.1, "exp", decay_steps=300, break_ties=True, seed=3),
    "epsilon_optax": functools.partial(EpsilonGreedyExplorer, optax.cosine_decay_schedule(1.0, 900), seed=3),
    "ucb": functools.partial(UCBExplorer, 4, seed=3),
    "weighted": functools.partial(WeightedExplorer, seed=3),
    "softmax": functools.partial(WeightedSoftmaxExplorer, 0.7, seed=3),
    "gumbel": functools.partial(GumbelSoftmaxExplorer, seed=3),
    "batch": lambda: BatchExplorer(EpsilonGreedyExplorer(0.3, seed=3)),
    "own": lambda: OwnExplorer(random_or_seeded(3, "own")),
}
BUILT_IN = [name for name in EXPLORERS if name != "own"]
LEADING = ["greedy", "epsilon", "epsilon_ties", "epsilon_optax", "ucb", "weighted", "softmax", "gumbel", "batch"]
STATIONARY = ["greedy", "epsilon", "epsilon_ties", "weighted", "softmax", "gumbel", "batch"]
UNMASKED = ("greedy", "epsilon", "ucb", "softmax", "own")
TIED = ("epsilon_ties",)
REFUSES_NAN = ("weighted", "softmax", "gumbel")


def counts_of(explorer):
    return [part.count for _, part in walk(explorer) if isinstance(part, Random)]


def some_values(rng, shape):
    """Eighths: small enough for ties; at least 0, so that they may be weights."""
    return (rng.integers(1, 9, shape) / 8).astype(np.float32)


def some_mask(rng, shape):
    mask = rng.random(shape) < 0.6
    mask[..., rng.integers(shape[-1])] = True
    return mask


def all_of(names):
    return {name: EXPLORERS[name]() for name in names}


@jax.jit
def traced(explorers, values, mask):
    """Every explorer moved, its action and its probabilities; one program compiles faster than one for each."""
    probs = {name: explorer.prob(values, mask) for name, explorer in explorers.items()}
    return explorers, {name: explorer.plan(values, mask) for name, explorer in explorers.items()}, probs


@jax.jit
def traced_halves(explorers, values, mask):
    actions = {}
    for name, explorer in explorers.items():
        explore, action = explorer.decide(values.shape[-1], values.shape[:-1], mask)
        actions[name] = explorer.finish(explore, action, values, mask)
    return explorers, actions


@functools.cache
def many_steps(names, shape, masked):
    """The explorers after many steps on the host and in a trace, the masks, and every action of both."""
    hosts, moved = all_of(names), all_of(names)
    rng, masks, actions, traced_actions = np.random.default_rng(1), [], [], []
    for _ in range(1000 if len(shape) == 1 else 100):
        values = some_values(rng, shape)
        masks.append(some_mask(rng, shape) if masked else None)
        actions.append({name: host.plan(values, masks[-1]) for name, host in hosts.items()})
        moved, chosen, _ = traced(moved, values, masks[-1])
        traced_actions.append(chosen)
    return hosts, moved, masks, actions, traced_actions


ONE_ROW = [*((tuple(EXPLORERS), name, True) for name in EXPLORERS)]
ONE_ROW += [(UNMASKED, name, False) for name in UNMASKED]
ROWS = [*((tuple(LEADING), name, True) for name in LEADING), *((TIED, name, False) for name in TIED)]


@pytest.mark.parametrize(("names", "name", "masked"), ONE_ROW)
def test_host_and_trace_choose_alike_for_1000_steps(names, name, masked):
    hosts, moved, masks, actions, traced_actions = many_steps(names, (4,), masked)
    for mask, action, traced_action in zip(masks, actions, traced_actions, strict=True):
        assert action[name] == int(traced_action[name])
        assert type(action[name]) is int and traced_action[name].dtype == jnp.int32
        assert mask is None or mask[action[name]]
    assert counts_of(hosts[name]) == counts_of(moved[name])
    for ours, theirs in zip(jax.tree.leaves(hosts[name]), jax.tree.leaves(moved[name]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("names", "name", "masked"), ROWS)
def test_host_and_trace_choose_alike_with_leading_axes(names, name, masked):
    hosts, moved, masks, actions, traced_actions = many_steps(names, (3, 4), masked)
    for mask, action, traced_action in zip(masks, actions, traced_actions, strict=True):
        np.testing.assert_array_equal(action[name], traced_action[name])
        assert action[name].shape == (3,) and action[name].dtype == np.int64
        assert traced_action[name].dtype == jnp.int32
        assert mask is None or np.take_along_axis(mask, action[name][..., None], -1).all()
    assert counts_of(hosts[name]) == counts_of(moved[name])


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("masked", [False, True])
def test_the_two_halves_are_the_whole(name, masked):
    whole, halves = EXPLORERS[name](), EXPLORERS[name]()
    rng = np.random.default_rng(3)
    for shape in [(4,)] * 100 + [(5, 4)] * 50 + [(2, 3, 4)] * 10:
        values = some_values(rng, shape)
        mask = some_mask(rng, shape) if masked else None
        action = whole.plan(values, mask)
        explore, decided = halves.decide(4, shape[:-1], mask)
        np.testing.assert_array_equal(halves.finish(explore, decided, values, mask), action)
        if explore is True:
            assert decided == action


def test_the_two_halves_are_the_whole_in_a_trace():
    names = ("epsilon", "epsilon_ties", "epsilon_optax")
    wholes, halves = all_of(names), all_of(names)
    rng = np.random.default_rng(3)
    for _ in range(100):
        values, mask = some_values(rng, (3, 4)), some_mask(rng, (3, 4))
        halves, actions = traced_halves(halves, values, mask)
        for name, whole in wholes.items():
            np.testing.assert_array_equal(whole.plan(values, mask), actions[name])


def test_an_own_explorer_needs_only_plan_and_prob():
    explorer, same = EXPLORERS["own"](), EXPLORERS["own"]()
    values = np.zeros(4, np.float32)
    assert explorer.decide(4) == (False, None)
    assert counts_of(explorer) == [0]
    assert [explorer.finish(False, None, values) for _ in range(20)] == [same.plan(values) for _ in range(20)]


@pytest.mark.parametrize("name", ["epsilon", "epsilon_ties", "weighted", "softmax", "gumbel", "greedy"])
def test_rows_take_the_numbers_of_one_row_after_the_other(name):
    together, apart = EXPLORERS[name](), EXPLORERS[name]()
    rng = np.random.default_rng(4)
    for _ in range(50):
        values, mask = some_values(rng, (6, 4)), some_mask(rng, (6, 4))
        rows = [apart.plan(*row) for row in zip(values, mask, strict=True)]
        np.testing.assert_array_equal(together.plan(values, mask), rows)
    assert counts_of(together) == counts_of(apart)


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_step_draws_the_same_count(name):
    explorer, rng = EXPLORERS[name](), np.random.default_rng(5)
    taken = []
    for step in range(200):
        values = some_values(rng, (4,))
        if step % 3 == 0 and name not in REFUSES_NAN:
            values[rng.integers(4, size=step % 5)] = np.nan
        before = counts_of(explorer)
        explorer.plan(values, some_mask(rng, (4,)) if step % 2 else None)
        taken.append(tuple(np.subtract(counts_of(explorer), before).tolist()))
    expected = {"greedy": (), "gumbel": (4,), "own": (4,)}.get(name, (1,))
    assert set(taken) == {expected}


@pytest.mark.parametrize("name", EXPLORERS)
def test_arrays_of_the_caller_stay_as_they_are(name):
    explorer = EXPLORERS[name]()
    values, mask = np.array([0.5, 0.25, 1.0, 1.0], np.float32), np.array([True, False, True, False])
    values.flags.writeable = mask.flags.writeable = False
    for _ in range(20):
        explorer.plan(values, mask)
        explorer.prob(values, mask)
    assert values.tolist() == [0.5, 0.25, 1.0, 1.0] and mask.tolist() == [True, False, True, False]


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_prob_sums_to_one_and_moves_nothing(name, shape):
    explorer, rng = EXPLORERS[name](), np.random.default_rng(6)
    before = [np.array(leaf) for leaf in jax.tree.leaves(explorer)]
    values, mask = some_values(rng, shape), some_mask(rng, shape)
    for legal in (None, mask):
        prob = explorer.prob(values, legal)
        assert prob.dtype == np.float32 and isinstance(prob, np.ndarray) and prob.shape == shape
        np.testing.assert_allclose(prob.sum(-1), 1, atol=1e-6)
        assert (prob >= 0).all()
        assert legal is None or (prob[~mask] == 0).all()
        if name in LEADING and legal is not None and shape == (3, 4):
            _, _, probs = traced(all_of(LEADING), values, legal)
            np.testing.assert_allclose(probs[name], prob, atol=2e-6)
    for leaf, after in zip(before, jax.tree.leaves(explorer), strict=True):
        np.testing.assert_array_equal(leaf, after)


@pytest.mark.parametrize("name", STATIONARY)
@pytest.mark.parametrize("mask", [None, [True, True, False, True]])
def test_plan_follows_prob(name, mask):
    """Chi-square; a right explorer would fail with probability 1e-4, and the seeds are fixed."""
    explorer, n = EXPLORERS[name](), 20_000
    values = np.array([0.5, 1.0, 1.0, 1.0] if name != "weighted" else [0.1, 0.2, 0.3, 0.4], np.float32)
    mask = None if mask is None else np.array(mask)
    prob = explorer.prob(values, mask).astype(np.float64)
    rows = np.broadcast_to(values, (n, 4))
    actions = explorer.plan(rows, None if mask is None else np.broadcast_to(mask, (n, 4)))
    counted = np.bincount(actions, minlength=4)
    assert counted[prob == 0].sum() == 0
    possible = prob > 0
    if possible.sum() > 1:
        expected = prob[possible] / prob[possible].sum() * n
        assert stats.chisquare(counted[possible], expected).pvalue > 1e-4


VALUES = st.sampled_from([np.nan, np.inf, -np.inf, -3e38, -1.0, -0.0, 0.0, 1e-37, 0.5, 0.5, 1.0, 3e38])
DRAWN_ROWS = st.lists(st.tuples(VALUES, st.booleans()), min_size=4, max_size=4).filter(
    lambda row: any(m for _, m in row)
)


@pytest.mark.parametrize("name", BUILT_IN)
@given(row=DRAWN_ROWS)
@settings(max_examples=40, deadline=None)
def test_no_choice_is_illegal_or_nan(name, row):
    values = np.array([value for value, _ in row], np.float32)
    mask = np.array([legal for _, legal in row])
    refused = np.isnan(values[mask]).any() if name in REFUSES_NAN else False
    if name == "weighted":
        weights = values[mask]
        refused = refused or (weights < 0).any() or np.isinf(weights).any() or not (weights > 0).any()
    host = EXPLORERS[name]()
    traced_action = int(traced(all_of(EXPLORERS), values, mask)[1][name])
    if refused:
        assert traced_action == -1
        with pytest.raises(RLCoreError):
            host.plan(values, mask)
        return
    prob = host.prob(values, mask)
    action = host.plan(values, mask)
    assert action == traced_action
    assert mask[action]
    is_greedy = name in ("greedy", "epsilon_zero", "ucb")
    assert not is_greedy or not np.isnan(values[action]) or np.isnan(values[mask]).all()
    assert (prob[~mask] == 0).all() and abs(prob.sum() - 1) < 1e-6 and prob[action] > 0


@pytest.mark.parametrize("name", ["greedy", "epsilon_zero", "epsilon_ties", "ucb", "batch"])
def test_all_nan_gives_a_legal_action(name):
    """The first one without a stream, else each of them, evenly: chi-square, error probability 1e-4."""
    explorer = EXPLORERS[name]()
    values, mask = np.full(4, np.nan, np.float32), np.array([False, True, True, True])
    counted = np.bincount([explorer.plan(values, mask) for _ in range(3000)], minlength=4)
    if name == "greedy":
        assert counted.tolist() == [0, 3000, 0, 0]
    else:
        assert counted[0] == 0
        assert stats.chisquare(counted[1:]).pvalue > 1e-4
    assert explorer.prob(values, mask)[0] == 0


@pytest.mark.parametrize("name", BUILT_IN)
def test_nothing_legal_is_an_error_and_in_a_trace_no_action(name):
    explorer = EXPLORERS[name]()
    values, mask = np.ones((3, 4), np.float32), np.ones((3, 4), bool)
    mask[1] = False
    for ask in (explorer.plan, explorer.prob):
        with pytest.raises(EnvContractError, match="allows no action in row 1, expected at least one true among 4"):
            ask(values, mask)
        with pytest.raises(EnvContractError, match="the mask allows no action, expected"):
            ask(values[0], mask[1])
    if name not in LEADING:
        return
    _, actions, probs = traced(all_of(LEADING), values, mask)
    assert (np.asarray(actions[name]) == -1).tolist() == [False, True, False]
    assert np.isnan(probs[name]).any(-1).tolist() == [False, True, False]


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize(
    ("values", "mask", "message"),
    [
        (np.ones(4), np.ones(3, bool), r"mask has shape \(3,\), expected \(4,\)"),
        (np.ones((2, 4)), np.ones(4, bool), r"mask has shape \(4,\), expected \(2, 4\)"),
        (np.ones(4), np.ones(4), "mask has dtype float64, expected bool"),
        (np.float32(1), None, r"values has shape \(\), expected \[..., actions\]"),
        (np.ones((2, 0)), None, r"values has shape \(2, 0\)"),
        (np.ones(0), None, r"values has shape \(0,\)"),
    ],
)
def test_wrong_shapes_are_refused(name, values, mask, message):
    for ask in (EXPLORERS[name]().plan, EXPLORERS[name]().prob):
        with pytest.raises(ConfigError, match=message):
            ask(values, mask)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_form_of_the_answer_is_that_of_the_values(name):
    explorer = EXPLORERS[name]()
    for _ in range(5):  # exploring or not
        assert type(explorer.plan([0.25, 0.5, 0.25, 0.0])) is int
        assert type(explorer.plan((1, 2, 3, 4), [1, 1, 0, 1])) is int
        action = explorer.plan(jnp.ones(4))
        assert isinstance(action, jax.Array) and action.dtype == jnp.int32 and action.shape == ()
        actions = explorer.plan(jnp.ones((2, 4)), np.ones((2, 4), bool))
        assert isinstance(actions, jax.Array) and actions.dtype == jnp.int32 and actions.shape == (2,)
    assert isinstance(explorer.prob(jnp.ones(4)), jax.Array)
    assert explorer.plan(np.ones((0, 4), np.float32)).shape == (0,)


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorers_are_trees_that_go_on_after_a_trace(name):
    same = EXPLORERS[name]()
    check_tree(same, "explorer")
    values, mask = np.array([0.1, 0.2, 0.3, 0.3], np.float32), np.array([True, True, True, False])
    explorers, firsts, _ = traced(all_of(EXPLORERS), values, mask)
    later = [explorers[name].plan(values, mask) for _ in range(20)]
    assert [int(firsts[name]), *later] == [same.plan(values, mask) for _ in range(21)]
