"""The adapter of several Gymnasium environments side by side, whatever their autoreset mode."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from rlcore.environments.single import is_mask
from rlcore.environments.spaces import action_writer, indexed_from_zero, state_reader
from rlcore.environments.transforms import Transforms, take_mask, without_mask
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import Environment
from rlcore.random import seed_number


class VectorEnvironment(Environment):
    """Several environments behind the contract of `Environment`: every answer has a leading axis `[num_envs]`.

    `next_state()` is the true last state of a row that ended, in all three autoreset modes. With
    `AutoresetMode.NEXT_STEP` the step after an end is spent on the reset: `is_transition()` is false there. With
    `AutoresetMode.DISABLED` the adapter resets the rows that ended, and a reset condition can cut rows.

    Attributes:
        source: The vector environment that the user passed.
        name: What error messages call it.
        num_envs: Number of rows.
        step: Number of steps since `reset`.
    """

    def __init__(self, env: VectorEnv, transforms: Transforms) -> None:
        self.source = env
        self.name = env.spec.id if env.spec else type(env.unwrapped).__name__
        self.num_envs: int = env.num_envs
        self._mode = _mode_of(env, self.name)
        self._unwraps, observation_space = without_mask(env.single_observation_space)
        self._read = transforms.reader(state_reader(observation_space, self.num_envs))
        self._read_row = transforms.reader(state_reader(observation_space))
        self._state_space = transforms.state_space(indexed_from_zero(observation_space))
        indexed = indexed_from_zero(env.single_action_space)
        self._write = transforms.writer(action_writer(env.single_action_space, self.num_envs), indexed)
        self._action_space = transforms.action_space(indexed)
        self._reward_function = transforms.reward
        self._take_step = env.step
        self._seeds: Any = None
        self._all = np.ones(self.num_envs, bool)
        self._all.flags.writeable = False
        self._none = ~self._all
        self._none.flags.writeable = False
        self._zeros = np.zeros(self.num_envs)
        self.step = 0
        self.is_in_use = False
        self._forget()

    def _forget(self) -> None:
        self._terminated = self._truncated = self._over = self._none
        self._moved, self._ended = self._all, _NOBODY
        self._reward, self._action = self._zeros, None

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start row i's random numbers from its own stream under `seed`."""
        if isinstance(self.source.unwrapped, SyncVectorEnv | AsyncVectorEnv):
            self._seeds = [seed_number(seed, f"environment.{row}") for row in range(self.num_envs)]
        else:  # one generator for all rows
            self._seeds = seed_number(seed, "environment")

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode in every row.

        Raises:
            EnvContractError: The states break the space's promise.
        """
        seeds, self._seeds = self._seeds if seed is None else seed, None
        observation, info = self.source.reset(seed=seeds)
        self.step = 0
        self._forget()
        self._state, self._mask = self._take_in(observation, info)
        self._next_state, self._next_mask = self._state, self._mask

    def act(self, action: Any) -> None:
        """Takes one step in every row; `action` is `[num_envs, ...]`.

        Raises:
            EnvContractError: An illegal action, or an answer that breaks the contract.
        """
        self._action = action
        try:
            raw_action = self._write(action)
        except ValueError as error:
            raise self._broken("the policy's action is", error, f"every row must be of {self._action_space}") from None
        self.step += 1
        if self._mode is AutoresetMode.NEXT_STEP:
            self._moved = ~self._over if len(self._ended) else self._all
        observation, reward, terminated, truncated, info = self._take_step(raw_action)
        self._reward = self._checked_reward(reward)
        self._terminated = self._checked_flags("terminated", terminated)
        self._truncated = self._checked_flags("truncated", truncated)
        self._over = self._terminated | self._truncated
        self._ended = np.flatnonzero(self._over) if 1 in self._over.tobytes() else _NOBODY
        self._state, self._mask = self._take_in(observation, info)
        self._next_state, self._next_mask = self._state, self._mask
        if len(self._ended):
            if self._mode is AutoresetMode.SAME_STEP:
                self._take_final(info)
            elif self._mode is AutoresetMode.DISABLED:
                self._reset_rows(self._over)

    def truncate(self, rows: Any = None) -> None:
        """Cuts the episodes of the rows where `rows` is true (`None`: all) and resets those rows.

        Raises:
            ConfigError: The environment resets its rows itself.
        """
        if not self.can_truncate_rows():
            raise ConfigError(
                f"{self.name} resets its rows itself ({self._mode}), so an episode can't be cut from outside; "
                "make it with autoreset_mode=AutoresetMode.DISABLED, or use the environment's own time limit"
            )
        cut = np.broadcast_to(True if rows is None else np.asarray(rows, bool), (self.num_envs,)) & ~self._over
        if cut.any():
            self._truncated = self._truncated | cut
            self._over = self._over | cut
            self._ended = np.flatnonzero(self._over)
            self._reset_rows(cut)

    def _reset_rows(self, rows: np.ndarray) -> None:
        observation, info = self.source.reset(options={"reset_mask": np.array(rows)})
        state, mask = self._take_in(observation, info)
        self._state = state
        if self._mask is not None and mask is not None:
            mask = np.where(rows[:, None], mask, self._mask)
        self._mask = mask if mask is not None else self._mask

    def _take_final(self, info: dict[str, Any]) -> None:
        """The true last states, and their masks, of the rows that were reset in the same step."""
        finals = info.get("final_obs")
        if finals is None:
            raise self._broken("info has no final_obs", "though rows ended", "the states they ended in are needed")
        next_state, next_mask = copy_tree(self._state), None if self._mask is None else self._mask.copy()
        for row in self._ended:
            observation, of_row = take_mask(row_of(finals, row), _info_of(info.get("final_info"), row), self._unwraps)
            try:
                write_row(next_state, row, self._read_row(observation))
            except ValueError as error:
                raise self._bad_state(f"{error} in row {row} of final_obs") from None
            if next_mask is not None:
                mask = of_row.get("action_mask")
                next_mask[row] = True if mask is None else np.asarray(mask).astype(bool)
        self._next_state, self._next_mask = next_state, next_mask

    def _take_in(self, observation: Any, info: dict[str, Any]) -> tuple[Any, np.ndarray | None]:
        mask = None
        if info or self._unwraps:
            observation, info = take_mask(observation, info, self._unwraps)
            if info.get("action_mask") is not None:
                mask = self._checked_mask(info["action_mask"], info.get("_action_mask"))
        try:
            return self._read(observation), mask
        except ValueError as error:
            raise self._bad_state(error) from None

    def _checked_mask(self, mask: Any, is_given: np.ndarray | None) -> np.ndarray:
        array = np.asarray(mask)
        n = int(getattr(self._action_space, "n", 0))
        if array.shape != (self.num_envs, n) or not is_mask(array):
            raise self._broken("the action mask is", f"{mask!r}", f"expected flags of shape {(self.num_envs, n)}")
        array = array.astype(bool)
        if is_given is not None:
            array[~np.asarray(is_given, bool)] = True
        empty = ~array.any(axis=1) & ~self._over
        if empty.any():
            rows = np.flatnonzero(empty).tolist()
            raise self._broken("the action mask allows no action", f"in rows {rows}", "end the episode there instead")
        return array

    def _checked_reward(self, reward: Any) -> np.ndarray:
        if self._reward_function is not None:
            reward = self._reward_function(reward)
        try:
            if self._zeros.dot(reward) == 0.0 and reward.dtype.kind in "biuf":
                return reward
        except (ValueError, TypeError, AttributeError):
            pass
        array = np.asarray(reward)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "biuf":
            raise self._broken("the reward is", f"{reward!r}", f"expected {self.num_envs} numbers")
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array))[0])
            raise self._broken("the reward is", f"{array[row]} in row {row}", "expected finite numbers")
        return array

    def _checked_flags(self, name: str, flags: Any) -> np.ndarray:
        if flags.__class__ is np.ndarray and flags.dtype is _BOOL and flags.shape == self._all.shape:
            return flags
        array = np.asarray(flags)
        if array.shape != (self.num_envs,) or not is_mask(array):
            raise self._broken(f"{name} is", f"{flags!r}", f"expected {self.num_envs} bools")
        return array.astype(bool)

    def _bad_state(self, error: Any) -> EnvContractError:
        return self._broken("the state is", error, "correct the environment, or its observation space")

    def _broken(self, what: str, why: Any, remedy: str) -> EnvContractError:
        return EnvContractError(f"{self.where()}: {what} {why}; {remedy}")

    def where(self) -> str:
        """The environment and the step since `reset`, for messages."""
        return f"{self.name} ({self.num_envs} rows), step {self.step} since reset"

    def state(self) -> Any:
        """Where the next action of each row starts, `[num_envs, ...]`."""
        return self._state

    def next_state(self) -> Any:
        """Where the last action of each row led, `[num_envs, ...]`."""
        return self._next_state

    def reward(self) -> np.ndarray:
        """`[num_envs]`; 0 where the step was spent on a reset."""
        return self._reward

    def is_terminated(self) -> np.ndarray:
        """Bool `[num_envs]`: the last action ended the row's episode for good."""
        return self._terminated

    def is_truncated(self) -> np.ndarray:
        """Bool `[num_envs]`: the row's episode was cut; false where it terminated as well."""
        return self._truncated & ~self._terminated if len(self._ended) else self._truncated

    def is_over(self) -> np.ndarray:
        """Bool `[num_envs]`: the row's episode ended with the last action."""
        return self._over

    def ended(self) -> Any:
        """The indices of the rows that ended with the last action; an empty tuple if none did."""
        return self._ended

    def is_transition(self) -> np.ndarray:
        """Bool `[num_envs]`: false where the last action was spent on a reset."""
        return self._moved

    def needs_reset(self) -> bool:
        """Never: rows are reset one by one."""
        return False

    def last_action(self) -> Any:
        """The actions of the last step as the policy chose them; `None` right after `reset`."""
        return self._action

    def legal_action_mask(self) -> np.ndarray | None:
        """Bool `[num_envs, actions]` at `state()`, or `None` where the environment gives no mask."""
        return self._mask

    def next_legal_action_mask(self) -> np.ndarray | None:
        """Bool `[num_envs, actions]` at `next_state()`, or `None`."""
        return self._next_mask

    def action_space(self) -> spaces.Space:
        """The space of one row's actions; a discrete one counts from 0."""
        return self._action_space

    def state_space(self) -> spaces.Space:
        """The space of one row's states, without an action mask that the observation carries."""
        return self._state_space

    def can_truncate_rows(self) -> bool:
        """Whether a reset condition can cut single rows: only if the environment doesn't reset them itself."""
        return self._mode is AutoresetMode.DISABLED

    def close(self) -> None:
        """Closes the environments."""
        self.source.close()


