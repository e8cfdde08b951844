import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from rlcore.errors import ConfigError
from rlcore.random import stream
from rlcore.trajectories import (
    BatchSampler,
    CircularTraces,
    EpisodesSampler,
    InsertSampleRatioController,
    NStepBatchSampler,
    PrioritizedTraces,
    Trajectory,
    WholeSampler,
)

EPSILON, ALPHA = 0.01, 0.5


def push(container, state, terminated=False, **more):
    container.push(float(state), 0, float(state), state + 1.0, terminated, False, **more)


def filled(n, capacity=10, **options):
    container = PrioritizedTraces(capacity, **options)
    for i in range(n):
        push(container, i)
    return container


def keys_by_state(container):
    """The key of every stored transition, by its state: found by asking all indices."""
    slots = container.traces._slots(np.arange(container.n_stored))
    states = container.take(np.arange(container.n_stored)).state.reshape(len(slots), -1)[:, 0]
    return dict(zip(states.tolist(), container._keys(slots).tolist(), strict=True))


def numbers_by_state(container):
    """p^alpha of every stored transition, by its state; all other places of the tree must be 0."""
    container.settle()
    slots = container.traces._slots(np.arange(container.n_stored))
    states = container.take(np.arange(container.n_stored)).state.reshape(len(slots), -1)[:, 0]
    leaves = np.asarray(container.tree.levels[0])
    assert np.count_nonzero(leaves) == len(slots)
    for below, level in zip(container.tree.levels, container.tree.levels[1:], strict=False):
        np.testing.assert_allclose(level[: len(below) // 16], np.asarray(below).reshape(-1, 16).sum(1), 1e-5)
    return dict(zip(states.tolist(), leaves[slots].tolist(), strict=True))


@given(
    capacity=st.sampled_from([1, 2, 3, 5, 8]),
    lanes=st.sampled_from([None, 1, 2, 3]),
    once=st.booleans(),
    in_jax=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=80, deadline=None)
def test_priorities_like_a_plain_dict(capacity, lanes, once, in_jax, seed):
    """Pushes, updates with new, old and stale keys, priorities that arrive late: against a dict of state to p^alpha."""
    generator = np.random.default_rng(seed)
    traces = CircularTraces(capacity * (lanes or 1), states_once=once)
    container = PrioritizedTraces(traces, alpha=ALPHA, epsilon=EPSILON)
    expected, highest, given_out, count = {}, 1.0, {}, 0
    for _ in range(40):
        if container.n_stored == 0 or generator.random() < 0.7:
            shape = () if lanes is None else (lanes,)
            states = np.float32(count + np.arange(lanes or 1))
            count += len(states)
            valid = generator.random(shape) < 0.8
            goes_on = generator.random() < 0.7
            state = states[:, None].repeat(2, 1).reshape(*shape, 2)
            after = state + (len(states) if goes_on else 500)
            end = np.full(shape, generator.random() < 0.3)
            reward = np.zeros(shape, np.float32)
            if lanes is None:
                container.push(state, 0, 0.0, after, bool(end), False, bool(valid))
            else:
                container.push(state, np.zeros(shape, int), reward, after, end, ~end, valid)
            expected |= {s: highest for s, ok in zip(states.tolist(), np.atleast_1d(valid).tolist(), strict=True) if ok}
        else:
            given_out |= keys_by_state(container)
            chosen = generator.permutation(list(given_out))[: generator.integers(1, 6)].tolist()
            priority = (10.0 ** generator.uniform(-3, 3, len(chosen))).astype(np.float32)
            stored = set(keys_by_state(container))
            key = np.array([given_out[state] for state in chosen])
            container.update_priorities(key, jnp.asarray(priority) if in_jax else priority)
            numbers = (priority + np.float32(EPSILON)) ** np.float32(ALPHA)
            expected |= {s: n for s, n in zip(chosen, numbers.tolist(), strict=True) if s in stored}
            highest = max(highest, float(numbers.max()))
    if container.n_stored:
        found = numbers_by_state(container)
        assert found == pytest.approx({state: expected[state] for state in found}, rel=1e-6)
        assert len(set(keys_by_state(container).values())) == container.n_stored


def test_draws_follow_the_priorities_and_weights_undo_them():
    """Chi-square with 20,000 independent batches of one; a right container fails with probability 1e-6."""
    container = filled(9, capacity=6, alpha=0.7, beta=0.4, epsilon=1e-6)
    stored = np.arange(3.0, 9.0)
    priority = np.array([0.0, 1e-3, 0.1, 1.0, 5.0, 20.0])
    keys = keys_by_state(container)
    container.update_priorities(np.array([keys[state] for state in stored]), priority)
    random = stream(3, "draws")
    states = np.concatenate([container.take(container.draw(random, 1)[0]).state for _ in range(20_000)])
    p = (priority + 1e-6) ** 0.7
    p /= p.sum()
    counts = np.array([(states == state).sum() for state in stored])
    common = p * 20_000 >= 5
    observed = np.append(counts[common], counts[~common].sum())
    expected = 20_000 * np.append(p[common], p[~common].sum())
    assert counts.sum() == 20_000
    assert ((observed - expected) ** 2 / expected).sum() < chi2.isf(1e-6, common.sum())
    indices, _, weight = container.draw(random, 300)
    rows = container.take(indices).state.astype(int) - 3
    by_hand = (6 * p[rows]) ** -0.4
    np.testing.assert_allclose(weight, by_hand / by_hand.max(), 1e-4)
    assert weight.dtype == np.float32


@pytest.mark.parametrize("lanes", [None, 3])
def test_compiled_draws_follow_the_priorities(lanes):
    """Chi-square over batches of 50; one draw from each part scatters less than the bound, which is that of 1e-6."""
    container = PrioritizedTraces(7 * (lanes or 1), alpha=1.0)
    shape = () if lanes is None else (lanes,)
    for i in range(10):
        state = np.float32(i) + 100 * np.arange(lanes or 1, dtype=np.float32).reshape(shape)
        end = np.zeros(shape, bool)
        valid = None if lanes is None else np.arange(lanes) * 3 < 10 - i  # the lanes hold 7, 7 and 4
        container.push(state, np.zeros(shape, int), np.zeros(shape), state, end, end, valid)
    keys = keys_by_state(container)
    stored = np.array(sorted(keys))
    priority = np.random.default_rng(1).exponential(size=len(stored)).astype(np.float32)

    def run(container, random, key, priority):
        container.update_priorities(key, priority)

        def step(carry, _):
            container, random = carry
            indices, _, weight = container.draw(random, 50)
            return (container, random), (container.take(indices).state, weight)

        return jax.lax.scan(step, (container, random), length=400)[1]

    key = np.array([keys[state] for state in stored])
    states, weight = jax.jit(run)(jax.tree.map(jnp.asarray, container), stream(1, "x"), key, priority)
    counts = np.array([(np.asarray(states) == state).sum() for state in stored])
    expected = 20_000 * (priority + 1e-6) / (priority + 1e-6).sum()
    assert counts.sum() == 20_000
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-6, len(stored) - 1)
    found = dict(zip(np.asarray(states[0]).tolist(), np.asarray(weight[0]).tolist(), strict=True))
    p = dict(zip(stored.tolist(), priority.tolist(), strict=True))
    least = min(p[state] for state in found)
    assert found == pytest.approx({state: (p[state] / least) ** -0.4 for state in found}, rel=1e-4)


@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("once", [False, True])
def test_compiled_code_keeps_and_draws_the_same(lanes, once):
    shape, n, capacity = (() if lanes is None else (lanes,)), 30, 8
    generator = np.random.default_rng(4)
    given = {
        "state": np.arange(n * (lanes or 1), dtype=np.float32).reshape(n, *shape),
        "action": np.zeros((n, *shape), np.int32),
        "reward": np.zeros((n, *shape), np.float32),
        "next_state": np.arange(1, n * (lanes or 1) + 1, dtype=np.float32).reshape(n, *shape),
        "terminated": generator.random((n, *shape)) < 0.3,
        "truncated": np.zeros((n, *shape), bool),
        "valid": generator.random((n, *shape)) < 0.8,
    }
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], given) for i in range(n)]

    def make():
        traces = CircularTraces(capacity, states_once=once)
        sampler = NStepBatchSampler(4, 2, 0.5, seed=3)
        beta = optax.linear_schedule(0.4, 1.0, 10)
        return Trajectory(PrioritizedTraces(traces, beta=beta), sampler, InsertSampleRatioController())

    def step(trajectory, row):
        trajectory.push(**row)
        batch = trajectory.sample()
        trajectory.update_priorities(batch.key, abs(batch.state - 10))
        return trajectory, batch

    eager, compiled = make(), make()
    for trajectory in (eager, compiled):
        for row in rows[:8]:
            trajectory.push(**row)
    expected = [step(eager, row)[1] for row in rows[8:]]
    rest = jax.tree.map(lambda leaf: leaf[8:], given)
    compiled, batches = jax.jit(lambda one, rows: jax.lax.scan(step, one, rows))(
        jax.tree.map(jnp.asarray, compiled), rest
    )
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *expected)
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, 1e-5), expected, batches)
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, 1e-5), eager, compiled)


