"""The adapter of several Gymnasium environments side by side, whatever their autoreset mode."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from rlcore.environments.masks import KEY, take_mask, without_mask
from rlcore.environments.readers import flags_reader, reward_reader, state_reader
from rlcore.environments.row_states import RowStates
from rlcore.environments.rows import chosen_rows, copy_rows, row_of, share_arrays, write_row
from rlcore.environments.spaces import shown
from rlcore.environments.transforms import _Transforms
from rlcore.environments.vector_kinds import check_rows_agree, mode_of, name_of
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
        is_in_use: Whether an experiment is running in it.

    Raises:
        ConfigError: Spaces that aren't supported or differ between the rows, or no declared autoreset mode.
    """

    def __init__(self, env: VectorEnv, transforms: _Transforms) -> None:
        self.source, self.name = env, name_of(env)
        self.num_envs: int = env.num_envs  # type: ignore[misc]
        self._mode = mode_of(env)
        self._resets_next_step = self._mode is AutoresetMode.NEXT_STEP
        check_rows_agree(env)
        action_space = env.single_action_space
        self._inside, own_space = without_mask(env.single_observation_space, action_space)
        self._state_space = transforms.state_space(own_space, self.num_envs)
        self._action_space = transforms.action_space(action_space)
        self._take_step = env.step
        self._read, self._read_row = state_reader(own_space, self.num_envs), state_reader(own_space)
        change, stack = transforms.state_change(own_space, self.num_envs), transforms.new_stack()
        self._states = None if change is None and stack is None else RowStates(change, stack, self.num_envs)
        self._change_reward = transforms.reward
        self._write = transforms.writer(action_space, self.num_envs)
        self._read_mask = transforms.mask_reader(action_space, self.num_envs)
        self._read_reward, self._read_flags = reward_reader(self.num_envs), flags_reader(self.num_envs)
        self._no_mask: np.ndarray | None = None  # what stands for none: all legal, once there was a mask
        self._seeds: Any = None
        self._all, self._none = np.ones(self.num_envs, bool), np.zeros(self.num_envs, bool)
        self._all.flags.writeable = self._none.flags.writeable = False
        self.step = 0
        self.is_in_use = False
        self._forget()

    def _forget(self) -> None:
        self._terminated = self._truncated = self._over = self._none
        self._moved = self._all
        self._ended: Sequence[int] = _NOBODY
        self._reward, self._action = np.zeros(self.num_envs), None

    def __repr__(self) -> str:
        return f"VectorEnvironment({self.name}, {self.num_envs} rows)"

    def seed(self, seed: int) -> None:
        """Makes the next `reset` start row i's random numbers from its own stream under `seed`.

        A vector environment that is not made of single ones has one generator for all rows, and gets one number.
        """
        if isinstance(self.source.unwrapped, SyncVectorEnv | AsyncVectorEnv):
            self._seeds = [seed_number(seed, f"environment.{row}") for row in range(self.num_envs)]
        else:
            self._seeds = seed_number(seed, "environment")

    def reset(self, seed: int | None = None) -> None:
        """Begins a new episode in every row.

        Raises:
            EnvContractError: The answer breaks the contract.
        """
        seeds, self._seeds = self._seeds if seed is None else seed, None
        self.step = 0
        self._forget()
        observation, info = self._begin(seed=seeds)
        self._moved = self._none
        self._take_state(self._checked("state", self._read, observation), info)
        self._moved = self._all

    def _begin(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.source.reset(**arguments)
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict):
            return take_mask(*answer, self._inside)
        raise self._broken("reset answered", shown(answer), "expected the pair (states, info)")

    def act(self, action: Any) -> None:
        """Takes one step in every row; `action` is `[num_envs, ...]`.

        Raises:
            EnvContractError: An illegal action, or an answer that breaks the contract.
        """
        self._action = action
        try:
            raw_action = self._write(action)
        except EnvContractError as error:
            raise self._broken("the policy's action is", error, f"every row must be of {self._action_space}") from None
        self.step += 1
        answer = self._take_step(raw_action)
        try:
            observation, reward, terminated, truncated, info = answer
        except (TypeError, ValueError):
            raise self._broken("step answered", shown(answer), f"expected the five {_FIVE}") from None
        if self._inside:
            observation, info = take_mask(observation, info, self._inside)
        what = "reward"
        try:
            self._reward = self._read_reward(reward if self._change_reward is None else self._change_reward(reward))
            what = "terminated flag"
            terminated = self._read_flags(terminated)
            what = "truncated flag"
            truncated = self._read_flags(truncated)
            what = "state"
            seen = self._read(observation)
        except EnvContractError as error:
            raise self._unreadable(what, error) from None
        self._moved = self._all
        if terminated is not None or truncated is not None or self._ended:  # else nobody ended, as in the last step
            self._take_ends(terminated, truncated)
        self._take_state(seen, info)
        if self._ended and not self._resets_next_step:
            if self._mode is AutoresetMode.SAME_STEP:
                self._take_finals(info)
            else:
                self._reset_rows(self._over)

    def _take_state(self, seen: Any, info: dict[str, Any]) -> None:
        """Takes in what is seen, in the rows that did not move the first state of an episode."""
        self._seen = seen
        if self._states is None:
            self._state = self._next_state = seen
        elif not (self._ended and self._mode is AutoresetMode.SAME_STEP):  # else the true last states come first
            begun = None if self._moved is self._all else ~self._moved
            self._state = self._next_state = self._states.follow(seen, begun)
        self._mask = self._next_mask = self._no_mask
        if info:
            self._take_masks(info)

    def _take_masks(self, info: dict[str, Any]) -> None:
        """Takes in the masks; those of a same-step reset are those of the next episodes already."""
        exempt = self._none if self._mode is AutoresetMode.SAME_STEP else self._over
        self._mask = self._next_mask = self._mask_in(info, exempt)
        if self._ended and self._resets_next_step and self._mask is not None:
            # where nothing is legal after an end, the action that is spent on the reset may be any
            self._mask = self._mask | (self._over & ~self._mask.any(-1))[:, None]

    def _take_ends(self, terminated: np.ndarray | None, truncated: np.ndarray | None) -> None:
        """Takes in who ended (`None`: nobody), and that a row which was reset brings no reward."""
        reset = self._ended if self._resets_next_step else _NOBODY
        self._terminated = self._none if terminated is None else terminated
        self._truncated = self._none if truncated is None else truncated & ~self._terminated
        self._over = self._terminated if truncated is None else self._terminated | self._truncated
        self._ended = _NOBODY if self._over is self._none else self._over.nonzero()[0].tolist() or _NOBODY
        if reset:
            self._skip(reset)

    def _skip(self, rows: Sequence[int]) -> None:
        """Takes in that the step of `rows` was spent on their reset."""
        self._moved = moved = self._all.copy()
        reward = self._reward
        for row in rows:
            moved[row] = False
            reward[row] = 0.0
        if self._ended and (empty := sorted(set(self._ended).intersection(rows))):
            raise self._broken(
                f"rows {empty} are over", "right after their reset", "make reset begin an episode to act in"
            )

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
            self._truncated, self._over = self._truncated | cut, self._over | cut
            self._ended = self._over.nonzero()[0].tolist()
            self._reset_rows(cut)

    def _reset_rows(self, rows: np.ndarray) -> None:
        """Begins a new episode in the rows where `rows` is true; `next_state` stays what it was."""
        observation, info = self._begin(options={"reset_mask": rows.copy()})
        mask = self._mask_in(info, exempt=~rows)
        if mask is not None or self._mask is not None:
            self._mask = np.where(rows[:, None], _or_all(mask), _or_all(self._mask))
        self._seen = chosen_rows(rows, self._checked("state", self._read, observation), self._seen)
        self._state = self._seen if self._states is None else self._states.restart(rows, self._seen)

    def _take_finals(self, info: dict[str, Any]) -> None:
        """The true last states, and their masks, of the rows that were reset in the same step."""
        if info.get("final_obs") is None:
            raise self._broken("info has no final_obs", "though rows ended", "the states they ended in are needed")
        last, final_info = copy_rows(self._seen), info.get("final_info") or {}
        inside = getattr(self.source.unwrapped, "_env_obs", None)  # what resets answered, in a SyncVectorEnv
        next_mask = None if self._mask is None else self._mask.copy()
        for row in self._ended:
            observation = row_of(info["final_obs"], row)
            if inside is not None and share_arrays(observation, inside[row]):
                raise self._broken(
                    f"the last state of row {row} is", "overwritten by its reset", "answer copies, or use another mode"
                )
            observation, of_row = take_mask(observation, _mask_of_row(final_info, row), self._inside)
            write_row(last, row, self._checked(f"last state of row {row}", self._read_row, observation))
            if of_row.get(KEY) is not None and next_mask is None:
                next_mask = np.ones((self.num_envs, int(getattr(self._action_space, "n", 0))), bool)
            if next_mask is not None:
                next_mask[row] = self._final_mask(of_row.get(KEY), row)
        self._next_state = last
        if self._states is not None:
            self._next_state = self._states.follow(last)
            self._state = self._states.restart(self._over, self._seen)
        self._next_mask = next_mask

    def _final_mask(self, raw_mask: Any, row: int) -> Any:
        if raw_mask is None:
            return True
        masks = np.stack([np.asarray(raw_mask)] * self.num_envs)
        return self._checked(f"last action mask of row {row}", self._read_mask, masks)[row]

    def _mask_in(self, info: dict[str, Any], exempt: np.ndarray) -> np.ndarray | None:
        """The masks; those that are not given allow all, those of the rows in `exempt` may allow none."""
        if info.get(KEY) is None:
            return self._no_mask
        mask = self._checked("action mask", self._read_mask, info[KEY])
        if mask is None:
            return None
        given = info.get(f"_{KEY}")
        if given is not None:
            mask[~np.asarray(given, bool)] = True
        empty = np.flatnonzero(~(mask.any(axis=1) | exempt)).tolist()
        if empty:
            raise self._broken("the action mask allows no action", f"in rows {empty}", "end the episode there instead")
        if self._no_mask is None:
            self._no_mask = np.ones_like(mask)
            self._no_mask.flags.writeable = False
        return mask

    def _checked(self, what: str, read: Callable[[Any], Any], raw: Any) -> Any:
        try:
            return read(raw)
        except EnvContractError as error:
            raise self._unreadable(what, error) from None

    def _unreadable(self, what: str, error: Exception) -> EnvContractError:
        return self._broken(
            f"the {what} is", error, "correct the environment, or its spaces (the first axis is the row)"
        )

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
        return self._truncated

    def is_over(self) -> np.ndarray:
        """Bool `[num_envs]`: the row's episode ended with the last action."""
        return self._over

    def ended(self) -> Sequence[int]:
        """The indices of the rows that ended with the last action, a list; an empty tuple if none did."""
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
        """Bool `[num_envs, actions]` at `state()`, or `None` where the environment gives no mask and never gave one."""
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


def _mask_of_row(final_info: dict[str, Any], row: int) -> dict[str, Any]:
    """The part of a vector environment's `final_info` that is one row's mask, where it has one."""
    is_given = final_info.get(f"_{KEY}")
    if KEY not in final_info or (is_given is not None and not is_given[row]):
        return {}
    return {KEY: final_info[KEY][row]}


def _or_all(mask: np.ndarray | None) -> Any:
    return True if mask is None else mask


_FIVE = "(states, rewards, terminated, truncated, info)"
_NOBODY: tuple[int, ...] = ()
