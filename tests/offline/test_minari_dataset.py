"""Minari datasets: the transitions that were collected, seen as policies see them."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlcore.errors import ConfigError
from rlcore.offline import load_minari
from tests.offline.recorded import assert_same

minari = pytest.importorskip("minari", reason="the extra minari is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SPACES = {
    "box": spaces.Box(-100, 100, (2,), np.float64),
    "discrete": spaces.Discrete(200, start=-100),
    "dict": spaces.Dict({"a": spaces.Box(0, 255, (2, 2), np.uint8), "b": spaces.Discrete(200, start=-100)}),
    "tuple": spaces.Tuple([spaces.Box(-100, 100, (1,), np.float32), spaces.MultiBinary(2)]),
    "masked": spaces.Dict({"observation": spaces.Box(-100, 100, (1,)), "action_mask": spaces.MultiBinary(3)}),
}


class Written(gymnasium.Env):
    """State i follows state i - 1; the episodes end as they were told, at most one of them in the middle."""

    def __init__(self, kind, ends):
        self.kind, self.ends = kind, iter(ends)
        self.observation_space, self.action_space = SPACES[kind], spaces.Discrete(3, start=1)
        self.i = 0

    def observe(self):
        i, image = self.i, np.full((2, 2), self.i, np.uint8)
        return {
            "box": np.array([i, -i], np.float64),
            "discrete": i,
            "dict": {"a": image, "b": -i},
            "tuple": (np.float32([i]), np.array([i % 2, 1], np.int8)),
            "masked": {"observation": np.float32([i]), "action_mask": np.array([1, i % 2, 1], np.int8)},
        }[self.kind]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length, self.end = next(self.ends)
        self.start = self.i = self.i + 10
        return self.observe(), {}

    def step(self, action):
        self.i += 1
        is_over = self.i == self.start + self.length
        ends = {"terminated": (True, False), "truncated": (False, True), "stopped": (False, False)}[self.end]
        return self.observe(), self.i / 2, is_over and ends[0], is_over and ends[1], {}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


ENDS = [(3, "terminated"), (2, "truncated"), (1, "terminated"), (2, "stopped")]


def collected(kind, ends=ENDS):
    env = minari.DataCollector(Written(kind, ends))
    for length, _ in ends:
        env.reset()
        for _ in range(length):
            env.step(1 + env.unwrapped.i % 3)
    return env.create_dataset(f"test/{kind}-v0", eval_env="CartPole-v1")


STATES = [10, 11, 12, 23, 24, 35, 46, 47]  # where the actions were chosen
LAST = [False, False, True, False, True, True, False, True]


def test_states_actions_and_ends():
    batch = load_minari(collected("box")).whole()
    assert batch.state.tolist() == [[i, -i] for i in STATES]
    assert batch.next_state.tolist() == [[i + 1, -i - 1] for i in STATES]
    assert batch.state.dtype == np.float32
    assert batch.action.tolist() == [i % 3 for i in STATES]
    assert batch.reward.tolist() == [(i + 1) / 2 for i in STATES]
    assert batch.terminated.tolist() == [False, False, True, False, False, True, False, False]
    assert (batch.terminated | batch.truncated).tolist() == LAST
    assert batch.mask is None


def test_discrete_states_count_from_zero():
    batch = load_minari(collected("discrete")).whole()
    assert batch.state.tolist() == [i + 100 for i in STATES]
    assert batch.next_state.tolist() == [i + 101 for i in STATES]


def test_dicts_and_tuples():
    batch = load_minari(collected("dict")).whole()
    assert batch.state["a"].dtype == np.uint8
    assert batch.state["a"][:, 0, 0].tolist() == STATES
    assert batch.state["b"].tolist() == [100 - i for i in STATES]
    assert batch.next_state["b"].tolist() == [99 - i for i in STATES]
    batch = load_minari(collected("tuple")).whole()
    assert batch.state[0][:, 0].tolist() == STATES
    assert batch.next_state[1].tolist() == [[(i + 1) % 2, 1] for i in STATES]


def test_a_mask_is_taken_out():
    batch = load_minari(collected("masked")).whole()
    assert batch.state[:, 0].tolist() == STATES
    assert batch.mask.tolist() == [[True, i % 2 == 1, True] for i in STATES]
    assert batch.next_mask.tolist() == [[True, i % 2 == 0, True] for i in STATES]


def test_a_dataset_is_found_by_its_name_and_compared():
    dataset = collected("box", [(4, "terminated")])
    assert_same(load_minari("test/box-v0").whole(), load_minari(dataset).whole())
    assert load_minari(dataset, Written("box", ENDS), capacity=9).capacity == 9
    with pytest.raises(ConfigError, match=r"the states of the dataset test/box-v0 are Box.* but those of CartPole-v1"):
        load_minari(dataset, "CartPole-v1")
    with pytest.raises(ConfigError, match="capacity is 3"):
        load_minari(dataset, capacity=3)


def test_a_dataset_that_is_missing_is_named():
    with pytest.raises(
        ConfigError, match=r"can't be read here: .*minari.load_dataset\('test/none-v0', download=True\)"
    ):
        load_minari("test/none-v0")


class Damaged:
    """A dataset whose only episode was changed by hand."""

    def __init__(self, dataset, **changes):
        self.observation_space, self.action_space, self.spec = (
            dataset.observation_space,
            dataset.action_space,
            dataset.spec,
        )
        self.episodes = [Changed(episode, changes) for episode in dataset.iterate_episodes()]

    def iterate_episodes(self):
        return iter(self.episodes)


class Changed:
    def __init__(self, episode, changes):
        for name in ("id", "observations", "actions", "rewards", "terminations", "truncations"):
            setattr(self, name, changes.get(name, getattr(episode, name)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"observations": np.zeros((4, 2))}, r"in episode 0 of .* the states are float64\[4, 2\], expected"),
        ({"observations": np.full((5, 2), np.nan)}, "the states are numbers that are not finite"),
        ({"actions": np.zeros(4, int)}, "the actions are whole numbers from -1"),
        ({"rewards": np.full(4, np.inf)}, "a reward is not finite"),
        ({"rewards": np.zeros(3)}, "has 3 rewards, 4 terminations and 4 truncations"),
    ],
    ids=str,
)
def test_a_damaged_episode_is_refused(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        load_minari(Damaged(collected("box", [(4, "terminated")]), **changes))


def test_an_empty_dataset_is_refused():
    dataset = Damaged(collected("box", [(4, "terminated")]))
    dataset.episodes = []
    with pytest.raises(ConfigError, match="holds no transition"):
        load_minari(dataset)