@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_transitions_that_are_given_up_for_others_states_are_never_drawn(lanes, is_compiled):
    """States that do not follow each other take twice the room, so the ring holds about half of its transitions."""
    container = PrioritizedTraces(CircularTraces(100 * (lanes or 1), states_once=True), alpha=1.0)
    shape = () if lanes is None else (lanes,)
    row = {name: np.zeros(shape, dtype) for name, dtype in (("action", int), ("reward", np.float32))}
    row |= {name: np.zeros(shape, bool) for name in ("terminated", "truncated")}

    @jax.jit
    def step(container, state, valid):
        container.push(state=state, next_state=state + 0.5, valid=valid, **row)
        return container

    container.allocate(state=np.zeros(shape, np.float32), next_state=np.zeros(shape, np.float32), **row)
    keys = {}
    generator = np.random.default_rng(0)
    for i in range(160):
        state = np.float32(i) + 1000 * np.arange(lanes or 1, dtype=np.float32).reshape(shape)
        valid = np.asarray(generator.random(shape) < 0.9)
        if is_compiled:
            container = step(container, state, valid)
        else:
            container.push(state=state, next_state=state + 0.5, valid=bool(valid) if lanes is None else valid, **row)
        if i == 20:
            keys = keys_by_state(container)
    assert container.n_stored < 70 * (lanes or 1)  # of 100 that fit, and about 144 that were pushed
    assert set(numbers_by_state(container).values()) == {1.0}
    container.update_priorities(np.array(list(keys.values())), np.full(len(keys), 9.0))
    assert set(numbers_by_state(container).values()) == {1.0}


