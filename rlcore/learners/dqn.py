"""Learning a network of action values from batches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rlcore.approximators.approximator import Approximator
from rlcore.approximators.tabular import TabularApproximator
from rlcore.approximators.target_network import TargetNetwork
from rlcore.arguments import check_flag, check_function, check_number, named
from rlcore.errors import ConfigError
from rlcore.fixed import Fixed
from rlcore.interfaces import Environment, Learner
from rlcore.learners.checks import check_rows, count_actions
from rlcore.learners.distribution import Distribution
from rlcore.learners.reward_split import RewardSplit
from rlcore.learners.targets import bellman_target, best_action, best_value
from rlcore.random import Random
from rlcore.stages import Stage, check_stages
from rlcore.struct import static, struct

Array = jax.Array
Loss = Callable[[Array, Array], Array]

_NEEDED = ("forward", "target", "parameters", "variables", "optimise", "check")


@struct
class DQNLearner(Learner):
    """Deep Q-learning and its extensions: Q(s, a) is moved towards r + gamma * max over a' of Q_target(s', a').

    Nothing comes after a termination; a truncated episode keeps the value of its last state. The maximum is over
    `batch.next_mask` where a batch has one. `batch.discount` stands in for gamma (0: nothing comes after),
    `batch.weight` multiplies the loss of each row; where a batch has a `key`, `metrics["priority"]` are its new
    priorities: `|target - Q|`, or the loss of each row of a distribution.

    The default loss is the squared error. With small networks and the settings that are usual for CartPole, a Huber
    loss let Q run off into the millions, where the squared error stayed in the hundreds.

    A network with `NoisyLinear` layers draws new noise whenever a policy acts, for every update, its target, and the
    choice of double Q-learning; `forward(state)`, and with it evaluation, takes the means.

    Attributes:
        approximator: An `Approximator`, or one in a `TargetNetwork`.
        noise: The stream of the noise for acting; `None` if the network has no noisy layers.
        gamma: Discount per step, in `[0, 1]`.
        is_double: Whether the online network chooses the action whose target value counts.
        distribution: The form of the distribution of returns that is learnt; `None`: their expectation.
        conservative_weight: Of the penalty of conservative Q-learning, at least 0.
        split: How rewards and punishments are learnt apart; `None`: they are not.

    Source: Mnih et al. 2015, algorithm 1; van Hasselt et al. 2016 (arXiv 1509.06461), eq. 4; Hessel et al. 2018
    (arXiv 1710.02298); Kumar et al. 2020 (arXiv 2006.04779), eq. 4.
    """

    approximator: Approximator | TargetNetwork
    noise: Random | None
    gamma: float = static(0.99)
    _loss: Fixed = static()
    is_double: bool = static(False)
    distribution: Distribution | None = static(None)
    conservative_weight: float = static(0.0)
    split: RewardSplit | None = static(None)

    def __init__(
        self,
        approximator: Approximator | TargetNetwork,
        gamma: float = 0.99,
        loss: Loss = optax.squared_error,
        double: bool = False,
        *,
        distribution: Distribution | None = None,
        conservative_weight: float = 0.0,
        split: RewardSplit | None = None,
        stages: tuple[Stage, ...] = (Stage.POST_ACT,),
    ) -> None:
        """Takes a network and how to learn.

        Args:
            approximator: Maps states `[B, *state]` to action values `[B, actions]`, with a distribution to
                `[B, actions * n_atoms]`, all atoms of the first action in front; with `split` to twice as many, those
                of rewards in front.
            gamma: Discount per step, in `[0, 1]`.
            loss: From predictions and targets, both `[B]`, to losses `[B]`; a distribution has its own.
            double: Double Q-learning.
            distribution: `CategoricalSupport(v_min, v_max, n_atoms)` (C51) or `Quantiles(n)` (QR-DQN).
            conservative_weight: Conservative Q-learning: adds so many times
                log(sum over a' of exp Q(s, a')) - Q(s, a) to the loss of a row, over the actions that `batch.mask`
                allows; at least 0.
            split: `RewardSplit(reward_weight, punish_weight, reward_memory, punish_memory)` (split Q-learning).
            stages: When to learn.

        Raises:
            ConfigError: `approximator` is a table, a bare module or none, `gamma` outside `[0, 1]`, `loss` no function
                or given beside a distribution, `distribution` or `split` none, `conservative_weight` negative, `stages`
                no tuple of stages.
        """
        if isinstance(approximator, type) or not all(hasattr(approximator, name) for name in _NEEDED):
            advice = "build one: Approximator(model, optax.adam(1e-3))"
            if isinstance(approximator, nnx.Module):
                advice = "wrap it: Approximator(model, optax.adam(1e-3))"
            elif isinstance(approximator, TabularApproximator):
                advice = "TDLearner learns tables"
            raise ConfigError(
                f"approximator is {named(approximator)}, expected an Approximator(model, optimiser), perhaps in a "
                f"TargetNetwork; {advice}"
            )
        self.approximator, self.is_double, self.stages = (
            approximator,
            check_flag("double", double),
            check_stages(stages),
        )
        self._loss = Fixed(check_function("loss", loss, ("prediction", "target")))
        self.gamma = check_number("gamma", gamma, 0, 1)
        self.distribution = _checked_distribution(distribution, loss)
        self.conservative_weight = check_number("conservative_weight", conservative_weight, 0)
        if split is not None and not isinstance(split, RewardSplit):
            raise ConfigError(f"split is {named(split)}, expected a RewardSplit(reward_weight, punish_weight) or None")
        self.split = split
        self.noise = Random() if getattr(approximator, "is_noisy", False) else None

    @property
    def loss(self) -> Loss:
        """From predictions and targets to losses `[B]`; that of the distribution, if there is one."""
        return self._loss.value if self.distribution is None else self.distribution.loss

    def forward(self, state: Any, key: Any = None) -> Any:
        """The values of all actions, `[..., actions]`; see `Approximator.forward`.

        Args:
            state: `[..., *state]`.
            key: For the noise of a noisy network, see there; `None`: without noise.
        """
        if key is None and self.distribution is None and self.split is None:
            return self.approximator.forward(state)
        outputs = self.approximator.forward(state) if key is None else self.approximator.forward(state, key=key)
        return sum(map(self._expected, self._streams(outputs)))

    def objective(self, parameters: Any, batch: Any) -> tuple[Array, dict[str, Array]]:
        """The mean loss over the rows of a batch.

        Args:
            parameters: Of the network.
            batch: Transitions `[B, ...]`.

        Returns:
            The loss, and `q`: the mean value of the actions that were taken; `conservative`: the mean penalty, if
            there is one; `priority`: `[B]`, if the batch is prioritised.

        Raises:
            ConfigError: Another kind of batch.
        """
        check_rows(self, batch)
        targets = jax.lax.stop_gradient(self._targets(batch))  # first: the loss may move batch statistics
        streams = self._streams(self.approximator.forward(batch.state, parameters))  # each [B, A], or [B, A * N]
        values = list(map(self._expected, streams))  # each [B, A]
        taken = [_of_taken(one[..., None], batch.action)[:, 0] for one in values]  # each [B]
        predictions = taken
        if self.distribution is not None:
            predictions = [_of_taken(self._atoms(one), batch.action) for one in streams]  # each [B, N]
        losses: Any = sum(map(self.loss, predictions, targets))
        q: Any = sum(taken)
        metrics = {"q": q.mean()}
        if batch.key is not None:
            error = abs(sum(targets) - q) if self.distribution is None else jnp.maximum(losses, 0)
            metrics["priority"] = jax.lax.stop_gradient(error)
        if self.conservative_weight > 0:
            penalty = jax.nn.logsumexp(sum(values), axis=-1, where=batch.mask) - q
            losses = losses + self.conservative_weight * penalty
            metrics["conservative"] = penalty.mean()
        if batch.weight is not None:
            losses = losses * batch.weight
        return losses.mean(), metrics

    def _targets(self, batch: Any) -> list[Array]:
        """`[B]`, or `[B, n_atoms]`, for each stream of values."""
        outputs, chosen_by = self._next_outputs(batch.next_state)
        pairs = zip(self._rewards(batch), outputs, chosen_by, strict=True)
        return [self._target(batch, *one) for one in pairs]

    def _rewards(self, batch: Any) -> Any:
        """What each stream learns of `batch.reward`, `[B]`, without what it forgets of its own value."""
        if self.split is None:
            return [batch.reward]
        parts, fading = self.split.parts(batch.reward), self.split.fading
        if not any(fading):
            return parts
        values = map(self._expected, self._streams(self.approximator.forward(batch.state)))
        return [
            part - share * _of_taken(one[..., None], batch.action)[:, 0]
            for part, share, one in zip(parts, fading, values, strict=True)
        ]

    def _target(self, batch: Any, reward: Any, outputs: Any, chosen_by: Any) -> Array:
        """`[B]`, or `[B, n_atoms]`, of one stream."""
        gamma, terminated = self.gamma, batch.terminated
        if batch.discount is not None:
            gamma, terminated = batch.discount, batch.discount == 0
        if self.distribution is None:
            return bellman_target(reward, best_value(outputs, batch.next_mask, chosen_by), gamma, terminated)
        action = best_action(self._expected(outputs) if chosen_by is None else chosen_by, batch.next_mask)  # [B]
        outputs = jnp.take_along_axis(self._atoms(outputs), action[:, None, None], axis=1)[:, 0]  # [B, N]
        if batch.next_mask is not None:
            terminated = terminated | ~jnp.asarray(batch.next_mask).any(-1)
        return self.distribution.target(outputs, reward, gamma, terminated)

    def _next_outputs(self, state: Any) -> tuple[Any, Any]:
        """What the target gives, and in double Q-learning the values that say which action is best, by streams."""
        network = self.approximator
        arguments: list[dict[str, Any]] = [{}, {}]
        if self.noise is not None:
            arguments = [{"key": key} for key in jax.random.split(network.noise_key())]
        outputs = self._streams(network.target(state, **arguments[0]))
        if not self.is_double:
            return outputs, [None] * len(outputs)
        return outputs, map(self._expected, self._streams(network.forward(state, **arguments[1])))

    def _streams(self, outputs: Any) -> list[Any]:
        """What the network gives, `[..., actions * n_atoms]` for each stream of values."""
        if self.split is None:
            return [outputs]
        n = outputs.shape[-1] // self.split.n_streams
        return [outputs[..., :n], outputs[..., n:]]

    def _atoms(self, outputs: Any) -> Any:
        """`[..., actions, n_atoms]` for `[..., actions * n_atoms]`."""
        assert self.distribution is not None
        return outputs.reshape(*outputs.shape[:-1], -1, self.distribution.n_atoms)

    def _expected(self, outputs: Any) -> Any:
        """The action values `[..., actions]` for what the network gives of one stream."""
        return outputs if self.distribution is None else self.distribution.expected(self._atoms(outputs))

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the network does not map the states of `env` to what stands for its actions."""
        n_actions, n_atoms, n_streams = count_actions(self, env), 1, 1
        meaning = f"one value for each of the {n_actions} actions"
        if self.distribution is not None:
            n_atoms = self.distribution.n_atoms
            meaning = f"{n_atoms} atoms for each of the {n_actions} actions"
        if self.split is not None:
            n_streams = self.split.n_streams
            meaning += ", of rewards and of punishments"
        output, size = self.approximator.check(env.state_space()), n_streams * n_actions * n_atoms
        if not isinstance(output, jax.ShapeDtypeStruct) or output.shape != (size,):
            raise ConfigError(
                f"for one state of {env.state_space()} the network gives {output}, expected shape "
                f"({size},): {meaning}; set the size of its last layer"
            )


def _of_taken(values: Any, action: Any) -> Array:
    """What `values` `[B, actions, N]` has for the action of each row, `[B, N]`."""
    is_taken = jnp.asarray(action)[:, None] == jnp.arange(values.shape[-2])
    return jnp.where(is_taken[..., None], values, 0).sum(-2)


def _checked_distribution(distribution: Any, loss: Any) -> Distribution | None:
    if distribution is None:
        return None
    if not isinstance(distribution, Distribution):
        raise ConfigError(
            f"distribution is {named(distribution)}, expected CategoricalSupport(v_min, v_max, n_atoms), Quantiles(n) "
            "or None"
        )
    if loss is not optax.squared_error:
        raise ConfigError(
            f"loss is {named(loss)} beside distribution {distribution}, which has a loss of its own; leave one out"
        )
    return distribution
