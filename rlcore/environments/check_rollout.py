"""One rollout of an environment that is being checked."""

import copy
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from rlcore.environments.check_answers import flag_problems, mask_problems, reward_problems, same, state_problems
from rlcore.environments.check_faces import _Face, action_drawer, is_over_at_start
from rlcore.environments.masks import KEY, mask_reader, take_mask, without_mask
from rlcore.environments.readers import state_reader
from rlcore.environments.rows import row_of
from rlcore.environments.spaces import shown
from rlcore.interfaces import Environment

NO_RESET = "answer the episode's last state and leave the reset to the caller"
_FAILED = object()
_EXCEPTIONS = 5  # after so many the rollout is given up


class _Rollout:
    """Steps through episodes, and keeps `(where, state, reward, terminated, truncated)` of every step."""

    def __init__(self, face: _Face, report: Any, resets: list[int], n_steps: int, seed: int) -> None:
        self.face, self.report, self.resets, self.n_steps = face, report, resets, n_steps
        self.inside, self.space = without_mask(face.state_space, face.action_space)
        self.read, self.read_row = state_reader(self.space, face.rows), state_reader(self.space)
        self.read_mask = mask_reader(face.action_space, face.rows)
        self.draw = action_drawer(face, seed)
        self.may_reuse = isinstance(face.source, Environment | VectorEnv)  # arrays: the adapter copies, as is promised
        self.mode = (getattr(face.source, "metadata", None) or {}).get("autoreset_mode") if face.rows else None
        self.record: list[Any] = []
        self.starts: list[Any] = []
        self.finals: list[Any] = []
        self.episode = self.step = self.exceptions = 0
        self.over: Any = False
        self.mask: Any = None
        self.kept: tuple[Any, Any] = (None, None)
        self.takes_seed = True

    @property
    def was_given_up(self) -> bool:
        return self.exceptions >= _EXCEPTIONS or not self.takes_seed

    def where(self) -> str:
        return f"episode {self.episode}, step {self.step}"

    def play(self, seed: int | None) -> None:
        """Takes `n_steps` steps; an episode is left after a quarter of them."""
        limit = max(1, self.n_steps // 4)
        goes_on = self.begin(seed)
        for _ in range(self.n_steps):
            if not goes_on:
                return
            went_well = self.take_step()
            if not went_well or self.needs_reset() or self.step >= limit:
                goes_on = self.exceptions < _EXCEPTIONS and self.begin(None)

    def needs_reset(self) -> bool:
        """Whether nothing but a reset may follow; vector environments of a known mode see to it themselves."""
        return bool(np.any(self.over)) and not isinstance(self.mode, AutoresetMode)

    def begin(self, seed: int | None) -> bool:
        """Resets, and says whether there is an episode to act in."""
        self.episode, self.step, self.over = self.episode + 1, 0, False
        answer = self.reset_answer(seed)
        if answer is _FAILED:
            return False
        if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], dict):
            fix = "end reset with return state, {}"
            self.report.add(self.where(), f"reset answered {shown(answer)}, expected the pair (state, info)", fix)
            return False
        self.take_in(*answer, exempt=False)
        self.starts.append(self.kept[1])
        self.record.append((self.where(), self.kept[1]))
        if is_over_at_start(self.face):
            fix = "make reset clear what is_terminated and is_truncated answer"
            self.report.add(self.where(), "the episode is over right after reset, expected a state to act in", fix)
            return False
        return True

    def reset_answer(self, seed: int | None) -> Any:
        try:
            return self.face.begin(seed)
        except TypeError as error:
            if seed is None or "seed" not in str(error):
                self.report.add_exception(self.where(), f"reset(seed={seed})", error)
                return _FAILED
            self.takes_seed = False
            fix = "write def reset(self, seed=None), in a Gymnasium one def reset(self, *, seed=None, options=None)"
            self.report.add(self.where(), f"reset takes no seed: {error}", fix)
            return self.reset_answer(None)
        except Exception as error:
            self.report.add_exception(self.where(), f"reset(seed={seed})", error)
            return _FAILED

    def take_step(self) -> bool:
        """Takes one random legal step, and says whether the environment can go on."""
        self.step += 1
        was_over, n_resets = self.over, len(self.resets)
        try:
            action = self.draw(self.mask)
            answer = self.face.step(action)
        except Exception as error:
            self.exceptions += 1
            self.report.add_exception(self.where(), "the step", error)
            return False
        if len(self.resets) > n_resets:
            self.report.add(
                self.where(), "reset was called inside the step, expected the episode's last state", NO_RESET
            )
        if not isinstance(answer, tuple) or len(answer) != 5 or not isinstance(answer[4], dict):
            what = f"step answered {shown(answer)}, expected (state, reward, terminated, truncated, info)"
            self.report.add(self.where(), what, "end step with these five, info being a dict")
            self.exceptions += 1
            return False
        self.take_answer(answer, was_over)
        return True

    def take_answer(self, answer: Any, was_over: Any) -> None:
        state, reward, terminated, truncated, info = answer
        rows = self.face.rows
        self.report.add_all(self.where(), reward_problems(reward, rows))
        self.report.add_all(self.where(), flag_problems("terminated", terminated, rows))
        self.report.add_all(self.where(), flag_problems("truncated", truncated, rows))
        self.over = _is_true(terminated, rows) | _is_true(truncated, rows)
        is_new = self.mode is AutoresetMode.SAME_STEP
        self.take_in(state, info, exempt=False if is_new else self.over)
        self.record.append((self.where(), self.kept[1], reward, terminated, truncated))
        if rows is None and self.over:
            self.finals.append(self.kept[1])
        if rows is not None:
            self.take_row_ends(info, was_over)

    def take_in(self, state: Any, info: dict[str, Any], exempt: Any) -> None:
        """Checks a state and its mask, and that the state before was not overwritten where that is a fault."""
        before, copied = self.kept
        if not self.may_reuse and not same(before, copied):
            what = (
                f"the state answered one step ago was {shown(copied)} and is {shown(before)} now, expected it to stay"
            )
            self.report.add(self.where(), what, "answer a copy: state.copy()")
        state, info = take_mask(state, info, self.inside)
        self.report.add_all(self.where(), state_problems(state, self.space, self.read))
        self.kept = (state, copy.deepcopy(state))
        self.mask = self.own_mask(info, exempt)

    def own_mask(self, info: dict[str, Any], exempt: Any) -> Any:
        """The mask, where it is one; problems are reported."""
        raw, given = info.get(KEY), info.get(f"_{KEY}")
        if raw is None:
            return None
        exempt = exempt if given is None else exempt | ~np.asarray(given, bool)
        problems = list(mask_problems(raw, self.read_mask, exempt))
        self.report.add_all(self.where(), problems)
        if problems:
            return None
        mask: Any = self.read_mask(raw)
        return np.where(mask.any(axis=-1, keepdims=True), mask, True)

    def take_row_ends(self, info: dict[str, Any], was_over: Any) -> None:
        """What a vector environment does about rows that ended, by the mode it declares."""
        ended, mode = np.flatnonzero(self.over), self.mode
        has_finals = info.get("final_obs") is not None
        if mode is AutoresetMode.NEXT_STEP and np.any(self.over & was_over):
            fix = "make its reset begin an episode to act in"
            self.report.add(self.where(), "a row is over right after its reset, expected a state to act in", fix)
        if not len(ended) or not isinstance(mode, AutoresetMode):
            return
        if has_finals != (mode is AutoresetMode.SAME_STEP):
            what = f"info has {'a' if has_finals else 'no'} final_obs, expected {'none' if has_finals else 'one'}"
            fix = "declare what its step does in metadata['autoreset_mode']"
            self.report.add(self.where(), f"{what} with {mode}", fix)
        elif has_finals:
            for row in ended.tolist():
                final, _ = take_mask(row_of(info["final_obs"], row), {}, self.inside)
                problems = state_problems(final, self.space, self.read_row)
                self.report.add_all(f"{self.where()}, row {row} of final_obs", problems)
        elif mode is AutoresetMode.DISABLED:
            self.reset_rows()

    def reset_rows(self) -> None:
        """Resets the rows that ended; the others must stay where they are."""
        rows, before = self.over.copy(), self.kept[1]
        try:
            state, info = self.face.source.reset(options={"reset_mask": rows.copy()})
        except Exception as error:
            self.exceptions += 1
            self.report.add_exception(self.where(), f"reset(options={{'reset_mask': {rows}}})", error)
            return
        self.take_in(state, info, exempt=~rows)
        for row in np.flatnonzero(~rows).tolist():
            if not same(row_of(before, row), row_of(self.kept[1], row)):
                what = f"reset(options={{'reset_mask': {rows}}}) changed row {row}, expected only the rows that ended"
                self.report.add(self.where(), what, "reset where reset_mask is true, and nowhere else", "reset_mask")
                break
        self.over = np.zeros_like(rows)


def _is_true(flag: Any, rows: int | None) -> Any:
    array = np.asarray(flag)
    if rows is None:
        return array.size == 1 and bool(array.item())
    return array.astype(bool) if array.shape == (rows,) else np.zeros(rows, bool)
