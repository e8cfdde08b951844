"""Learning rewards and punishments apart."""

import math
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from rlcore.approximators.tabular import TabularApproximator
from rlcore.arguments import check_number, named
from rlcore.errors import ConfigError, RLCoreError
from rlcore.interfaces import Environment, Learner
from rlcore.learners.checks import check_rows, check_tables, count_actions
from rlcore.stages import Stage, check_stages
from rlcore.struct import namespace, put, static, struct


@struct
class SplitQLearner(Learner):
    """Q-learning in two streams, one for rewards and one for punishments, each with its own weight and memory.

    With r+ = max(r, 0) and r- = min(r, 0), every transition moves both tables:

    Q+(s, a) = reward_memory * Q+(s, a) + alpha * (reward_weight * r+ + gamma * max over a' of Q+(s', a') - Q+(s, a))

    Q-(s, a) = punish_memory * Q-(s, a) + alpha * (punish_weight * r- + gamma * max over a' of Q-(s', a') - Q-(s, a))

    Actions are valued by Q+ + Q-. Each stream has its own maximum, over `batch.next_mask` where there is one. Nothing
    comes after a termination; a truncated episode keeps the values of its last state. A memory below 1 fades what was
    learnt at each visit; weights of 0 make a stream blind. The rows of a batch are learnt from in their order.
    `batch.discount` stands in for gamma (the reward of several steps is split as a whole), `batch.weight` multiplies
    alpha; where a batch has a `key`, `metrics["priority"]` are the sizes of the summed errors.

    Attributes:
        reward_approximator: The table Q+.
        punish_approximator: The table Q-.
        gamma: Discount per step, in `[0, 1]`.
        alpha: Step size, in `(0, 1]`.
        reward_weight: How much rewards count, at least 0 (the paper's weight of positive rewards).
        punish_weight: How much punishments count, likewise.
        reward_memory: How much of Q+ is kept at each visit, in `[0, 1]` (the paper's weight of old rewards).
        punish_memory: How much of Q- is kept, likewise.

    Source: Lin et al. 2020 (arXiv 1906.11286), algorithm 1, Split Q-learning.
    """

    reward_approximator: TabularApproximator
    punish_approximator: TabularApproximator
    gamma: float = static(1.0)
    alpha: float = static(0.01)
    reward_weight: float = static(1.0)
    punish_weight: float = static(1.0)
    reward_memory: float = static(1.0)
    punish_memory: float = static(1.0)

    update_is_jitted: ClassVar[bool] = False

    def __init__(
        self,
        reward_approximator: TabularApproximator,
        punish_approximator: TabularApproximator,
        gamma: float = 1.0,
        alpha: float = 0.01,
        *,
        reward_weight: float = 1.0,
        punish_weight: float = 1.0,
        reward_memory: float = 1.0,
        punish_memory: float = 1.0,
        stages: tuple[Stage, ...] = (Stage.POST_ACT,),
    ) -> None:
        """Takes the two tables.

        Raises:
            ConfigError: Anything but two tables of action values of one shape and a tuple of stages, or a number out of
                range.
        """
        self.reward_approximator = _checked_table("reward_approximator", reward_approximator)
        self.punish_approximator = _checked_table("punish_approximator", punish_approximator)
        shapes = reward_approximator.table.shape, punish_approximator.table.shape
        if reward_approximator is punish_approximator or shapes[0] != shapes[1]:
            came = f"tables of shapes {shapes[0]} and {shapes[1]}" if shapes[0] != shapes[1] else "one table twice"
            raise ConfigError(f"the two streams have {came}, expected two tables of one shape; build one for each")
        self.gamma, self.alpha = check_number("gamma", gamma, 0, 1), check_number("alpha", alpha, 0, 1, above=True)
        self.reward_weight = check_number("reward_weight", reward_weight, 0)
        self.punish_weight = check_number("punish_weight", punish_weight, 0)
        self.reward_memory = check_number("reward_memory", reward_memory, 0, 1)
        self.punish_memory = check_number("punish_memory", punish_memory, 0, 1)
        self.stages = check_stages(stages)

    def forward(self, state: Any) -> Any:
        """Q+ + Q- at `state`, `[..., actions]`; see `TabularApproximator.forward`."""
        return self.reward_approximator.forward(state) + self.punish_approximator.forward(state)

    def update(self, batch: Any) -> dict[str, Any]:
        """Learns from every row of `batch` in order; on the host one transition may come as plain numbers.

        Raises:
            ConfigError: Another kind of batch; on the host, a state or action outside the tables.
            RLCoreError: On the host, a value that would not be finite; it is not written.
        """
        check_rows(self, batch, axes=(0, 1))
        gamma, alpha, terminated = self.gamma, self.alpha, batch.terminated
        if batch.discount is not None:
            gamma, terminated = batch.discount, batch.discount == 0
        if batch.weight is not None:
            alpha = alpha * batch.weight
        tables = self.reward_approximator.table, self.punish_approximator.table
        xp, dtype, n_rows = namespace(*tables, batch.state, batch.reward), tables[0].dtype, np.size(batch.reward)
        places = [xp.asarray(index) for index in (batch.state, batch.action, batch.next_state)]
        numbers = [xp.asarray(number, dtype) for number in (batch.reward, gamma, alpha)]
        rows = [xp.broadcast_to(column, (n_rows,)) for column in (*places, *numbers, xp.asarray(terminated))]
        masks = None if batch.next_mask is None else xp.reshape(xp.asarray(batch.next_mask), (n_rows, -1))
        if xp is np:
            _check_inside(tables[0].shape, *rows[:3])
        tables, errors = self._learn_rows(tuple(map(xp.asarray, tables)), rows, masks)
        self.reward_approximator.table, self.punish_approximator.table = tables
        return {} if batch.key is None else {"priority": abs(errors)}

    def _learn_rows(self, tables: Any, rows: Any, masks: Any) -> tuple[Any, Any]:
        if not isinstance(tables[0], np.ndarray):
            return jax.lax.scan(lambda tables, row: self._learn_row(tables, *row), tables, (rows, masks))
        errors = np.zeros(len(rows[0]), np.float32)
        for at, row in enumerate(zip(*rows, strict=True)):
            tables, errors[at] = self._learn_row(tables, row, None if masks is None else masks[at])
        return tables, errors

    def _learn_row(self, tables: Any, row: Any, mask: Any) -> tuple[Any, Any]:
        """Both tables after one transition, NumPy ones in place, JAX ones anew, and the sum of their errors."""
        state, action, next_state, reward, gamma, alpha, terminated = row
        xp, errors, moved = namespace(tables[0]), [], []
        streams = (
            (self.reward_weight * xp.maximum(reward, 0), self.reward_memory),
            (self.punish_weight * xp.minimum(reward, 0), self.punish_memory),
        )
        for table, (part, memory) in zip(tables, streams, strict=True):
            future, old = table[next_state], table[state, action]
            best = (
                future.max() if mask is None else xp.where(mask.any(), xp.max(future, initial=-np.inf, where=mask), 0)
            )
            errors.append(part + xp.where(terminated, 0, gamma * best) - old)
            moved.append((memory * old + alpha * errors[-1]).astype(table.dtype))
        if xp is np and not all(map(math.isfinite, moved)):
            raise RLCoreError(
                f"the new values of state {state}, action {action} would be {moved[0]} and {moved[1]} (reward "
                f"{reward}, gamma {gamma}, alpha {alpha}) and were not written; look for extreme rewards"
            )
        return tuple(put(table, (state, action), new) for table, new in zip(tables, moved, strict=True)), sum(errors)

    def check_finite(self) -> None:
        """Raises `RLCoreError` if a compiled run left values that are not finite in a table."""
        check_tables(self, self.reward_approximator, self.punish_approximator)

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the tables do not fit the states and actions of `env`."""
        n_actions = count_actions(self, env)
        shape = self.reward_approximator.check(env.state_space()).shape
        if shape != (n_actions,):
            raise ConfigError(
                f"the tables have {shape[0]} columns, but the environment has {n_actions} actions; "
                f"build them with n_actions={n_actions}"
            )


def _check_inside(shape: tuple[int, int], state: Any, action: Any, next_state: Any) -> None:
    for name, indices, end in (("state", state, 0), ("action", action, 1), ("next_state", next_state, 0)):
        wrong = (indices < 0) | (indices >= shape[end])
        if wrong.any():
            raise ConfigError(
                f"{name} is {indices[wrong][0]}, expected from 0 to {shape[end] - 1}, the "
                f"{('rows', 'columns')[end]} of the tables"
            )


def _checked_table(name: str, approximator: Any) -> TabularApproximator:
    if isinstance(approximator, TabularApproximator) and approximator.table.ndim == 2:
        return approximator
    came, advice = named(approximator), ""
    if isinstance(approximator, TabularApproximator):
        came = f"a table of shape {approximator.table.shape}"
    elif isinstance(approximator, nnx.Module) or hasattr(approximator, "parameters"):
        advice = "; a network learns with DQNLearner(Approximator(model, optimiser), split=RewardSplit(...))"
    raise ConfigError(
        f"{name} is {came}, expected a table of action values [states, actions], such as "
        f"TabularQApproximator(n_states, n_actions){advice}"
    )
