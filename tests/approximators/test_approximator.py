"""A network with its optimiser."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.networks import MLP


class Normed(nnx.Module):
    """Nested, with batch norm, dropout and a layer without bias."""

    def __init__(self, rngs):
        self.inner = nnx.List([nnx.Linear(3, 16, use_bias=False, rngs=rngs)])
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.dropout(self.norm(self.inner[0](x))))


class Pair(nnx.Module):
    """Takes a dict of a vector and an index, gives a tuple."""

    def __init__(self, rngs):
        self.vector = nnx.Linear(2, 3, rngs=rngs)
        self.index = nnx.Embed(5, 3, rngs=rngs)

    def __call__(self, x):
        features = self.vector(x["vector"]) + self.index(x["index"])
        return features, features.sum(-1)


def mlp(seed=0, optimiser=None):
    return Approximator(MLP(2, (3,), 2, rngs=nnx.Rngs(seed)), optimiser or optax.sgd(0.5))


def zeros(network):
    return jax.tree.map(jnp.zeros_like, network.parameters)


def same(a, b):
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool((x == y).all()), a, b)))


def test_keeps_no_reference_to_the_model_and_leaves_its_mode():
    model = Normed(nnx.Rngs(0))
    network = Approximator(model, optax.sgd(0.1))
    x = np.ones((4, 3), np.float32)
    before = network.forward(x)
    model.head.kernel[...] = jnp.zeros((16, 2))
    np.testing.assert_array_equal(network.forward(x), before)
    assert not model.dropout.deterministic
    assert not model.norm.use_running_average


def test_changing_a_copy_changes_nothing():
    network = Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1))
    x = np.ones((4, 3), np.float32)
    before = network.forward(x)
    for copied in (network.model, network.target_model):
        np.testing.assert_allclose(copied(x), before, atol=1e-6)
        copied.head.kernel[...] = jnp.zeros((16, 2))
    np.testing.assert_array_equal(network.forward(x), before)


def test_evaluates_without_dropout_and_trains_with_it():
    network = Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1))
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_array_equal(network.forward(x), network.forward(x))
    mean = network.variables["norm"]["mean"]
    first = network.forward(x, network.parameters)
    second = network.forward(x, network.parameters)
    assert not np.array_equal(first, second)  # the stream of the dropout moved on
    assert int(network.variables["dropout"]["rngs"]["count"]) == 2
    hidden = x @ np.asarray(network.parameters["inner"][0]["kernel"])
    expected = 0.99 * (0.99 * mean + 0.01 * hidden.mean(0)) + 0.01 * hidden.mean(0)
    np.testing.assert_allclose(network.variables["norm"]["mean"], expected, atol=1e-6)


def test_merged_modules_leave_their_variables_too():
    network = Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1))

    @jax.jit
    def update(network, x):
        def loss(parameters):
            module = network.merge(parameters)
            return (module(x) + module(x)).mean(), network.variables

        gradients, network.variables = jax.grad(loss, has_aux=True)(network.parameters)
        network.optimise(gradients)
        return network

    once = update(network, jnp.ones((4, 3)))
    assert int(once.variables["dropout"]["rngs"]["count"]) == 2
    assert int(network.variables["dropout"]["rngs"]["count"]) == 0
    assert not same(once.variables["norm"], network.variables["norm"])


def test_numpy_in_numpy_out_and_jax_in_jax_out():
    network = Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1))
    x = np.random.default_rng(0).normal(size=(6, 3))
    out = network.forward(x)
    assert type(out) is np.ndarray
    assert out.dtype == np.float32
    out[:] = 0  # an array of the caller's own
    traced = jax.jit(lambda network, x: network.forward(x))(network, x)
    np.testing.assert_allclose(network.forward(x.tolist()), traced, atol=1e-6)
    assert isinstance(network.forward(jnp.asarray(x)), jax.Array)
    np.testing.assert_array_equal(network.target(x), network.forward(x))


def test_nested_states_and_outputs():
    network = Approximator(Pair(nnx.Rngs(0)), optax.sgd(0.1))
    space = spaces.Dict({"index": spaces.Discrete(5), "vector": spaces.Box(-1, 1, (2,), np.float64)})
    shape = network.check(space)
    assert (shape[0].shape, shape[1].shape) == ((3,), ())
    assert network.state_ndim is None  # it takes a state alone
    one = network.forward({"index": 3, "vector": [0.5, 0.25]})
    many = network.forward({"index": np.array([3, 1]), "vector": np.array([[0.5, 0.25], [0.0, 1.0]])})
    assert (one[0].shape, one[1].shape, many[1].shape) == ((3,), (), (2,))
    np.testing.assert_allclose(one[0], many[0][0], atol=1e-6)


class NeedsBatch(nnx.Module):
    """Refuses a state without a batch axis."""

    def __init__(self, rngs):
        self.layer = nnx.Linear(2, 3, rngs=rngs)

    def __call__(self, x):
        assert x.ndim == 2
        return self.layer(x)


def test_a_lone_state_gets_a_batch_axis_once_its_axes_are_known():
    network = Approximator(NeedsBatch(nnx.Rngs(0)), optax.sgd(0.1))
    x = np.ones(2, np.float32)
    with pytest.raises(AssertionError):
        network.forward(x)
    assert network.check(spaces.Box(-1, 1, (2,))).shape == (3,)
    assert network.forward(x).shape == (3,)
    assert network.forward(x[None]).shape == (1, 3)
    assert network.forward(x, network.parameters).shape == (3,)


def test_check_names_the_shapes_that_do_not_fit():
    with pytest.raises(ConfigError, match=r"can't take a batch of two states.*shape=\(2, 3\)"):
        mlp().check(spaces.Box(-1, 1, (3,)))

    class Flat(nnx.Module):
        def __init__(self):
            self.layer = nnx.Linear(2, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.layer(x).sum(0)

    with pytest.raises(ConfigError, match="expected a first axis of 2"):
        Approximator(Flat(), optax.sgd(0.1)).check(spaces.Box(-1, 1, (2,)))


def test_optimise_is_one_step_of_the_optimiser_eagerly_and_traced():
    eager, before = mlp(), mlp()
    gradients = jax.tree.map(jnp.ones_like, eager.parameters)
    eager.optimise(gradients)
    assert same(eager.parameters, jax.tree.map(lambda p: p - 0.5, before.parameters))
    traced = jax.jit(lambda network, gradients: (network, network.optimise(gradients))[0])(before, gradients)
    assert same(traced.parameters, eager.parameters)
    assert bool(traced.is_finite)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_update_that_is_not_finite_changes_nothing_until_parameters_are_set(bad):
    network = mlp(optimiser=optax.adam(0.1))
    start, state = network.parameters, network.optimiser_state
    gradients = zeros(network)
    gradients["layers"][0]["bias"] = jnp.array([0.0, bad, 0.0])
    network.optimise(gradients)
    assert same(network.parameters, start)
    assert same(network.optimiser_state, state)
    assert not bool(network.is_finite)
    network.optimise(jax.tree.map(jnp.ones_like, gradients))  # a good one does not make up for it
    assert same(network.parameters, start)
    assert not bool(network.is_finite)
    network.parameters = start
    network.optimise(jax.tree.map(jnp.ones_like, gradients))
    assert bool(network.is_finite)
    assert not same(network.parameters, start)


def test_an_optimiser_state_that_overflows_counts_as_not_finite():
    network = mlp(optimiser=optax.adam(0.1))
    network.optimise(jax.tree.map(lambda p: jnp.full_like(p, 1e30), network.parameters))  # squares overflow
    assert not bool(network.is_finite)


def test_infinities_that_an_optimiser_keeps_on_purpose_pass():
    keeps = optax.GradientTransformation(
        lambda parameters: jnp.inf, lambda updates, state, parameters=None: (jax.tree.map(jnp.negative, updates), state)
    )
    network = mlp(optimiser=keeps)
    network.optimise(zeros(network))
    assert bool(network.is_finite)


def test_apply_if_finite_skips_such_updates():
    network = mlp(optimiser=optax.apply_if_finite(optax.sgd(0.5), max_consecutive_errors=3))
    start = network.parameters
    network.optimise(jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), start))
    assert bool(network.is_finite)
    assert same(network.parameters, start)
    network.optimise(jax.tree.map(jnp.ones_like, start))
    assert same(network.parameters, jax.tree.map(lambda p: p - 0.5, start))


def test_statistics_of_a_batch_that_is_not_finite_are_not_kept():
    network = Approximator(Normed(nnx.Rngs(0)), optax.sgd(0.1))
    before = network.variables["norm"]

    @jax.jit
    def update(network):
        def loss(parameters):
            return network.forward(jnp.full((4, 3), jnp.nan), parameters).mean(), network.variables

        gradients, network.variables = jax.grad(loss, has_aux=True)(network.parameters)
        network.optimise(gradients)
        return network

    network = update(network)
    assert not bool(network.is_finite)
    assert same(network.variables["norm"], before)


def test_setting_parameters_checks_them_and_copies():
    network = mlp()
    given = jax.tree.map(np.array, mlp(seed=1).parameters)
    network.parameters = given
    x = np.ones(2, np.float32)
    np.testing.assert_allclose(network.forward(x), mlp(seed=1).forward(x), atol=1e-6)
    given["layers"][1]["bias"][:] = 7
    np.testing.assert_allclose(network.forward(x), mlp(seed=1).forward(x), atol=1e-6)


def test_setting_parameters_lists_all_differences():
    network = mlp()
    given = jax.tree.map(np.array, network.parameters)
    given["layers"][0]["kernel"] = np.zeros((5, 3))
    del given["layers"][1]["bias"]
    given["extra"] = np.zeros(1)
    with pytest.raises(ConfigError) as caught:
        network.parameters = given
    message = str(caught.value)
    assert "['layers'][0]['kernel']: has shape (5, 3), expected (2, 3)" in message
    assert "['layers'][1]['bias']: missing, expected shape (2,)" in message
    assert "['extra']: not expected" in message


def test_gradients_of_another_structure_or_shape_are_refused():
    approximator = Approximator(MLP(3, (4,), 2, rngs=nnx.Rngs(0)), optax.adam(0.1))
    before = jax.tree.map(np.asarray, (approximator.parameters, approximator.optimiser_state))
    row = jax.tree.map(lambda leaf: leaf[:1], approximator.parameters)  # which would be broadcast
    with pytest.raises(
        ConfigError, match=r"gradients do not fit the model: \['layers'\]\[0\]\['bias'\]: has shape \(1,"
    ):
        approximator.optimise(row)
    with pytest.raises(ConfigError, match=r"gradients do not fit the model: .*missing"):
        TargetNetwork(approximator).optimise({})
    after = (approximator.parameters, approximator.optimiser_state)
    assert all(map(np.array_equal, jax.tree.leaves(before), jax.tree.leaves(after)))


def test_refuses_parameters_that_are_not_finite():
    network, start = mlp(), mlp().parameters
    with pytest.raises(ConfigError, match=r"\['layers'\]\[0\]\['bias'\] holds numbers that are not finite"):
        network.parameters = start | {
            "layers": start["layers"] | {0: start["layers"][0] | {"bias": np.full(3, np.nan)}}
        }
    model = MLP(2, (3,), 2, rngs=nnx.Rngs(0))
    model.layers[1].kernel[...] = jnp.full((3, 2), jnp.inf)
    with pytest.raises(ConfigError, match="not finite"):
        Approximator(model, optax.sgd(0.1))


@pytest.mark.parametrize(
    ("model", "optimiser", "message"),
    [
        (lambda x: x, optax.sgd(0.1), "expected a flax.nnx.Module"),
        (MLP, optax.sgd(0.1), "expected a flax.nnx.Module; call it"),
        (nnx.Sequential(nnx.relu), optax.sgd(0.1), "Sequential has no parameters"),
        (MLP(2, (3,), 2, rngs=nnx.Rngs(0)), 1e-3, "optimiser is 0.001, expected an Optax transformation"),
    ],
)
def test_refuses_wrong_arguments(model, optimiser, message):
    with pytest.raises(ConfigError, match=message):
        Approximator(model, optimiser)


def test_networks_built_alike_share_one_compilation():
    traces = []

    @jax.jit
    def update(network, gradients):
        traces.append(1)
        network.optimise(gradients)
        return network

    for seed in range(3):
        network = Approximator(MLP(2, (3,), 2, activation=lambda x: x, rngs=nnx.Rngs(seed)), optax.adam(1e-3))
        for _ in range(2):  # the second call gets what the first one left
            network = update(network, zeros(network))
    assert len(traces) == 1
    update(Approximator(MLP(2, (3,), 2, activation=lambda x: x, rngs=nnx.Rngs(0)), optax.adam(2e-3)), zeros(network))
    assert len(traces) == 2


def test_fixed_compares_by_value():
    def scaled(factor):
        return lambda x: factor * x

    assert Fixed(scaled(2.0)) == Fixed(scaled(2.0))
    assert hash(Fixed(scaled(2.0))) == hash(Fixed(scaled(2.0)))
    assert Fixed(scaled(2.0)) != Fixed(scaled(3.0))
    assert Fixed(partial(optax.huber_loss, delta=2.0)) == Fixed(partial(optax.huber_loss, delta=2.0))
    assert Fixed(partial(optax.huber_loss, delta=2.0)) != Fixed(partial(optax.huber_loss, delta=1.0))
    unhashable = Fixed({1, 2})
    assert unhashable == unhashable
    assert unhashable != Fixed({1, 2})
    assert Fixed(1) != 1
