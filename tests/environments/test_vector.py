"""The adapter of several environments side by side."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.experiment import Experiment
from rlcore.policies import Agent, RandomPolicy
from rlcore.stop_conditions import StopAfterNEpisodes
from rlcore.trajectories import CircularTraces, InsertSampleRatioController, Trajectory, WholeSampler
from tests.environments.worlds import Counter, Faulty, bare_transitions, choose, counters

MODES = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
ENDS = pytest.mark.parametrize("end", ["terminated", "truncated", "both"])


def played(env, n_steps):
    """The transitions of every row, as the loop and an agent would take them."""
    rows = [[] for _ in range(env.num_envs)]
    for _ in range(n_steps):
        state, action = env.state(), choose(env.state())
        env.act(action)
        assert not env.needs_reset()
        for row in np.flatnonzero(env.is_transition()):
            ends = (bool(env.is_terminated()[row]), bool(env.is_truncated()[row]))
            reward, next_state = float(env.reward()[row]), env.next_state()[row].tolist()
            rows[row].append((state[row].tolist(), int(action[row]), reward, next_state, *ends))
    return rows


def assert_like_bare(rows, seed, end):
    for i, row in enumerate(rows):
        assert row == bare_transitions(Counter(100_000 * i, end=end), seed + i, len(row))


@MODES
@ENDS
@pytest.mark.parametrize("n", [1, 2, 7])
def test_no_transition_is_lost_joined_or_invented(mode, end, n):
    env = as_environment(counters(n, mode, end=end))
    env.reset(seed=11)
    rows = played(env, 80)
    assert_like_bare(rows, 11, end)
    n_ends = [sum(terminated or truncated for *_, terminated, truncated in row) for row in rows]
    assert min(n_ends) > 10
    for row, ends in zip(rows, n_ends, strict=True):
        is_next = mode is AutoresetMode.NEXT_STEP  # every end but one in the very last step costs a step
        assert len(row) in ((80 - ends, 81 - ends) if is_next else (80,))


KEEP_LAST = pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])


@KEEP_LAST
def test_states_are_never_overwritten(mode):
    raw = SyncVectorEnv([lambda: Counter(reuse=True)] * 3, copy=False, autoreset_mode=mode)
    env = as_environment(raw)
    env.reset(seed=0)
    kept = []
    for _ in range(40):
        env.act(choose(env.state()))
        answers = (env.state(), env.next_state(), env.reward(), env.is_terminated(), env.is_truncated(), env.is_over())
        kept.append((answers, [answer.copy() for answer in answers]))
    for answers, copies in kept:
        for answer, copied in zip(answers, copies, strict=True):
            np.testing.assert_array_equal(answer, copied)


@MODES
def test_ends_and_states_step_by_step(mode):
    lengths = (2, 3)
    env = as_environment(
        SyncVectorEnv(
            [lambda i=i, n=n: Counter(100_000 * i, length=n) for i, n in enumerate(lengths)], autoreset_mode=mode
        )
    )
    env.reset(seed=0)
    assert env.ended() == () and env.is_transition().all() and env.last_action() is None
    assert env.state()[:, 0].tolist() == env.next_state()[:, 0].tolist() == [1000, 101_000]
    action = np.array([1, 2])
    env.act(action)
    assert env.last_action() is action and env.reward().tolist() == [11, 12] and len(env.ended()) == 0
    env.act(action)
    assert env.ended() == [0] and env.is_over().tolist() == [True, False]
    assert env.next_state()[:, 0].tolist() == [1002, 101_002]
    is_next = mode is AutoresetMode.NEXT_STEP
    assert env.state()[:, 0].tolist() == [1002 if is_next else 2000, 101_002]
    env.act(action)
    assert env.is_transition().tolist() == [not is_next, True]
    assert env.reward().tolist() == [0 if is_next else 11, 32]
    assert env.ended() == [1]
    env.act(action)
    assert env.is_transition().tolist() == [True, not is_next]


@pytest.mark.parametrize(
    ("mode", "reuse"),
    [
        (mode, reuse)
        for mode in AutoresetMode
        for reuse in (False, True)
        if not reuse or mode is not AutoresetMode.SAME_STEP
    ],
)
@pytest.mark.parametrize("mask", ["info", "observation"])
def test_masks_are_those_of_their_states(mode, reuse, mask):
    env = as_environment(counters(3, mode, mask=mask, reuse=reuse))
    env.reset(seed=4)
    assert env.state_space().shape == (2,)

    def expected(state):
        number = state[:, 0] % 100_000
        illegal = (number // 1000 + state[:, 1]) % 3
        return np.arange(3) != illegal[:, None]

    n_ends, kept = 0, []
    for _ in range(60):
        np.testing.assert_array_equal(env.legal_action_mask(), expected(env.state()))
        env.act(choose(env.state()))
        np.testing.assert_array_equal(env.next_legal_action_mask(), expected(env.next_state()))
        kept.append((env.legal_action_mask(), env.legal_action_mask().copy()))
        n_ends += len(env.ended())
    assert n_ends > 30
    for mask_then, copied in kept:
        np.testing.assert_array_equal(mask_then, copied)


@pytest.mark.parametrize("mask", [None, "observation"])
def test_last_states_that_the_reset_overwrites_are_refused(mask):
    env = as_environment(counters(2, AutoresetMode.SAME_STEP, reuse=True, length=2, mask=mask))
    env.reset(seed=0)
    env.act(np.zeros(2, int))
    with pytest.raises(EnvContractError, match="the last state of row 0 is overwritten by its reset"):
        env.act(np.zeros(2, int))


@MODES
def test_rows_without_a_mask_may_do_everything(mode):
    makers = [lambda: Counter(mask="info", length=2), lambda: Counter(length=2)]
    env = as_environment(SyncVectorEnv(makers, autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(8):
        assert env.legal_action_mask()[0].sum() == 2 and env.legal_action_mask()[1].all()
        env.act(np.zeros(2, int))
        assert env.next_legal_action_mask()[0].sum() == 2 and env.next_legal_action_mask()[1].all()


class OnlySteps(Counter):
    """Gives a mask in the info of steps, none in that of reset."""

    def __init__(self, **options):
        super().__init__(mask="info", **options)

    def reset(self, **named):
        return super().reset(**named)[0], {}


@MODES
def test_a_mask_that_reset_does_not_give(mode):
    env = as_environment(SyncVectorEnv([lambda: OnlySteps(length=2), lambda: OnlySteps(length=2)], autoreset_mode=mode))
    env.reset(seed=0)
    assert env.legal_action_mask() is None
    env.act(np.zeros(2, int))
    env.act(np.zeros(2, int))
    assert env.is_over().all() and env.next_legal_action_mask().sum(axis=1).tolist() == [2, 2]
    if mode is not AutoresetMode.NEXT_STEP:
        mask = env.legal_action_mask()
        assert mask is None or mask.all()


class Silent(Counter):
    """Gives no mask after a step."""

    def step(self, action):
        return *super().step(action)[:-1], {}


@MODES
def test_where_no_mask_comes_after_one_everything_is_legal(mode):
    env = as_environment(SyncVectorEnv([lambda: Silent(mask="info", length=2)] * 2, autoreset_mode=mode))
    agent = Agent(RandomPolicy(), Trajectory(CircularTraces(20), WholeSampler(), InsertSampleRatioController()))
    Experiment(agent, env, StopAfterNEpisodes(6, show_progress=False), seed=0).run()
    kept = agent.trajectory.container.whole()
    assert kept.mask.sum(axis=1).tolist() == [2, 3] * 6
    assert kept.next_mask.all()


class Stuck(Counter):
    """No action is legal in the last state; with `at` also in the one of that step."""

    def __init__(self, at=None, **options):
        super().__init__(mask="info", length=3, **options)
        self.at = at

    def legal(self):
        return np.full(3, self.step_number not in (3, self.at))


@MODES
def test_nothing_is_legal_in_last_states_only(mode):
    env = as_environment(SyncVectorEnv([Stuck, Stuck], autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(10):
        assert env.legal_action_mask().all()  # also in a step that is spent on a reset
        env.act(np.zeros(2, int))
        np.testing.assert_array_equal(env.next_legal_action_mask().any(axis=1), ~env.is_over())
    for at in (0, 1):
        env = as_environment(SyncVectorEnv([Stuck, lambda at=at: Stuck(at)], autoreset_mode=mode))
        with pytest.raises(EnvContractError, match=rf"step {at} .*the action mask allows no action in rows \[1\]"):
            env.reset(seed=0)
            env.act(np.zeros(2, int))


@MODES
def test_policies_act_on_where_nothing_is_legal_in_last_states(mode):
    env = SyncVectorEnv([Stuck, Stuck], autoreset_mode=mode)
    experiment = Experiment(RandomPolicy(), env, StopAfterNEpisodes(5, show_progress=False), seed=0)
    assert experiment.run().env.is_over().any()


# cutting rows


def test_a_partial_reset_is_read_where_rows_were_reset_only():
    class Vague(SyncVectorEnv):
        def reset(self, *, seed=None, options=None):
            mask = None if options is None else options["reset_mask"]
            states, info = super().reset(seed=seed, options=options)
            return (states if mask is None else np.where(mask[:, None], states, 0)), info

    env = as_environment(Vague([lambda: Counter(length=9)] * 2, autoreset_mode=AutoresetMode.DISABLED))
    env.reset(seed=0)
    env.act(np.zeros(2, int))
    env.truncate([True, False])
    assert env.state()[:, 0].tolist() == [2000, 1001]


def test_cut_rows_begin_anew_and_the_others_go_on():
    env = as_environment(counters(3, AutoresetMode.DISABLED, length=4))
    env.reset(seed=0)
    env.act(np.zeros(3, int))
    env.truncate(np.array([True, False, True]))
    assert env.is_truncated().tolist() == env.is_over().tolist() == [True, False, True]
    assert not env.is_terminated().any() and list(env.ended()) == [0, 2]
    assert env.next_state()[:, 0].tolist() == [1001, 101_001, 201_001]
    assert env.state()[:, 0].tolist() == [2000, 101_001, 202_000]
    env.act(np.zeros(3, int))
    assert env.state()[:, 0].tolist() == [2001, 101_002, 202_001] and len(env.ended()) == 0


def test_a_cut_of_a_row_that_has_ended_changes_nothing():
    env = as_environment(
        SyncVectorEnv([lambda: Counter(length=1), lambda: Counter(length=9)], autoreset_mode=AutoresetMode.DISABLED)
    )
    env.reset(seed=0)
    env.act(np.zeros(2, int))
    state = env.state().copy()
    env.truncate([True, False])
    assert env.is_terminated().tolist() == [True, False] and not env.is_truncated().any()
    np.testing.assert_array_equal(env.state(), state)
    env.truncate()  # all: the second row is cut, the first one has just begun
    assert env.is_over().all() and env.is_truncated().tolist() == [False, True]
    assert env.state()[:, 0].tolist() == [2000, 2000] and env.next_state()[:, 0].tolist() == [1001, 1001]


@pytest.mark.parametrize("mask", ["info", "observation"])
def test_masks_of_cut_rows(mask):
    env = as_environment(counters(2, AutoresetMode.DISABLED, mask=mask, length=5))
    env.reset(seed=0)
    env.act(np.zeros(2, int))
    env.truncate([False, True])
    assert env.next_legal_action_mask().tolist() == [[True, True, False], [True, True, False]]  # (1 + 1) % 3
    assert env.legal_action_mask().tolist() == [[True, True, False], [True, True, False]]  # (2 + 0) % 3 in row 1
    env.act(np.zeros(2, int))
    assert env.legal_action_mask().tolist() == [[False, True, True], [False, True, True]]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_rows_that_reset_themselves_cannot_be_cut(mode):
    env = as_environment(counters(2, mode))
    env.reset()
    assert not env.can_truncate_rows()
    with pytest.raises(ConfigError, match=r"autoreset_mode=AutoresetMode\.DISABLED"):
        env.truncate([True, False])


# seeds


@MODES
def test_a_row_depends_on_its_own_seed_only(mode):
    tables = {}
    for n in (1, 2, 7):
        env = as_environment(counters(n, mode))
        env.seed(42)
        env.reset()
        tables[n] = played(env, 50)
    assert tables[7][:2] == tables[2] and tables[2][:1] == tables[1]
    lengths = [[step[3][1] for step in row if step[-2]] for row in tables[7]]
    assert len({tuple(row) for row in lengths}) == 7  # the rows differ


def test_seed_counts_for_one_reset_and_an_argument_comes_first():
    env = as_environment(counters(2, AutoresetMode.DISABLED))
    env.seed(1)
    env.reset(seed=5)
    assert_like_bare(played(env, 20), 5, "terminated")
    env.reset()  # goes on: the episode number is not set back
    assert (env.state()[:, 0] > 2000).all()


def test_native_vector_environments_get_one_seed():
    def states(n):
        env = as_environment(gymnasium.make_vec("CartPole-v1", n))
        assert type(env.source.unwrapped).__name__ == "CartPoleVectorEnv"
        env.seed(3)
        env.reset()
        return env.state()

    np.testing.assert_array_equal(states(4), states(4))
    assert not np.array_equal(states(4)[0], states(4)[1])


# transformed


@MODES
def test_functions_get_all_rows_also_at_the_end(mode):
    seen = []

    def first(states):
        seen.append(states.shape)
        return states[:, :1] / 2  # of a single state this would fail

    env = as_environment(
        counters(3, mode), state=first, reward=lambda reward: reward - 1, action=lambda action: 2 - action
    )
    assert env.state_space().shape == (1,)
    env.reset(seed=6)
    plain = as_environment(counters(3, mode))
    plain.reset(seed=6)
    for _ in range(30):
        env.act(np.zeros(3, int)), plain.act(np.full(3, 2))
        np.testing.assert_array_equal(env.state(), plain.state()[:, :1] / 2)
        np.testing.assert_array_equal(env.next_state(), plain.next_state()[:, :1] / 2)
        np.testing.assert_array_equal(env.reward(), np.where(plain.is_transition(), plain.reward() - 1, 0))
    assert set(seen) == {(3, 2)}


# refused when built


class Native(VectorEnv):
    """Two rows that count; the tests replace what it answers."""

    def __init__(self, mode=AutoresetMode.SAME_STEP, **faults):
        self.num_envs = 2
        self.single_observation_space, self.single_action_space = spaces.Box(-9, 9, (1,)), spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, 2)
        self.action_space = batch_space(self.single_action_space, 2)
        self.metadata = {} if mode is None else {"autoreset_mode": mode}
        self.faults = faults

    def reset(self, *, seed=None, options=None):
        return self.faults.get("reset", (np.zeros((2, 1), np.float32), {}))

    def step(self, actions):
        if "answer" in self.faults:
            return self.faults["answer"]
        good = {"state": np.zeros((2, 1), np.float32), "reward": np.zeros(2)}
        good |= {"terminated": np.zeros(2, bool), "truncated": np.zeros(2, bool), "info": {}} | self.faults
        return tuple(good[name] for name in ("state", "reward", "terminated", "truncated", "info"))


@pytest.mark.parametrize("mode", [None, "NextStep", True])
def test_the_autoreset_mode_must_be_declared(mode):
    with pytest.raises(ConfigError, match=r"Native declares the autoreset mode .*expected a gymnasium"):
        as_environment(Native(mode))


def test_rows_of_different_spaces_are_refused():
    class Wide(Counter):
        def __init__(self):
            super().__init__()
            self.observation_space = spaces.Box(-5, 5, (2,))

    with pytest.raises(ConfigError, match="give all rows the same space"):
        as_environment(SyncVectorEnv([Counter, Wide], observation_mode="different"))


def test_unsupported_spaces_are_refused():
    raw = Native()
    raw.single_observation_space = spaces.Text(3)
    raw.observation_space = batch_space(raw.single_observation_space, 2)
    with pytest.raises(ConfigError, match="not supported"):
        as_environment(raw)


def test_names():
    assert as_environment("CartPole-v1", num_envs=2).name == "CartPole-v1"
    assert as_environment(counters(2, AutoresetMode.DISABLED)).name == "SyncVectorEnv of Counter"
    assert as_environment(Native()).where() == "Native (2 rows), step 0 since reset"


# refused when it happens


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"state": np.zeros((3, 1), np.float32)}, r"the state is ndarray of shape \(3, 1\), expected shape \(2, 1\)"),
        ({"state": np.array([[0], [np.nan]], np.float32)}, r"not finite: nan at index \[1, 0\].*first axis is the row"),
        ({"reward": np.array([0, np.inf])}, "the reward is inf in row 1"),
        ({"reward": np.zeros(3)}, "the reward is .*expected 2 numbers"),
        ({"reward": None}, "expected 2 numbers"),
        ({"terminated": np.zeros((2, 1), bool)}, "the terminated flag is .*expected 2 bools"),
        ({"truncated": np.zeros(2)}, "the truncated flag is .*expected 2 bools"),
        ({"terminated": [True, False]}, "no final_obs though rows ended"),
        ({"terminated": [True, False], "info": {"final_obs": [None, None]}}, "last state of row 0 is"),
        ({"info": {"action_mask": np.ones((2, 3), bool)}}, r"the action mask is .*expected bools of shape \(2, 2\)"),
        ({"info": {"action_mask": np.ones((2, 2))}}, "float64"),
        ({"info": {"action_mask": np.eye(2, dtype=bool) * [[1], [0]]}}, "expected|allows no action in rows"),
        ({"answer": (1, 2, 3)}, "step answered .*expected the five"),
        ({"answer": None}, "step answered None"),
    ],
)
def test_bad_answers_say_where(fault, message):
    env = as_environment(Native(**fault))
    env.reset()
    with pytest.raises(EnvContractError, match=rf"^Native \(2 rows\), step 1 since reset: .*{message}"):
        env.act(np.zeros(2, int))


@pytest.mark.parametrize("answer", [None, np.zeros((2, 1)), (np.zeros((2, 1)), None), (1, {}, 3)])
def test_bad_resets_say_where(answer):
    with pytest.raises(EnvContractError, match=r"Native \(2 rows\), step 0 since reset: reset answered"):
        as_environment(Native(reset=answer)).reset()


def test_a_row_that_is_over_right_after_its_reset():
    env = as_environment(Native(AutoresetMode.NEXT_STEP, terminated=np.array([False, True])))
    env.reset()
    env.act(np.zeros(2, int))
    with pytest.raises(EnvContractError, match=r"rows \[1\] are over right after their reset"):
        env.act(np.zeros(2, int))


@pytest.mark.parametrize("action", [0, np.zeros(3, int), np.array([0, 3]), np.array([0, -1]), np.zeros(2), None])
def test_illegal_actions_never_reach_the_rows(action):
    env = as_environment(counters(2, AutoresetMode.DISABLED))
    env.reset(seed=0)
    with pytest.raises(EnvContractError, match=r"the policy's action is .*every row must be of"):
        env.act(action)
    assert all(row.step_number == 0 for row in env.source.envs)


def test_final_states_may_be_dense():
    finals = np.array([[3], [4]], np.float32)
    env = as_environment(Native(terminated=np.array([False, True]), info={"final_obs": finals}))
    env.reset()
    env.act(np.zeros(2, int))
    assert env.next_state().tolist() == [[0], [4]] and env.state().tolist() == [[0], [0]]


@MODES
def test_dict_and_tuple_states(mode):
    class Nested(Counter):
        def __init__(self, **options):
            super().__init__(**options)
            self.observation_space = spaces.Dict(
                a=spaces.Tuple([spaces.Discrete(10**6, start=7), self.observation_space]), b=spaces.MultiBinary(2)
            )

        def answer(self):
            observation, info = super().answer()
            return {"a": (int(observation[0]), observation), "b": np.array([1, 0], np.int8)}, info

    env = as_environment(SyncVectorEnv([Nested, Nested], autoreset_mode=mode))
    plain = as_environment(SyncVectorEnv([Counter, Counter], autoreset_mode=mode))
    env.reset(seed=2), plain.reset(seed=2)
    for _ in range(20):
        env.act(np.zeros(2, int)), plain.act(np.zeros(2, int))
        for nested, flat in ((env.state(), plain.state()), (env.next_state(), plain.next_state())):
            np.testing.assert_array_equal(nested["a"][0], flat[:, 0] - 7)
            np.testing.assert_array_equal(nested["a"][1], flat)
            assert nested["b"].tolist() == [[1, 0], [1, 0]]


@MODES
def test_statistics_wrapper(mode):
    env = as_environment(gymnasium.wrappers.vector.RecordEpisodeStatistics(counters(3, mode)))
    env.reset(seed=11)
    assert_like_bare(played(env, 40), 11, "terminated")


def test_environments_in_processes():
    raw = AsyncVectorEnv([Counter, Counter], context="spawn", autoreset_mode=AutoresetMode.SAME_STEP)
    try:
        env = as_environment(raw)
        env.reset(seed=11)
        rows = played(env, 25)
        for i, row in enumerate(rows):
            assert row == bare_transitions(Counter(), 11 + i, len(row))
    finally:
        raw.close()


def test_close():
    raw = counters(2, AutoresetMode.DISABLED)
    as_environment(raw).close()
    assert raw.closed


def test_a_fault_in_one_row_names_the_environment():
    raw = SyncVectorEnv([lambda: Faulty(reward=np.nan), Faulty], autoreset_mode=AutoresetMode.SAME_STEP)
    env = as_environment(raw)
    env.reset()
    env.act(np.zeros(2, int))
    with pytest.raises(
        EnvContractError, match=r"SyncVectorEnv of Faulty .* step 2 since reset: the reward is nan in row 0"
    ):
        env.act(np.zeros(2, int))
