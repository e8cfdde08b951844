"""Learning a table from one transition at a time."""

from typing import Any, ClassVar

import numpy as np

from rlcore.approximators.tabular import TabularApproximator
from rlcore.arguments import check_number, named
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment, Learner
from rlcore.learners.bellman import bellman_update, update_cell
from rlcore.learners.checks import count_actions
from rlcore.stages import Stage
from rlcore.struct import static, struct


@struct
class TDLearner(Learner):
    """Q-learning on a table of action values; TD(0) on a table of state values.

    Q(s, a) += alpha * (r + gamma * max over a' of Q(s', a') - Q(s, a)), or
    V(s) += alpha * (r + gamma * V(s') - V(s)). Nothing comes after a termination; a truncated episode keeps the value
    of its last state. The rows of a batch are learnt from in their order, each from the table that the one before
    left. `batch.discount` stands in for gamma, `batch.weight` multiplies alpha.

    On the host the table is written in place, in its own precision.

    Attributes:
        approximator: The table.
        method: `"SARS"`.
        gamma: Discount per step, in `[0, 1]`.
        alpha: Step size, in `(0, 1]`.
        n: Steps beyond the first, 0.

    Source: Sutton & Barto 2018, eq. 6.8 and 6.2; Julia `TDLearner`.
    """

    approximator: TabularApproximator
    method: str = static("SARS")
    gamma: float = static(1.0)
    alpha: float = static(0.01)
    n: int = static(0)

    update_is_jitted: ClassVar[bool] = False

    def __init__(
        self,
        approximator: TabularApproximator,
        method: str = "SARS",
        gamma: float = 1.0,
        alpha: float = 0.01,
        n: int = 0,
        *,
        stages: tuple[Stage, ...] = (Stage.POST_ACT,),
    ) -> None:
        """Raises `ConfigError` for anything but a table, an unknown method, or a number out of range."""
        if not isinstance(approximator, TabularApproximator):
            is_numbers = isinstance(approximator, np.ndarray | list | tuple)
            advice = "wrap it: TabularApproximator(table)" if is_numbers else "DQNLearner learns networks"
            raise ConfigError(
                f"approximator is {named(approximator)}, expected a TabularApproximator, such as "
                f"TabularQApproximator(n_states, n_actions); {advice}"
            )
        if method != "SARS":
            raise ConfigError(f"method is {method!r}, expected 'SARS' (Q-learning, or TD(0) on state values)")
        if isinstance(n, bool) or n != 0:
            raise ConfigError(f"n is {n!r}, expected 0: TDLearner learns from single steps")
        self.approximator, self.method, self.n, self.stages = approximator, method, 0, stages
        self.gamma = check_number("gamma", gamma, 0, 1)
        self.alpha = check_number("alpha", alpha, 0, 1, above=True)

    def forward(self, state: Any) -> Any:
        """The values at `state`; see `TabularApproximator.forward`."""
        return self.approximator.forward(state)

    def update(self, batch: Any) -> dict[str, Any]:
        """Learns from every row of `batch` in order; on the host one transition may come as plain numbers.

        Raises:
            ConfigError: On the host, a state or action outside the table.
            RLCoreError: On the host, a value that would not be finite; it is not written.
        """
        reward, approximator = batch.reward, self.approximator
        is_plain = reward.__class__ is float and approximator.table.__class__ is np.ndarray
        if is_plain and batch.discount is None and batch.weight is None:  # mostly, and quicker
            state, next_state, action = batch.state, batch.next_state, batch.action
            terminated, next_mask, cells = batch.terminated, batch.next_mask, approximator.cells()
            update_cell(cells, state, next_state, action, reward, terminated, self.gamma, self.alpha, next_mask)
            return {}
        gamma, alpha, terminated = self.gamma, self.alpha, batch.terminated
        if batch.discount is not None:
            gamma, terminated = batch.discount, batch.discount == 0
        if batch.weight is not None:
            alpha = alpha * batch.weight
        state, next_state, action = batch.state, batch.next_state, batch.action
        bellman_update(approximator, state, next_state, action, reward, terminated, gamma, alpha, batch.next_mask)
        return {}

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the table does not fit the states and actions of `env`."""
        n_actions = count_actions(self, env)
        shape = self.approximator.check(env.state_space()).shape
        if shape and shape != (n_actions,):
            raise ConfigError(
                f"the table has {shape[0]} columns, but the environment has {n_actions} actions; "
                f"build it with n_actions={n_actions}"
            )
