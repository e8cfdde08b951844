"""What policies and reset conditions see of a JAX environment inside a trace."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.jax_environment import seen_spaces
from rlcore.environments.world import Facts, World
from rlcore.errors import ConfigError
from rlcore.interfaces import Environment


class TracedEnvironment(Environment):
    """Answers the questions of `Environment` with traced numbers, one step at a time.

    Attributes:
        world: What is stepped.
        over: Which episodes ended with the step, after `act`: a bool, or one per row.
    """

    def __init__(self, world: World, over: Any = None) -> None:
        self.world, self.over = world, over
        self.num_envs = world.num_envs  # type: ignore[misc]
        self._state, self._mask = world.start()
        self._facts: Facts | None = None
        self._action: Any = None
        self._truncated: Any = False
        self._spaces = seen_spaces(world.form.value, world.num_envs)

    def act(self, action: Any) -> None:
        self._action = action
        self.world.act(action)
        self._facts = self.world.facts()
        self._take_ends(self._facts.truncated)

    def truncate(self, rows: Any = None) -> None:
        facts = self._acted()
        cut = True if rows is None else rows
        self._take_ends(facts.truncated | (cut & ~facts.terminated))

    def _take_ends(self, truncated: Any) -> None:
        facts = self._acted()
        self._truncated, self.over = truncated, facts.terminated | truncated
        if self.num_envs is not None:
            self.world.restart(self.over)
            self._state, self._mask = self.world.start()

    def restart(self) -> None:
        """Begins the next episode of a single environment where this one ended."""
        if self.num_envs is None:
            self.world.restart(self.over)

    def _acted(self) -> Facts:
        if self._facts is None:
            raise ConfigError("a policy asked for the outcome of a step before it acted; ask at POST_ACT")
        return self._facts

    def state(self) -> Any:
        return self._state if self._facts is None or self.num_envs is not None else self._facts.state

    def next_state(self) -> Any:
        return self._state if self._facts is None else self._facts.state

    def legal_action_mask(self) -> Any:
        return self._mask if self._facts is None or self.num_envs is not None else self._facts.mask

    def next_legal_action_mask(self) -> Any:
        return self._mask if self._facts is None else self._facts.mask

    def reward(self) -> Any:
        return self._acted().reward

    def is_terminated(self) -> Any:
        return self._acted().terminated

    def is_truncated(self) -> Any:
        self._acted()
        return self._truncated

    def is_over(self) -> Any:
        self._acted()
        return self.over

    def ended(self) -> Any:
        """`(0,)` for a single environment, where a stage that tells of an end applies only if there was one.

        For several environments bool `[num_envs]`, which selects the rows that ended as their indices would.
        """
        if self.num_envs is None:
            return () if self.over is None else (0,)
        return () if self.over is None else self.over

    def is_transition(self) -> Any:
        return True if self.num_envs is None else np.ones(self.num_envs, bool)

    def needs_reset(self) -> bool:
        return False

    def last_action(self) -> Any:
        return self._action

    def action_space(self) -> spaces.Space:
        return self._spaces[1]

    def state_space(self) -> spaces.Space:
        return self._spaces[0]