_NOBODY: tuple[int, ...] = ()
_BOOL = np.dtype(bool)


def _mode_of(env: VectorEnv, name: str) -> AutoresetMode:
    mode = (env.metadata or {}).get("autoreset_mode")
    if isinstance(mode, AutoresetMode):
        return mode
    raise ConfigError(
        f"{name} declares the autoreset mode {mode!r}, expected a gymnasium.vector.AutoresetMode in "
        "metadata['autoreset_mode']: without it the last states of episodes would be lost. Declare what its step does"
    )


def _info_of(final_info: Any, row: int) -> dict[str, Any]:
    """The mask of one row in a vector environment's `final_info`, where it has one."""
    info = final_info or {}
    if "action_mask" not in info or not info.get("_action_mask", np.ones(row + 1, bool))[row]:
        return {}
    return {"action_mask": info["action_mask"][row]}


def copy_tree(state: Any) -> Any:
    """A copy of a state and of every array in it."""
    if isinstance(state, dict):
        return {key: copy_tree(part) for key, part in state.items()}
    if isinstance(state, tuple):
        return tuple(copy_tree(part) for part in state)
    return state.copy()


def row_of(states: Any, row: int) -> Any:
    """One row of batched observations: of an array (also of objects), or of every array in a dict or tuple."""
    if isinstance(states, dict):
        return {key: row_of(part, row) for key, part in states.items()}
    if isinstance(states, tuple):
        return tuple(row_of(part, row) for part in states)
    return states[row]


def write_row(states: Any, row: int, state: Any) -> None:
    """Writes one row's state into batched states, in place."""
    if isinstance(states, dict):
        for key, part in states.items():
            write_row(part, row, state[key])
    elif isinstance(states, tuple):
        for part, value in zip(states, state, strict=True):
            write_row(part, row, value)
    else:
        states[row] = state
