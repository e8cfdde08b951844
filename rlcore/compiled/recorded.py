"""What hooks and conditions see of a compiled run: its record, step by step."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from rlcore.blame import asker
from rlcore.block import Block
from rlcore.environments.jax_environment import element
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.stages import Staged

FEW = 16  # steps that are shown sooner one by one than as a block


class NotRecordedError(ConfigError, AttributeError):
    """A question that the record does not answer; an attribute error too, so that one may look for what is there."""


class RecordedEnvironment(Environment):
    """Answers `Environment`'s questions from the record, one step after the other.

    If the watchers take blocks, they are shown most steps as blocks, and only those one by one at which one of them
    does something, or the run ends.

    Attributes:
        num_envs: That of the adapter in which the run began.
        name: Likewise.
    """

    def __init__(self, adapter: Any, watchers: tuple[Any, Any], needs_state: bool, begin: Any) -> None:
        """Takes the adapter, the stop condition and the hook, and what to call at the run's `reset`."""
        self._adapter, self.name = adapter, adapter.name
        self.num_envs = adapter.num_envs  # type: ignore[misc]
        self._condition, self._hook = watchers
        self._shows_blocks = all(watcher.takes_blocks() for watcher in watchers)
        self._needs_state, self._begin = needs_state, begin
        self._block: Any = None
        self._states: Any = None
        self._at = self._length = 0
        self._breaks: list[int] = []
        self._before = 0  # steps of earlier chunks
        self._begun_at = 0.0
        self._notify: Any = None
        self._fault: tuple[int, str] | None = None
        self._has_begun = False
        self._forget()

    def _forget(self) -> None:
        single = self.num_envs is None
        self._action: Any = None
        self._reward: Any = 0.0 if single else np.zeros(self.num_envs)
        self._terminated: Any = False if single else np.zeros(self.num_envs, bool)
        self._truncated: Any = self._terminated
        self._over: Any = self._terminated
        self._ended: Any = ()

    def feed(self, policy: Any, block: Block, states: Any, fault: tuple[int, str] | None, notify: Any) -> None:
        """Takes the record of a chunk.

        Args:
            policy: What hooks and conditions are shown.
            block: The steps.
            states: Of each step where it led and where the next one starts, if hooks need states.
            fault: A step at which something was wrong, and what.
            notify: Called with a step's index before the stage methods are called for it.
        """
        self._before += self._length
        self._begun_at = self.clock()
        self._policy, self._block, self._states, self._fault, self._notify = policy, block, states, fault, notify
        self._at, self._length = 0, len(block)
        if self._shows_blocks:
            shown = [self._condition.breaks(block), self._hook.breaks(block), [self._length - 1]]
            if fault is not None:
                shown.append([fault[0]])
            self._breaks = np.unique(np.concatenate([np.asarray(one, np.int64) for one in shown])).tolist()[::-1]

    def pauses(self) -> Iterator[None]:
        """Waits for the record of more steps, and shows as a block those before the next one to be shown alone."""
        while self._at >= self._length:
            yield
        if self._shows_blocks:
            self._show_block()

    def reset(self, seed: int | None = None) -> None:
        """Begins the run at the first call; later the episode that follows in the record."""
        if not self._has_begun:
            self._has_begun = True
            self._state = self._next_state = self._begin()
        elif self._needs_state:
            self._state = self._next_state = self._following
        self._forget()

    def act(self, action: Any) -> None:
        """Shows the next step."""
        at = self._at
        self._at = at + 1
        if self._fault is not None and at >= self._fault[0]:
            raise EnvContractError(f"{self.where()}: {self._fault[1]}")
        self._take(at)
        self._notify(at)

    def _show_block(self) -> None:
        """Shows the steps before the next one at which somebody acts or the run ends."""
        if self._breaks[-1] < self._at:
            self._breaks.pop()
        stop = self._breaks[-1]
        if stop - self._at < FEW:
            return
        ends = np.flatnonzero(self._condition.answers(self._policy, self._block[self._at : stop]))
        stop = self._at + int(ends[0]) if len(ends) else stop
        block = self._block[self._at : stop]
        self._at = stop
        if len(block) and self._needs_state:
            self._take_states(stop - 1)
        if len(block):
            self._condition.push_block(self._policy, block)
            self._hook.push_block(self._policy, block)

    def _take(self, at: int) -> None:
        block = self._block
        self._action = element(self.action_space(), jax.tree.map(lambda leaf: leaf[at], block.action))
        self._terminated, self._truncated, self._over = block.terminated[at], block.truncated[at], block.over[at]
        if self.num_envs is None:
            self._reward = float(block.reward[at])
            self._terminated, self._truncated = bool(self._terminated), bool(self._truncated)
            self._over = bool(self._over)
            self._ended = (0,) if self._over else ()
        else:
            self._reward = block.reward[at].astype(np.float64)
            self._ended = self._over.nonzero()[0].tolist() if self._over.any() else ()
        if self._needs_state:
            self._take_states(at)

    def _take_states(self, at: int) -> None:
        """The states after step `at`, and where the next episode starts if that step ended one."""
        self._next_state, self._following = (
            element(self.state_space(), jax.tree.map(lambda leaf: leaf[at], states)) for states in self._states
        )
        self._state = self._next_state if self.num_envs is None else self._following

    def where(self) -> str:
        """The environment and the step of the run, for messages."""
        return f"{self.name}, step {self._before + self._at} of the run"

    @property
    def is_latest(self) -> bool:
        """Whether the step shown is the last one recorded so far."""
        return self._at >= self._length

    @property
    def n_left(self) -> int:
        """How many recorded steps were not shown."""
        return self._length - self._at

    def clock(self) -> float:
        """Seconds on a clock that gives every step of a chunk the same time."""
        return self._begun_at + self._at * (0.0 if self._block is None else self._block.seconds)

    def state(self) -> Any:
        return self._state if self._needs_state else self._refuse("state")

    def next_state(self) -> Any:
        return self._next_state if self._needs_state else self._refuse("next_state")

    def reward(self) -> Any:
        return self._reward

    def is_terminated(self) -> Any:
        return self._terminated

    def is_truncated(self) -> Any:
        return self._truncated

    def is_over(self) -> Any:
        return self._over

    def ended(self) -> Any:
        return self._ended

    def is_transition(self) -> Any:
        return True if self.num_envs is None else np.ones(self.num_envs, bool)

    def needs_reset(self) -> bool:
        return self.num_envs is None and self._over

    def last_action(self) -> Any:
        return self._action

    def action_space(self) -> spaces.Space:
        return self._adapter.action_space()

    def state_space(self) -> spaces.Space:
        return self._adapter.state_space()

    def legal_action_mask(self) -> Any:
        self._refuse("legal_action_mask")

    def next_legal_action_mask(self) -> Any:
        self._refuse("next_legal_action_mask")

    def truncate(self, rows: Any = None) -> None:
        self._refuse("truncate")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse(name)

    def _refuse(self, question: str) -> Any:
        remedy = "run it step by step: run(engine='eager')"
        if question in ("state", "next_state"):
            remedy = f"set the class attribute needs_state = True, so that states are recorded, or {remedy}"
        raise NotRecordedError(
            f"{asker(Staged)} asked env.{question} at {self.where()}, which a compiled run does not record; {remedy}"
        )
