"""A policy of two parts: a learner that values actions, and an explorer that chooses by their values."""

from typing import Any

from rlcore.arguments import named
from rlcore.errors import ConfigError
from rlcore.explorers import EpsilonGreedyExplorer, GreedyExplorer
from rlcore.explorers.greedy import SMALL
from rlcore.interfaces import Array, Environment, Explorer, Learner, Policy
from rlcore.learners.checks import count_actions
from rlcore.learners.td import TDLearner
from rlcore.stages import Stage
from rlcore.struct import cached, check_decorated, struct

_WORD = 2**31 - 1  # two numbers below it give the noise of a step; a JAX key would cost more than the network


@struct
class QBasedPolicy(Policy):
    """Asks the learner for the values of all actions and the explorer for one of them.

    The explorer decides before the learner is asked: where it explores, no values are computed. A learner with a
    stream `noise` (a `DQNLearner` with a noisy network) acts with new noise at every step.

    Raises:
        ConfigError: Something else than a learner and an explorer.

    Source: Julia `QBasedPolicy`.
    """

    learner: Learner
    explorer: Explorer
    _env: Any = cached()  # the environment that was acted in last
    _n_actions: Any = cached()
    _rows: Any = cached()

    def __init__(self, learner: Learner, explorer: Explorer) -> None:
        if not isinstance(learner, Learner):
            advice = "pass one"
            if isinstance(learner, Explorer):
                advice = "the order is QBasedPolicy(learner, explorer)"
            elif hasattr(learner, "forward"):
                advice = "wrap it, such as TDLearner(table) or DQNLearner(approximator)"
            elif callable(learner) and not isinstance(learner, type):
                advice = "wrap a network: DQNLearner(Approximator(network, optax.adam(1e-3)))"
            raise ConfigError(
                f"learner is {named(learner)}, expected a Learner such as TDLearner or DQNLearner; {advice}"
            )
        if not isinstance(explorer, Explorer):
            raise ConfigError(
                f"explorer is {named(explorer)}, expected an Explorer; pass one such as EpsilonGreedyExplorer(0.1)"
            )
        check_decorated(learner, "learner")
        check_decorated(explorer, "explorer")
        self.learner, self.explorer = learner, explorer

    def plan(self, env: Environment) -> Any:
        """The explorer's choice: an int for a single environment, `[num_envs]` for several."""
        if env is not self._env:
            self._remember(env)
        learner: Any = self.learner
        mask, noise = env.legal_action_mask(), getattr(learner, "noise", None)
        key = None if noise is None else noise.integers(_WORD, 2)  # also where nobody asks for values
        explorer = self.explorer
        explore, action = explorer.decide(self._n_actions, self._rows, mask)
        if explore is True:
            return action
        values: Any = None
        state = env.state()
        if learner.__class__ is TDLearner and explorer.__class__ is EpsilonGreedyExplorer and self._n_actions <= SMALL:
            values = learner.approximator.row(state) if learner.second is None else None
        if values is None:
            values = learner.forward(state) if key is None else learner.forward(state, key)
        return explorer.finish(explore, action, values, mask)

    def _remember(self, env: Environment) -> None:
        space: Any = env.action_space()
        self._env, self._n_actions = env, int(space.n)
        self._rows = () if env.num_envs is None else (env.num_envs,)

    def prob(self, env: Environment) -> Array:
        """The probability of each action at `env.state()`, `[..., actions]`, without noise in the values."""
        return self.explorer.prob(self.learner.forward(env.state()), env.legal_action_mask())

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """The explorer's choice at a bare state `[..., *state]`, among the actions that `mask` allows."""
        learner: Any = self.learner
        noise = getattr(learner, "noise", None)
        values = learner.forward(state) if noise is None else learner.forward(state, noise.integers(_WORD, 2))
        return self.explorer.plan(values, mask)

    def post_experiment(self, env: Environment) -> None:
        """Raises `RLCoreError` if the last update was not finite."""
        self.learner.check_finite()

    def greedy(self) -> "GreedyPolicy":
        """Always the action of the highest value; shares the learner, learns nothing."""
        return GreedyPolicy(self.learner)

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the learner can't value the states and actions of `env`."""
        self.learner.check(env)
        self.explorer.check(count_actions(self.learner, env))

    @property
    def metrics(self) -> Any:
        """Those of the learner's last update."""
        return self.learner.metrics


@struct
class GreedyPolicy(Policy):
    """Takes the action of the highest value, the first of several; what `QBasedPolicy.greedy()` gives."""

    learner: Learner

    def plan(self, env: Environment) -> Any:
        """The best legal action: an int for a single environment, `[num_envs]` for several."""
        return self(env.state(), env.legal_action_mask())

    def prob(self, env: Environment) -> Array:
        """1 for the best legal action, 0 for the others, `[..., actions]`."""
        return GreedyExplorer().prob(self.learner.forward(env.state()), env.legal_action_mask())

    def __call__(self, state: Any, mask: Array | None = None) -> Any:
        """The best legal action at a bare state `[..., *state]`."""
        return GreedyExplorer().plan(self.learner.forward(state), mask)

    def learners(self, stage: Stage) -> list[Any]:
        """None: it looks on."""
        return []

    def check(self, env: Environment) -> None:
        """Raises `ConfigError` if the learner can't value the states and actions of `env`."""
        self.learner.check(env)