def test_a_new_transition_has_the_highest_priority_so_far():
    container = filled(4, alpha=1.0, epsilon=0.5)
    assert set(numbers_by_state(container).values()) == {1.0}
    keys = keys_by_state(container)
    container.update_priorities(np.array([keys[0.0], keys[1.0]]), np.array([7.0, 0.0]))
    push(container, 4)
    assert numbers_by_state(container) == {0.0: 7.5, 1.0: 0.5, 2.0: 1.0, 3.0: 1.0, 4.0: 7.5}
    container.update_priorities(np.array([keys[0.0]]), np.array([1.0]))
    push(container, 5)
    assert numbers_by_state(container)[5.0] == 7.5


def test_a_key_whose_transition_was_overwritten_is_ignored():
    container = filled(3, capacity=3, alpha=1.0)
    old = keys_by_state(container)
    push(container, 3)  # in the place of 0
    container.update_priorities(np.array([old[0.0], old[1.0]]), np.array([9.0, 4.0]))
    assert numbers_by_state(container) == pytest.approx({1.0: 4.0, 2.0: 1.0, 3.0: 1.0})
    for state in range(4, 10):
        push(container, state)
    container.update_priorities(np.array([old[1.0], old[2.0]]), np.array([0.1, 0.1]))
    assert numbers_by_state(container) == pytest.approx({7.0: 9.0, 8.0: 9.0, 9.0: 9.0})


