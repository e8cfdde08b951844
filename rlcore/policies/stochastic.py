"""A policy whose network is a distribution over actions."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from gymnasium import spaces

from rlcore.approximators import Approximator
from rlcore.approximators.blueprint import as_arrays, call
from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Array, Environment, Learner, Policy
from rlcore.random import Random, random_or_seeded
from rlcore.stages import Stage
from rlcore.struct import cached, check_decorated, is_traced, namespace, struct


@struct
class StochasticPolicy(Policy):
    """Draws each action from the distribution that the learner's network gives.

    The network is a `CategoricalNetwork` for discrete actions, else one such as `GaussianNetwork`, whose actions are
    clipped to the bounds of the space. The log-probability of what was drawn, before clipping, stands in
    `extras["log_prob"]`.

    Attributes:
        learner: Holds an `approximator` whose network has `sample(state, key)` and `mode(state)`.
        random: Its stream; a step takes one number, however many environments act.

    Raises:
        ConfigError: Something else than such a learner.
    """

    learner: Learner
    random: Random
    _space: Any = cached()
    _extras: Any = cached()

    def __init__(self, learner: Learner, seed: int | None = None) -> None:
        network = getattr(getattr(learner, "approximator", None), "model", None)
        is_distribution = all(callable(getattr(network, name, None)) for name in ("sample", "mode"))
        if not isinstance(learner, Learner) or not is_distribution:
            what = named(learner) if not isinstance(learner, Learner) else f"a {type(learner).__name__} with {network}"
            raise ConfigError(
                f"learner is {what}, expected a Learner whose network is a distribution over actions, such as "
                "BehaviorCloningLearner(Approximator(CategoricalNetwork(model), optimiser)); QBasedPolicy acts on "
                "the values of actions"
            )
        check_decorated(learner, "learner")
        self.learner, self.random = learner, random_or_seeded(seed, "StochasticPolicy")

    def plan(self, env: Environment) -> Any:
        """A drawn action: an int or `[*action]` for a single environment, `[num_envs, ...]` for several."""
        return self._draw(env.state(), env.legal_action_mask(), env.action_space())

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """A drawn action at a bare state `[..., *state]`."""
        return self._draw(state, mask, self._space)

    def _draw(self, state: Any, mask: Any, space: Any) -> Any:
        action, log_prob = _answer(self.learner, state, mask, self.random.key())
        self._extras = {"log_prob": log_prob}
        return _fitted(action, space)

    @property
    def extras(self) -> dict[str, Any]:
        """`log_prob`: the log-probability of the last action, in nats; `[num_envs]` for several environments."""
        return self._extras or {}

    def prob(self, env: Environment) -> Array:
        """The probability of each action at `env.state()`, `[..., actions]`.

        Raises:
            ConfigError: The actions are not discrete.
        """
        if not isinstance(env.action_space(), spaces.Discrete):
            raise ConfigError(f"prob needs discrete actions, the action space is {env.action_space()}")
        logits, mask = self.learner.forward(env.state()), env.legal_action_mask()
        xp = namespace(logits)
        logits = logits if mask is None else xp.where(mask, logits, -xp.inf)
        shares = xp.exp(logits - logits.max(-1, keepdims=True))
        return shares / shares.sum(-1, keepdims=True)

    def post_experiment(self, env: Environment) -> None:
        """Raises `RLCoreError` if the last update was not finite."""
        self.learner.check_finite()

    def greedy(self) -> "ModePolicy":
        """Always the most likely action; shares the learner, learns nothing."""
        return ModePolicy(self.learner)

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the network gives no actions of `env` for its states."""
        self.learner.check(env)
        self._space = env.action_space()

    @property
    def metrics(self) -> Any:
        """Those of the learner's last update."""
        return self.learner.metrics


@struct
class ModePolicy(Policy):
    """Takes the most likely action, or the one without noise; what `StochasticPolicy.greedy()` gives."""

    learner: Learner
    _space: Any = cached()

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def plan(self, env: Environment) -> Any:
        """The action: an int or `[*action]` for a single environment, `[num_envs, ...]` for several."""
        return _fitted(_answer(self.learner, env.state(), env.legal_action_mask()), env.action_space())

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """The action at a bare state `[..., *state]`."""
        return _fitted(_answer(self.learner, state, mask), self._space)

    def learners(self, stage: Stage) -> list[Any]:
        """None: it looks on."""
        return []

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the network gives no actions of `env` for its states."""
        self.learner.check(env)
        self._space = env.action_space()


def _answer(learner: Any, state: Any, mask: Any, key: Any = None) -> Any:
    """What the network draws with `key`, or without one its mode; NumPy unless it is part of a trace."""
    network: Approximator = learner.approximator
    state = as_arrays(state)
    asked = (network.parameters, network.variables, state, mask, key)
    answer = _compiled(network._fixed, network.state_ndim, *asked)
    return answer if any(map(is_traced, jax.tree.leaves(asked))) else jax.tree.map(np.asarray, answer)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(fixed: Fixed, ndim: int | None, parameters: Any, variables: Any, state: Any, mask: Any, key: Any) -> Any:
    network: Any = nnx.merge(fixed.value.evaluation, parameters, variables)

    def ask(asked: Any) -> Any:
        state, *masks = asked
        return network.mode(state, *masks) if key is None else network.sample(state, key, *masks)

    return call(ask, ndim, (state,) if mask is None else (state, jnp.asarray(mask)))


def _fitted(action: Any, space: Any) -> Any:
    """An action as the space has it: a Python int where it is one, of the space's shape and within its bounds."""
    if isinstance(space, spaces.Box):
        low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        xp = namespace(action)
        return xp.clip(action.reshape(*action.shape[:-1], *space.shape), low, high)
    return action.item() if isinstance(action, np.ndarray) and action.shape == () else action
