"""A recorded run, shown to hooks and conditions by the loop: step by step, or most of it in blocks."""

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st
from worlds import Still

from rlcore.block import Block, union
from rlcore.hooks import RowSteps, RowSums
from rlcore.reset_conditions import ResetIfEnvTerminated
from rlcore.run import run_loop


def block_of(reward, ends=(), seconds=0.0):
    """A block of these rewards, `[steps]` or `[steps, rows]`; `ends` names steps, or pairs of a step and a row."""
    reward = np.asarray(reward, np.float32)
    terminated = np.zeros(reward.shape, bool)
    for place in ends:
        terminated[place] = True
    return Block(np.zeros(reward.shape, int), reward, terminated, np.zeros_like(terminated), seconds)


@st.composite
def runs(draw, n_runs=2):
    """As many runs, each a list of chunks; their rewards are whole numbers, or of any size, some of them NaN."""
    num_envs = draw(st.sampled_from([None, 1, 2, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.1, 0.3, 0.9]))
    is_whole = draw(st.booleans())

    def chunk(n_steps):
        shape = (n_steps,) if num_envs is None else (n_steps, num_envs)
        reward = rng.normal(size=shape) * (1.0 if is_whole else 10.0 ** rng.integers(-8, 8, shape))
        reward = np.rint(reward) if is_whole else np.where(rng.random(shape) < 0.02, np.nan, reward)
        terminated, cut = rng.random((2, *shape)) < share
        seconds = float(2.0 ** rng.integers(-3, 4))
        return Block(np.zeros(shape, int), reward.astype(np.float32), terminated, cut & ~terminated, seconds)

    lengths = st.lists(st.integers(1, 20), min_size=1, max_size=4)
    return [[chunk(n_steps) for n_steps in draw(lengths)] for _ in range(n_runs)]


class Recorded:
    """An environment that answers what is recorded, chunk after chunk; the run is interrupted after the last step."""

    def __init__(self, chunks):
        self.chunks, self.num_envs = list(chunks), chunks[0].num_envs
        self.interrupt = SimpleNamespace(is_set=False)
        self.steps = 0  # of all chunks
        self.chunk, self.step = self.chunks.pop(0), -1
        self.now = 100.0

    def reset(self, seed=None):
        pass

    def needs_reset(self):
        return False

    def act(self, action):
        self.go(1)
        self.interrupt.is_set = self.is_latest and not self.chunks

    def go(self, n_steps):
        if self.is_latest:
            self.chunk, self.step = self.chunks.pop(0), -1
        self.step += n_steps
        self.steps += n_steps
        self.now += n_steps * self.chunk.seconds

    @property
    def is_latest(self):
        return self.step == len(self.chunk) - 1

    def clock(self):
        return self.now

    def reward(self):
        reward = self.chunk.reward[self.step]
        return float(reward) if self.num_envs is None else reward

    def is_over(self):
        return self.chunk.over[self.step]

    def ended(self):
        if self.step < 0:
            return ()
        rows = np.flatnonzero(self.chunk.over[self.step])
        return rows if len(rows) else ()

    def is_transition(self):
        return True if self.num_envs is None else np.ones(self.num_envs, bool)


class RecordedInBlocks(Recorded):
    """The same; as many steps as `draw(n)`, a number from 0 to n, are shown as a block wherever n may be."""

    def __init__(self, chunks, condition, hook, draw):
        super().__init__(chunks)
        self.condition, self.hook, self.draw = condition, hook, draw

    def pauses(self):
        for _ in range(self.draw(3)):
            self.show_block()
        return ()

    def show_block(self):
        rest = self.chunks[0] if self.is_latest else self.chunk[self.step + 1 :]
        singles = union([self.condition.breaks(rest), self.hook.breaks(rest), [len(rest) - 1]])
        block = rest[: self.draw(int(singles[0]))]
        stops = np.flatnonzero(self.condition.answers(None, block)) if len(block) else ()
        block = block[: stops[0]] if len(stops) else block
        if len(block):
            self.go(len(block))
            self.condition.push_block(None, block)
            self.hook.push_block(None, block)


def show(env, condition, hook):
    """Runs the loop over what is recorded; the number of steps, and why it stopped."""
    for _ in run_loop(Still(), env, condition, hook, ResetIfEnvTerminated(), env.interrupt):
        pass
    return env.steps, condition.reason()


def state_of(part):
    """All that a hook or condition keeps, as text: equal texts are equal in every bit and type."""
    if isinstance(part, RowSteps | RowSums):
        return f"{[(name, state_of(getattr(part, name))) for name in part.__slots__]}"
    if isinstance(part, np.ndarray):
        return f"{part.dtype} {part.tolist()}"
    if hasattr(part, "takes_blocks"):
        return f"{[(name, state_of(value)) for name, value in vars(part).items() if name not in _PASSING]}"
    if isinstance(part, tuple) and any(hasattr(member, "takes_blocks") for member in part):
        return f"{[state_of(member) for member in part]}"
    return repr(part)


_PASSING = {"f", "_fn", "_answers", "_clock", "_bar", "_advance"}  # functions, and what belongs to one step or one run
