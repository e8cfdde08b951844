"""What policies and reset conditions see of a JAX environment inside a trace."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from rlcore.blame import asker
from rlcore.environments.jax_environment import seen_spaces
from rlcore.environments.traced import is_inside, like_an_action
from rlcore.environments.world import Facts, World
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.stages import Stage


class TracedEnvironment(Environment):
    """Answers the questions of `Environment` with traced numbers, one step at a time.

    Attributes:
        world: What is stepped.
        over: Which episodes ended with the last step: a bool, or one per row; `None`: nobody asks before `act`.
        stage: At which stage it is asked.
    """

    def __init__(self, world: World, over: Any = None) -> None:
        self.world, self.over = world, over
        self.num_envs = world.num_envs  # type: ignore[misc]
        self.stage = Stage.PRE_ACT
        self._state, self._mask = world.start()
        self._facts: Facts | None = None
        self._action: Any = None
        self._truncated: Any = False
        self._reads_mask = world.num_envs is not None  # the eager adapter of a single one checks it if it is asked
        self._spaces = seen_spaces(world.form.value, world.num_envs)

    def act(self, action: Any) -> None:
        self.stage = Stage.POST_ACT
        self._action = action
        self.world.act(self._typed(action))
        self._facts = self.world.facts()
        self._take_ends(self._facts.truncated)

    def _typed(self, action: Any) -> Any:
        """An action in the types of the space; one of another shape or kind is refused."""
        rows = () if self.num_envs is None else (self.num_envs,)
        expected = jax.tree.map(
            lambda one: jax.ShapeDtypeStruct(rows + one.shape, one.dtype), like_an_action(self._spaces[1])
        )
        structures: list[Any] = [jax.tree.structure(one) for one in (action, expected)]
        pairs = zip(jax.tree.leaves(action), jax.tree.leaves(expected), strict=False)
        if structures[0] != structures[1] or not all(_fits(leaf, one) for leaf, one in pairs):
            came = jax.tree.map(lambda leaf: f"{jnp.result_type(leaf)}{list(np.shape(leaf))}", action)
            wanted = jax.tree.map(lambda one: f"{one.dtype}{list(one.shape)}", expected)
            raise EnvContractError(f"the policy's action is {came}, expected {wanted}, of {self._spaces[1]}")
        return jax.tree.map(lambda leaf, one: jnp.asarray(leaf, one.dtype).reshape(one.shape), action, expected)

    def truncate(self, rows: Any = None) -> None:
        facts = self._acted("truncate")
        cut = True if rows is None else rows
        self._take_ends(facts.truncated | (cut & ~facts.terminated))

    def _take_ends(self, truncated: Any) -> None:
        facts = self._acted("is_over")
        self._truncated, self.over = truncated, facts.terminated | truncated
        if self.num_envs is not None:
            self.world.restart(self.over)
            self._state, self._mask = self.world.start()

    def restart(self) -> None:
        """Begins the next episode of a single environment where this one ended."""
        if self.num_envs is None:
            self.world.restart(self.over)

    def is_sound(self) -> Any:
        """Whether the step led to states that the space has, of all rows."""
        return is_inside(self._spaces[0], self._acted("next_state").state, self.num_envs is not None)

    def begins_over(self) -> Any:
        """Whether an episode ended, and the next one is over before its first step."""
        return self.over & self.world.begins_over()

    def is_stuck(self) -> Any:
        """Whether no action was legal where one was chosen."""
        if self._mask is None or not self._reads_mask:
            return jnp.zeros(() if self.num_envs is None else self.num_envs, bool)
        return ~self._mask.any(axis=-1)

    def _acted(self, question: str) -> Facts:
        if self._facts is None:
            self._refuse(question)
        assert self._facts is not None
        return self._facts

    def _refuse(self, question: str) -> None:
        raise ConfigError(
            f"{asker()} asked env.{question} at {self.stage.name}, before it acted; a program knows the outcome of a "
            "step at POST_ACT only: ask at POST_ACT, and keep what is needed later in a field"
        )

    def state(self) -> Any:
        if self.stage is Stage.POST_EPISODE and self.num_envs is None:
            self._refuse("state")
        return self._state if self._facts is None or self.num_envs is not None else self._facts.state

    def next_state(self) -> Any:
        return self._state if self._is_at_start("next_state") else self._acted("next_state").state

    def legal_action_mask(self) -> Any:
        self._reads_mask |= self._facts is None
        return self._mask if self._facts is None or self.num_envs is not None else self._facts.mask

    def next_legal_action_mask(self) -> Any:
        return self._mask if self._is_at_start("next_legal_action_mask") else self._acted("next_state").mask

    def _is_at_start(self, question: str) -> bool:
        """Whether a single environment stands where its next action starts; of several, some may have just ended."""
        if self._facts is None and (self.num_envs is not None or self.stage is Stage.POST_EPISODE):
            self._refuse(question)
        return self._facts is None

    def reward(self) -> Any:
        """A reward that is not finite is 0 here, so that it spoils nothing before the run ends with an error."""
        reward = self._acted("reward").reward
        return jnp.where(jnp.isfinite(reward), reward, 0)

    def raw_reward(self) -> Any:
        """The reward as it is."""
        return self._acted("reward").reward

    def is_terminated(self) -> Any:
        return self._acted("is_terminated").terminated

    def is_truncated(self) -> Any:
        self._acted("is_truncated")
        return self._truncated

    def is_over(self) -> Any:
        self._acted("is_over")
        return self.over

    def ended(self) -> Any:
        """`(0,)` for a single environment, where a stage that tells of an end applies only if there was one.

        For several environments bool `[num_envs]`, which selects the rows that ended as their indices would.
        """
        if self.over is None:
            return ()
        return (0,) if self.num_envs is None else self.over

    def is_transition(self) -> Any:
        return True if self.num_envs is None else np.ones(self.num_envs, bool)

    def needs_reset(self) -> Any:
        if self.num_envs is not None or self.stage in (Stage.PRE_ACT, Stage.PRE_EPISODE):
            return False
        return True if self.stage is Stage.POST_EPISODE else self.over

    def last_action(self) -> Any:
        self._acted("last_action")
        return self._action

    def action_space(self) -> spaces.Space:
        return self._spaces[1]

    def state_space(self) -> spaces.Space:
        return self._spaces[0]


def _fits(leaf: Any, one: Any) -> bool:
    """Whether part of an action is what the adapters of the eager engine take for such a part of the space."""
    kind, shape = jnp.result_type(leaf).kind, np.shape(leaf)
    if one.ndim == 0 and one.dtype.kind in "iu":
        return kind in "iu" and math.prod(shape) == 1
    return kind in ("biuf" if one.dtype.kind == "f" else "biu") and shape == one.shape
