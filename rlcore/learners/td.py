"""Learning a table from what happened last."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from rlcore.approximators.tabular import TabularApproximator
from rlcore.arguments import check_flag, check_number, check_whole, named
from rlcore.errors import ConfigError
from rlcore.explorers.counter import Counter
from rlcore.explorers.ucb import UCBExplorer
from rlcore.interfaces import Environment, Explorer, Learner
from rlcore.learners.bellman import bellman_update, update_cell
from rlcore.learners.checks import check_rows, check_tables, count_actions
from rlcore.learners.step_size import StepSize, step_size
from rlcore.learners.updates import METHODS, learn_batch
from rlcore.learners.windows import learn_window
from rlcore.random import random_or_seeded
from rlcore.stages import Stage, check_stages
from rlcore.struct import cached, is_traced, static, struct
from rlcore.trajectories import LatestTransition, LatestTransitions, Trajectory


@struct
class TDLearner(Learner):
    """Temporal-difference learning of a table: Q-learning, SARSA, expected SARSA, all over several steps, or double.

    The value of a state and action moves by alpha towards r + gamma * v(s'), where v(s') is

    - `"SARS"`: the maximum over a' of Q(s', a'), Q-learning; of a table of state values V(s'), TD(0);
    - `"SARSA"`: Q(s', a') of the action a' that was truly done next;
    - `"ExpectedSARSA"`: the sum over a' of p(a') Q(s', a'), with the probabilities of `explorer`.

    Nothing comes after a termination. After a truncation the next state keeps its value; SARSA, which has no next
    action there, takes the expectation by `explorer`, or the maximum if it was given none. Maxima and expectations are
    over the legal actions. With `n` > 0 the rewards of n + 1 steps are summed, discounted, and v is that of the last
    one's next state; at an end the steps that still wait are learnt from with what there is.

    With `double` there are two tables: a number of the stream says which one moves, and v is what the other one says of
    the action that is best (or probable) by the first. Actions are valued by the mean of both.

    Updates are done one after the other, each from the table that the one before left. `batch.discount` of sampled
    n-step batches stands in for gamma, `batch.weight` multiplies alpha. On the host the table is written in place, in
    its own precision.

    Attributes:
        approximator: The table.
        method: `"SARS"`, `"SARSA"` or `"ExpectedSARSA"`.
        gamma: Discount per step, in `[0, 1]`.
        alpha: Step size in `(0, 1]`, or a function of the number of updates.
        n: Steps beyond the first.
        explorer: Whose probabilities count, or `None`.
        second: The second table of double learning, or `None`.
        random: The stream that says which table moves, one number per update; `None` without `double`.
        counter: Of the updates, where alpha is a function of their number.
        discounts: gamma, gamma^2, ... up to n + 1, in the precision of the table.
        n_transitions: How many of the last transitions an update looks at.

    Source: Sutton & Barto 2018, eq. 6.2, 6.7, 6.8, 6.9, sections 6.7, 7.1 and 7.2; van Hasselt 2010; Julia `TDLearner`.
    """

    approximator: TabularApproximator
    method: str = static("SARS")
    _gamma: float = static(1.0)
    _alpha: Any = static(0.01)  # a float or a `StepSize`
    n: int = static(0)
    discounts: tuple[float, ...] = static(())
    _is_plain: bool = static(True)
    _rounded_alpha: float = static(0.01)  # in the precision of the table
    _alphas: Any = cached()
    explorer: Any = None
    second: Any = None
    random: Any = None
    counter: Any = None

    update_is_jitted: ClassVar[bool] = False

    def __init__(
        self,
        approximator: TabularApproximator,
        method: str = "SARS",
        gamma: float = 1.0,
        alpha: float | Callable[[Any], Any] = 0.01,
        n: int = 0,
        *,
        double: bool = False,
        explorer: Explorer | None = None,
        seed: int | None = None,
        stages: tuple[Stage, ...] = (Stage.POST_ACT,),
    ) -> None:
        """Takes a table and how to learn.

        Args:
            approximator: The table; with `double` a copy of it becomes the second one.
            method: `"SARS"`, `"SARSA"` or `"ExpectedSARSA"`.
            gamma: Discount per step, in `[0, 1]`.
            alpha: Step size in `(0, 1]`; or a function from the number of updates so far to one in `[0, 1]`, such as an
                Optax schedule.
            n: Steps beyond the first whose rewards are summed.
            double: Double learning.
            explorer: The policy that is learnt of, by its probabilities; a second explorer with the arguments of the
                acting one. Its schedule moves one step for every transition that is learnt from as it comes, and
                stays where it is when batches are sampled.
            seed: Of the stream of `double`; `None`: the experiment names it.
            stages: When to learn.

        Raises:
            ConfigError: Anything but a table, an unknown method, a number out of range, expected SARSA without an
                explorer, what needs action values with a table of state values, or no tuple of stages.
        """
        if not isinstance(approximator, TabularApproximator):
            is_numbers = isinstance(approximator, np.ndarray | list | tuple)
            advice = "wrap it: TabularApproximator(table)" if is_numbers else "DQNLearner learns networks"
            raise ConfigError(
                f"approximator is {named(approximator)}, expected a TabularApproximator, such as "
                f"TabularQApproximator(n_states, n_actions); {advice}"
            )
        _check_method(approximator, method, check_flag("double", double), explorer)
        self.approximator, self.method, self.explorer = approximator, method, explorer
        self.stages = check_stages(stages)
        self.n = check_whole("n", n, 0)
        if double:
            self.second, self.random = TabularApproximator(approximator.table), random_or_seeded(seed, "TDLearner")
        self.gamma, self.alpha = gamma, alpha

    @property
    def gamma(self) -> float:
        """Discount per step, in `[0, 1]`; may be set."""
        return self._gamma

    @gamma.setter
    def gamma(self, gamma: float) -> None:
        self._gamma = check_number("gamma", gamma, 0, 1)
        dtype = self.approximator.table.dtype.type
        self.discounts = tuple(np.cumprod(np.full(self.n + 1, gamma, dtype), dtype=dtype).tolist())

    @property
    def alpha(self) -> float | Callable[[Any], Any]:
        """The step size, or the function that says it; may be set, which starts its count of updates anew."""
        return self._alpha.value if isinstance(self._alpha, StepSize) else self._alpha

    @alpha.setter
    def alpha(self, alpha: float | Callable[[Any], Any]) -> None:
        self._alpha, self._alphas = step_size(alpha), None
        is_fixed = not isinstance(self._alpha, StepSize)
        self.counter = None if is_fixed else Counter(0)
        self._rounded_alpha = self.approximator.table.dtype.type(self._alpha if is_fixed else 0.0).item()
        # one-step learning by the maximum, with one table and one alpha
        self._is_plain = self.method == "SARS" and self.n == 0 and self.second is None and is_fixed

    @property
    def is_double(self) -> bool:
        """Whether there are two tables."""
        return self.second is not None

    @property
    def n_transitions(self) -> int:
        """How many of the last transitions an update looks at: n + 1, and one more for SARSA's next action."""
        return self.n + 1 + (self.method == "SARSA")

    def forward(self, state: Any) -> Any:
        """The values at `state`, with two tables their mean; see `TabularApproximator.forward`."""
        values = self.approximator.forward(state)
        return values if self.second is None else (values + self.second.forward(state)) / 2

    def update(self, batch: Any) -> dict[str, Any]:
        """Learns from every row of `batch` in order; on the host one transition may come as plain numbers.

        Raises:
            ConfigError: On the host, a state or action outside the table; a batch that the method can't learn from.
            RLCoreError: On the host, a value that would not be finite; it is not written.
        """
        approximator = self.approximator
        if self._is_plain and batch.__class__ is LatestTransition and approximator.table.__class__ is np.ndarray:
            reward, state, action, next_state = batch.reward, batch.state, batch.action, batch.next_state
            if reward.__class__ is float:  # mostly, and quicker
                terminated, next_mask, cells = batch.terminated, batch.next_mask, approximator.cells()
                gamma, alpha = self.discounts[0], self._rounded_alpha
                update_cell(cells, state, next_state, action, reward, terminated, gamma, alpha, next_mask)
                return {}
        alpha = self._next_alpha()
        if self.explorer is not None:
            self._follow(batch)
        if batch.__class__ is LatestTransitions:
            if batch.capacity < self.n_transitions:
                raise self._unfit(f"LatestTransitions({batch.capacity})")
            learn_window(self, batch, alpha)
            return {}
        if batch.__class__ is not LatestTransition:
            check_rows(self, batch, axes=(0, 1))
        if batch.weight is not None:
            alpha = alpha * batch.weight
        if self._is_plain and batch.key is None:
            gamma, terminated = self._discount(batch)
            state, next_state, action, reward = batch.state, batch.next_state, batch.action, batch.reward
            bellman_update(approximator, state, next_state, action, reward, terminated, gamma, alpha, batch.next_mask)
            return {}
        if self.method == "SARSA" or (self.n and batch.discount is None):
            raise self._unfit(f"a {type(batch).__name__}")
        errors = learn_batch(self, batch, *self._discount(batch), alpha)
        return {} if batch.key is None else {"priority": abs(errors)}

    def _discount(self, batch: Any) -> tuple[Any, Any]:
        """What the value after a batch's transitions is multiplied by, and whether there is none."""
        return (self._gamma, batch.terminated) if batch.discount is None else (batch.discount, batch.discount == 0)

    def _next_alpha(self) -> Any:
        """The step size of this update."""
        size = self._alpha
        if not isinstance(size, StepSize):
            return size
        step = self.counter.current()
        if not isinstance(step, int):
            step = self.counter.capped()
            self.counter.advance(1)
            return size.at(step)
        if self._alphas is None or not 0 <= step - self._alphas[0] < len(self._alphas[1]):
            self._alphas = (step, size.block(step))
        alpha = self._alphas[1][step - self._alphas[0]]
        if alpha != alpha:
            size.refuse(step)
        self.counter.advance(1)
        return alpha

    def _follow(self, batch: Any) -> None:
        """Moves the schedule of `explorer` as the policy's has moved: one step for each row of a push."""
        counter = getattr(self.explorer, "counter", None)
        if counter is not None and isinstance(batch, LatestTransition | LatestTransitions):
            newest = batch.transitions[-1] if isinstance(batch, LatestTransitions) else batch
            counter.advance(int(np.size(newest.reward)))

    def coins(self, n: int) -> Any:
        """Which of `n` updates move the second table, `[n]` bool."""
        return np.zeros(n, bool) if self.random is None else self.random.uniform(n) < 0.5

    def is_on_host(self, *values: Any) -> bool:
        """Whether an update from `values` is done in plain numbers: neither they nor the table are JAX's."""
        return isinstance(self.approximator.table, np.ndarray) and not any(map(is_traced, values))

    def _unfit(self, came: str) -> ConfigError:
        with_next = " and the next action" if self.method == "SARSA" else ""
        return ConfigError(
            f"TDLearner with method {self.method!r} and n={self.n} learns from {self.n + 1} steps in a row{with_next}, "
            f"but was shown {came}; keep them in Trajectory(LatestTransitions({self.n_transitions}), WholeSampler(), "
            "InsertSampleRatioController())"
        )

    def check_trajectory(self, trajectory: Trajectory) -> None:
        """Raises `ConfigError` if `trajectory` can't show the learner what its method needs."""
        container = trajectory.container
        if isinstance(container, LatestTransitions):
            if container.capacity < self.n_transitions:
                raise self._unfit(f"LatestTransitions({container.capacity})")
        elif self.method == "SARSA" or (self.n and type(trajectory.sampler).__name__ == "WholeSampler"):
            raise self._unfit(f"the transitions of {type(container).__name__}")

    def check_finite(self) -> None:
        """Raises `RLCoreError` if a compiled run left values that are not finite in a table."""
        check_tables(self, *(one for one in (self.approximator, self.second) if one is not None))

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the table does not fit the states and actions of `env`."""
        n_actions = count_actions(self, env)
        shape = self.approximator.check(env.state_space()).shape
        if shape and shape != (n_actions,):
            raise ConfigError(
                f"the table has {shape[0]} columns, but the environment has {n_actions} actions; "
                f"build it with n_actions={n_actions}"
            )
        if self.explorer is not None:
            self.explorer.check(n_actions)


def _check_method(approximator: TabularApproximator, method: str, double: bool, explorer: Any) -> None:
    if method not in METHODS:
        raise ConfigError(
            f"method is {method!r}, expected 'SARS' (Q-learning, or TD(0) on state values), 'SARSA' or 'ExpectedSARSA'"
        )
    if explorer is not None and not isinstance(explorer, Explorer):
        raise ConfigError(f"explorer is {named(explorer)}, expected an Explorer such as EpsilonGreedyExplorer(0.1)")
    if isinstance(explorer, UCBExplorer):
        raise ConfigError(
            "explorer is an UCBExplorer, whose probabilities depend on what it has chosen itself; expected one that "
            "the values alone tell, such as EpsilonGreedyExplorer(0.1)"
        )
    if approximator.table.ndim == 1 and (method != "SARS" or double or explorer is not None):
        raise ConfigError(
            "the table holds state values [states], which know no actions; expected method 'SARS' without double and "
            "explorer, or action values: TabularQApproximator(n_states, n_actions)"
        )
    if method == "ExpectedSARSA" and explorer is None:
        raise ConfigError(
            "ExpectedSARSA needs the probabilities of the policy that it learns of; expected explorer=, a second one "
            "with the arguments of the policy's explorer, such as EpsilonGreedyExplorer(0.1)"
        )
    if method == "SARS" and explorer is not None:
        raise ConfigError("'SARS' takes the maximum and asks no explorer; expected none, or method 'ExpectedSARSA'")
