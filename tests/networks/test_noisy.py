"""Layers with noisy weights."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from gymnasium import spaces
from scipy import stats

from rlcore.approximators import Approximator, TargetNetwork
from rlcore.errors import ConfigError
from rlcore.networks import MLP, DuelingNetwork, NoisyLinear


def scaled(numbers):
    return np.sign(numbers) * np.sqrt(np.abs(numbers))


def test_weights_by_hand():
    layer = NoisyLinear(3, 2, sigma=0.6, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    key = jax.random.fold_in(layer.noise.key[...], layer.noise.count[...])
    noise = scaled(np.asarray(jax.random.normal(key, (5,))))
    kernel, bias = np.array(layer.kernel[...]), np.array(layer.bias[...])
    for i in range(3):
        for j in range(2):
            kernel[i, j] += layer.kernel_sigma[i, j] * noise[i] * noise[3 + j]
    for j in range(2):
        bias[j] += layer.bias_sigma[j] * noise[3 + j]
    np.testing.assert_allclose(layer(x), x @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_first_parameters():
    layer = NoisyLinear(100, 50, rngs=nnx.Rngs(0))
    assert abs(np.asarray(layer.kernel[...])).max() <= 0.1
    assert abs(np.asarray(layer.bias[...])).max() <= 0.1
    uniform = stats.kstest(np.ravel(layer.kernel[...]), "uniform", (-0.1, 0.2))
    assert uniform.pvalue > 0.001
    np.testing.assert_allclose(layer.kernel_sigma[...], 0.05)
    np.testing.assert_allclose(layer.bias_sigma[...], 0.05)


def test_training_draws_anew_and_evaluation_takes_the_mean():
    layer, x = NoisyLinear(4, 3, rngs=nnx.Rngs(0)), jnp.ones((2, 4))
    one, other = layer(x), layer(x)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(one[0], one[1])  # the same noise for all rows
    layer.eval()
    np.testing.assert_array_equal(layer(x), layer(x))
    np.testing.assert_allclose(layer(x), x @ layer.kernel[...] + layer.bias[...], rtol=1e-6)
    layer.train()
    assert not np.allclose(layer(x), one)


def test_outputs_scatter_around_the_mean_as_far_as_the_deviations_say():
    """The variance of f(e) f(e') is the square of E|e| = sqrt(2 / pi), that of f(e) is E|e|."""
    layer = NoisyLinear(3, 1, rngs=nnx.Rngs(3))
    x = np.array([1.0, -2.0, 0.5], np.float32)
    graph, state = nnx.graphdef(layer), nnx.to_pure_dict(nnx.state(layer))

    def draw(key):
        copy = nnx.merge(graph, state)
        copy.noise.key[...] = key
        return copy(x)

    outputs = np.asarray(jax.vmap(draw)(jax.random.split(jax.random.key(1), 20_000)))[:, 0]
    mean = float((x @ layer.kernel[...] + layer.bias[...])[0])
    share, sigma = np.sqrt(2 / np.pi), 0.5 / np.sqrt(3)
    deviation = sigma * np.sqrt(share**2 * (x**2).sum() + share)
    assert outputs.mean() == pytest.approx(mean, abs=5 * deviation / np.sqrt(20_000))
    assert outputs.std() == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_any_leading_axes(leading):
    layer = NoisyLinear(4, 3, rngs=nnx.Rngs(0))
    assert layer(jnp.ones((*leading, 4))).shape == (*leading, 3)


def test_layers_have_noise_of_their_own():
    rngs = nnx.Rngs(0)
    one, other = NoisyLinear(2, 2, rngs=rngs), NoisyLinear(2, 2, rngs=rngs)
    for name in ("kernel", "bias"):
        setattr(other, name, nnx.Param(getattr(one, name)[...]))
    x = jnp.ones(2)
    assert not np.allclose(one(x), other(x))


def network(kind="stack"):
    rngs = nnx.Rngs(0)
    if kind == "dueling":
        base = nnx.Sequential(NoisyLinear(4, 8, rngs=rngs), nnx.relu)
        return DuelingNetwork(base, NoisyLinear(8, 1, rngs=rngs), NoisyLinear(8, 2, rngs=rngs))
    return nnx.Sequential(
        NoisyLinear(4, 8, rngs=rngs), nnx.relu, nnx.Dropout(0.5, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)
    )


@pytest.mark.parametrize("kind", ["stack", "dueling"])
def test_the_means_act_through_numpy(kind):
    approximator, state = Approximator(network(kind), optax.sgd(0.1)), np.ones(4, np.float32)
    approximator.forward(state)
    assert approximator._views.pass_for(state) is not None


@pytest.mark.parametrize("kind", ["stack", "dueling"])
@pytest.mark.parametrize("wrap", [lambda network: network, TargetNetwork])
def test_an_approximator_answers_with_the_means_or_with_the_noise_of_a_key(kind, wrap):
    approximator = wrap(Approximator(network(kind), optax.adam(1e-3)))
    assert approximator.is_noisy
    approximator.check(spaces.Box(-1, 1, (4,)))
    x, words = np.ones((3, 4), np.float32), np.array([5, 6])
    mean = approximator.forward(x)
    np.testing.assert_allclose(mean, approximator.model(x), rtol=1e-5)  # in evaluation mode
    noisy = approximator.forward(x, key=words)
    assert isinstance(noisy, np.ndarray)
    assert not np.allclose(noisy, mean)
    same = [
        approximator.forward(x, key=words),
        approximator.forward(x, key=jax.random.wrap_key_data(jnp.array([5, 6], jnp.uint32))),
        approximator.forward(jnp.asarray(x), key=words),
        approximator.target(x, words),
        jax.jit(lambda approximator, key: approximator.forward(x, key=key))(approximator, words),
        np.stack([approximator.forward(row, key=words) for row in x]),
    ]
    for values in same:
        np.testing.assert_allclose(values, noisy, rtol=1e-5, atol=1e-6)
    assert not np.allclose(approximator.forward(x, key=np.array([5, 7])), noisy)
    np.testing.assert_array_equal(approximator.forward(x), mean)


def test_the_noise_of_a_key_follows_the_parameters():
    approximator, x, words = Approximator(network(), optax.sgd(1.0)), np.ones(4, np.float32), np.array([1, 2])
    before = approximator.forward(x, key=words)
    approximator.parameters = jax.tree.map(lambda leaf: 2 * leaf, approximator.parameters)
    after = approximator.forward(x, key=words)
    assert not np.allclose(before, after)
    expected = Approximator(network(), optax.sgd(1.0))
    expected.parameters = approximator.parameters
    np.testing.assert_allclose(after, expected.forward(x, key=words), rtol=1e-6)


def test_a_network_without_noise_says_so_and_is_no_other_with_a_key():
    approximator = Approximator(MLP(4, (8,), 2, rngs=nnx.Rngs(0)), optax.adam(1e-3))
    assert not approximator.is_noisy
    x = np.ones(4, np.float32)
    np.testing.assert_allclose(approximator.forward(x, key=np.array([1, 2])), approximator.forward(x), rtol=1e-5)


def test_the_key_beside_the_loss_is_another_one_after_every_pass_of_training():
    approximator = Approximator(network("dueling"), optax.adam(1e-3))
    keys = []
    for _ in range(3):
        keys.append(tuple(np.asarray(jax.random.key_data(approximator.noise_key())).tolist()))
        assert keys[-1] == tuple(np.asarray(jax.random.key_data(approximator.noise_key())).tolist())
        approximator.forward(np.ones((1, 4), np.float32), approximator.parameters)
        approximator.variables = approximator.variables  # what an update keeps
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_inputs": 0}, "n_inputs is 0"),
        ({"n_outputs": 1.5}, "n_outputs is 1.5"),
        ({"sigma": -0.1}, "sigma is -0.1, expected a finite number of at least 0"),
        ({"rngs": 3}, r"rngs is 3, expected flax.nnx.Rngs, such as rngs=nnx.Rngs\(0\)"),
    ],
)
def test_refuses_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        NoisyLinear(**{"n_inputs": 2, "n_outputs": 2, "rngs": nnx.Rngs(0)} | arguments)


def test_tells_what_it_takes():
    rngs = nnx.Rngs(0)
    with pytest.raises(ConfigError, match="parts of DuelingNetwork don't fit each other"):
        DuelingNetwork(NoisyLinear(4, 8, rngs=rngs), NoisyLinear(7, 1, rngs=rngs), NoisyLinear(8, 2, rngs=rngs))