@pytest.mark.parametrize("priority", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_priorities_that_are_alike_are_drawn_alike(priority):
    container = filled(3)
    container.update_priorities(np.array(list(keys_by_state(container).values())), np.array(priority))
    _, _, weight = container.draw(stream(0, "x"), 30)
    np.testing.assert_array_equal(weight, np.ones(30, np.float32))
    assert np.bincount(container.draw(stream(0, "x"), 30)[0]).tolist() == [10, 10, 10]


def test_priorities_under_way_are_read_before_the_next_draw():
    container = filled(3, alpha=1.0, epsilon=1e-9)
    keys = keys_by_state(container)
    container.update_priorities(np.array([keys[0.0]]), jnp.asarray([1e6]))
    push(container, 3)  # as high as the priority that was not known yet
    states = container.take(container.draw(stream(0, "x"), 400)[0]).state
    assert set(states.tolist()) == {0.0, 3.0}


def test_beta_follows_its_schedule_of_draws():
    betas = [0.0, 0.5, 1.0, 1.0]
    schedules = (
        optax.linear_schedule(0.0, 1.0, 2),
        lambda step: min(step / 2, 1.0),
        lambda step: jnp.minimum(step / 2, 1),
    )
    for schedule in schedules:
        container = filled(2, alpha=1.0, beta=schedule)
        keys = keys_by_state(container)
        container.update_priorities(np.array([keys[0.0], keys[1.0]]), np.array([1.0, 4.0]))
        least = [container.draw(stream(i, "x"), 100)[2].min() for i in range(4)]
        np.testing.assert_allclose(least, [0.25**beta for beta in betas], 1e-5)


def test_n_step_windows_have_the_key_of_their_first_transition():
    container = filled(8, alpha=1.0)
    batch = NStepBatchSampler(5, 3, 0.5, seed=1).sample(container)
    keys = keys_by_state(container)
    assert batch.key.tolist() == [keys[state] for state in batch.state.tolist()]
    assert batch.weight.shape == (5,) and batch.discount.shape == (5,)


def test_whole_and_episodes_are_those_of_the_ring():
    container, ring = PrioritizedTraces(5), CircularTraces(5)
    for i in range(7):
        for each in (container, ring):
            push(each, i, terminated=i == 4)
    np.testing.assert_array_equal(WholeSampler().sample(container).state, WholeSampler().sample(ring).state)
    lengths = [len(batch.state) for batch in EpisodesSampler().sample(container)]
    assert lengths == [len(batch.state) for batch in EpisodesSampler().sample(ring)] == [3, 2]


@pytest.mark.parametrize(
    ("priority", "message"),
    [
        ([1.0, -0.5], r"priority -0.5 \(row 1 of 2\), expected finite numbers from 0"),
        ([np.nan, 1.0], r"priority nan \(row 0 of 2\)"),
        ([1.0, np.inf], "priority inf"),
        ([1.0, 1e31], "priority 1e\\+31|priority 9.999"),
        ([1.0, 2.0, 3.0], r"priority has shape \(3,\) and key \(2,\), expected one number per row"),
        (1.0, r"priority has shape \(\) and key \(2,\)"),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_bad_priorities_are_refused(priority, message, kind):
    container = filled(4)
    before = numbers_by_state(container)
    key = np.array(list(keys_by_state(container).values()))[:2]

    def use():
        container.update_priorities(key, kind(priority))
        container.draw(stream(0, "x"), 2)

    with pytest.raises(ConfigError, match=message):
        use()
    assert numbers_by_state(container) == before


def test_compiled_code_ignores_bad_priorities_and_says_so():
    container = filled(3, alpha=1.0)
    key = np.array([keys_by_state(container)[state] for state in (0.0, 1.0, 2.0)])

    @jax.jit
    def update(container, priority):
        container.update_priorities(key, priority)
        return container

    bad = update(container, jnp.array([jnp.nan, -1.0, 5.0]))
    assert not bad.is_sound
    np.testing.assert_allclose(bad.tree.levels[0][:3], [1.0, 1.0, 5.0], 1e-5)
    assert update(bad, jnp.array([1.0, 2.0, 3.0])).is_sound


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha is 1.5, expected a finite number from 0 to 1"),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"beta": np.nan}, "beta is nan"),
        ({"beta": lambda: 1.0}, "beta is a function that can't be used as a schedule"),
        ({"beta": lambda step: 2.0}, "the schedule beta gave 2.0 at step 0"),
        ({"epsilon": 0.0}, "epsilon is 0.0, expected a finite number above 0"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        PrioritizedTraces(10, **options)


def test_a_schedule_that_leaves_its_range_is_refused_when_it_does():
    container = filled(2, beta=optax.linear_schedule(0.5, 1.5, 2))
    container.draw(stream(0, "x"), 1)
    container.draw(stream(0, "x"), 1)
    with pytest.raises(ConfigError, match=r"the schedule beta gave 1\.5 at step 2, expected a number in"):
        container.draw(stream(0, "x"), 1)


def test_traces_that_hold_something_are_refused():
    traces = CircularTraces(3)
    push(traces, 0)
    with pytest.raises(ConfigError, match="expected empty ones"):
        PrioritizedTraces(traces)
    with pytest.raises(ConfigError, match="batch_size is 8, but only 4"):
        Trajectory(PrioritizedTraces(4), BatchSampler(8), InsertSampleRatioController())


def test_no_priorities_at_all_are_refused():
    container = PrioritizedTraces(4)
    container.push(0.0, 0, 0.0, 1.0, False, False)
    with pytest.raises(ConfigError, match="no priority, expected one for each row"):
        container.update_priorities(np.zeros(0, np.int64), np.zeros(0))


@pytest.mark.parametrize("key", [np.array([0.5]), [0], None])
def test_what_is_no_key_is_refused(key):
    empty, container = PrioritizedTraces(4), filled(3)
    for each, wrong in ((empty, np.array([0])), (container, key)):
        with pytest.raises(ConfigError, match=r"key is .* while \d transitions are stored"):
            each.update_priorities(wrong, np.array([1.0]))
