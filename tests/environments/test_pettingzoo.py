"""The record of the adapter is that of a bare PettingZoo loop with the same actions and seeds."""

import importlib
import warnings
from typing import ClassVar

import numpy as np
import pytest
from gymnasium import spaces

from rlcore.environments import GameEnvironment, as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.interfaces import DynamicStyle

pettingzoo = pytest.importorskip("pettingzoo")
pytest.importorskip("pygame")

SHORT = [
    "tictactoe_v3",
    "connect_four_v3",
    "rps_v2",
    "leduc_holdem_v4",
    "texas_holdem_v4",
    "texas_holdem_no_limit_v6",
    "hanabi_v5",
]
LONG = ["chess_v6", "go_v5"]  # hundreds of moves of milliseconds


def module(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(f"pettingzoo.classic.{name}")
        except ImportError as error:
            pytest.skip(f"{name} does not install: {error}")


def make(name, kind="env"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module(name), kind)()


def parts(observation, info):
    """The state and the mask of a bare observation."""
    if not isinstance(observation, dict):
        return observation, info.get("action_mask")
    return observation["observation"], observation["action_mask"]


def assert_mask(mask, raw):
    np.testing.assert_array_equal(mask, raw) if raw is not None else None
    assert (mask is None) == (raw is None)


def drawn(mask, n, random):
    return int(random.integers(n)) if mask is None else int(random.choice(np.flatnonzero(mask)))


def compare_turns(bare, game, seed, random):
    """Plays one game in both; what PettingZoo says at an agent's turn, ours says at the same time."""
    bare.reset(seed=seed)
    game.reset(seed=seed)
    gained, n_moves = dict.fromkeys(game.players(), 0.0), 0
    for agent in bare.agent_iter():
        observation, reward, terminated, truncated, info = bare.last()
        state, mask = parts(observation, info)
        assert gained[agent] == reward
        assert (game.is_terminated(agent), game.is_truncated(agent)) == (terminated, truncated and not terminated)
        np.testing.assert_array_equal(game.state(agent), state)
        if terminated or truncated:
            bare.step(None)
            continue
        assert_mask(game.legal_action_mask(agent), mask)
        assert game.current_player() == agent
        action = drawn(mask, game.action_space(agent).n, random)
        bare.step(action)
        game.act(action)
        gained[agent], n_moves = 0.0, n_moves + 1
        for player in gained:
            gained[player] += game.reward(player)
    assert game.is_over() and game.active_players() == () and game.step == n_moves > 0


def compare_many(name, n_games):
    bare, game, random = make(name), as_environment(make(name)), np.random.default_rng(5)
    for seed in range(n_games):
        compare_turns(bare, game, seed, random)
    assert game.episode == n_games


@pytest.mark.parametrize("name", SHORT)
def test_twenty_games_by_turns(name):
    compare_many(name, 20)


@pytest.mark.parametrize("name", LONG)
def test_a_long_game_by_turns(name):
    compare_many(name, 1)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHORT + LONG)
def test_many_games_by_turns(name):
    compare_many(name, 20 if name in LONG else 1000)


def test_a_battle_in_which_agents_die(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    try:
        bare, game = (pettingzoo.make("aec", "butterfly/knights_archers_zombies-v11") for _ in range(2))
    except ImportError as error:
        pytest.skip(f"the butterfly games don't install: {error}")
    compare_turns(bare, as_environment(game), 1, np.random.default_rng(0))


def compare_at_once(bare, game, seed, random):
    observations, infos = bare.reset(seed=seed)
    game.reset(seed=seed)
    n_moves = 0
    while bare.agents:
        assert game.active_players() == tuple(bare.agents)
        for agent in bare.agents:
            state, mask = parts(observations[agent], infos[agent])
            np.testing.assert_array_equal(game.state(agent), state)
            assert_mask(game.legal_action_mask(agent), mask)
        masks = {agent: parts(observations[agent], infos[agent])[1] for agent in bare.agents}
        actions = {agent: drawn(masks[agent], game.action_space(agent).n, random) for agent in bare.agents}
        observations, rewards, terminations, truncations, infos = bare.step(actions)
        game.act(actions)
        n_moves += 1
        assert {player: reward for player, reward in game.reward().items() if player in rewards} == rewards
        for agent in terminations:
            ends = terminations[agent], truncations[agent] and not terminations[agent]
            assert (game.is_terminated(agent), game.is_truncated(agent)) == ends
            np.testing.assert_array_equal(game.state(agent), parts(observations[agent], infos[agent])[0])
    assert game.is_over() and game.step == n_moves > 0


@pytest.mark.parametrize("n_games", [20, pytest.param(1000, marks=pytest.mark.proof)])
def test_games_at_once(n_games):
    bare, game = make("rps_v2", "parallel_env"), as_environment(make("rps_v2", "parallel_env"))
    random = np.random.default_rng(5)
    for seed in range(n_games):
        compare_at_once(bare, game, seed, random)
    assert game.dynamic_style is DynamicStyle.SIMULTANEOUS and game.current_player() is None


def test_the_new_way_to_make_them():
    game = as_environment(pettingzoo.make("aec", "classic/tictactoe-v3"))
    assert isinstance(game, GameEnvironment) and game.name == "tictactoe_v3"
    assert game.players() == ("player_1", "player_2")
    assert game.state_space("player_1") == spaces.Box(0, 1, (3, 3, 2), np.int8)
    game.reset()
    assert game.state().tolist() == np.zeros((3, 3, 2)).tolist()
    at_once = as_environment(pettingzoo.make("parallel", "classic/rps-v2"))
    assert at_once.action_space() == spaces.Dict({player: spaces.Discrete(3) for player in at_once.players()})


def test_the_loser_gets_its_loss_in_the_winning_move():
    game = as_environment(make("tictactoe_v3"))
    game.reset(seed=0)
    for cell in (0, 3, 1, 4):
        game.act(cell)
        assert game.reward() == {"player_1": 0.0, "player_2": 0.0}
    game.act(2)
    assert game.reward() == {"player_1": 1.0, "player_2": -1.0}
    assert game.is_terminated() and not game.is_truncated()


def test_an_illegal_move_names_player_turn_and_action():
    game = as_environment(make("tictactoe_v3"))
    game.reset(seed=0)
    game.act(4)
    with pytest.raises(EnvContractError) as caught:
        game.act(4)
    assert str(caught.value) == (
        "tictactoe_v3, game 1, turn 2, player 'player_2': the action is 4, which is illegal; legal are "
        "[0, 1, 2, 3, 5, 6, 7, 8], as legal_action_mask() says"
    )
    game.act(0)  # the refused move has changed nothing
    assert game.step == 2


class Leaving(pettingzoo.AECEnv):
    """Agents a, b, c, ... take turns; agent number i is out after its (i + 1)-th move and pays the next one a coin."""

    metadata: ClassVar = {"name": "leaving"}

    def __init__(self, n=3, in_info=False):
        self.possible_agents = list("abcdefgh"[:n])
        self.in_info = in_info
        self.turn = 0

    def observation_space(self, agent):
        return spaces.Box(0, 100, (2,), np.float32)

    def action_space(self, agent):
        return spaces.Discrete(3 + self.possible_agents.index(agent), start=10)

    def reset(self, seed=None, options=None):
        self.agents = self.possible_agents[:]
        self.turn, self.moves = 0, dict.fromkeys(self.agents, 0)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos = {agent: self.info(agent) for agent in self.agents}
        self.agent_selection = self.agents[0]
        self.taken = []

    def info(self, agent):
        return {"action_mask": np.arange(3 + self.possible_agents.index(agent)) != 1} if self.in_info else {}

    def observe(self, agent):
        return np.array([self.turn, self.possible_agents.index(agent)], np.float32)

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self.taken.append((agent, action))
        self.turn += 1
        self.moves[agent] += 1
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        after = self.agents[(self.agents.index(agent) + 1) % len(self.agents)]
        self.rewards[agent], self.rewards[after] = -1.0, 1.0
        number = self.possible_agents.index(agent)
        if self.moves[agent] > number:
            (self.truncations if number == 1 else self.terminations)[agent] = True
        self.agent_selection = after
        self._accumulate_rewards()
        if self.terminations[agent] or self.truncations[agent]:
            self._deads_step_first()


def test_agents_who_are_out_are_passed_over_and_keep_what_they_saw():
    game = as_environment(Leaving())
    game.reset()
    seen = []
    while not game.is_over():
        player = game.current_player()
        seen.append((player, game.state().tolist(), game.active_players()))
        game.act(0)
    assert seen == [
        ("a", [0, 0], ("a", "b", "c")),
        ("b", [1, 1], ("b", "c")),
        ("c", [2, 2], ("b", "c")),
        ("b", [3, 1], ("b", "c")),
        ("c", [4, 2], ("c",)),
        ("c", [5, 2], ("c",)),
    ]
    assert [game.state(player).tolist() for player in "abc"] == [[1, 0], [4, 1], [6, 2]]
    assert [(game.is_terminated(player), game.is_truncated(player)) for player in "abc"] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert game.is_truncated() and not game.is_terminated()  # b's game was cut
    assert {action for _, action in game.source.taken} == {10}  # the space starts at 10


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("in_info", [False, True])
def test_leaving_agents_equal_the_bare_loop(n, in_info):
    game, random = as_environment(Leaving(n, in_info)), np.random.default_rng(0)
    bare = Leaving(n, in_info)
    bare.reset()
    game.reset()
    gained = dict.fromkeys(game.players(), 0.0)
    for agent in bare.agent_iter():
        observation, reward, terminated, truncated, info = bare.last()
        assert gained[agent] == reward
        assert (game.is_terminated(agent), game.is_truncated(agent)) == (terminated, truncated)
        np.testing.assert_array_equal(game.state(agent), observation)
        assert_mask(game.legal_action_mask(agent), info.get("action_mask"))
        if terminated or truncated:
            bare.step(None)
            continue
        action = drawn(info.get("action_mask"), game.action_space(agent).n, random)
        bare.step(action + 10)
        game.act(action)
        gained[agent] = 0.0
        for player in gained:
            gained[player] += game.reward(player)
    assert game.is_over()


class Hatching(pettingzoo.ParallelEnv):
    """Agents act at once; egg_1 hatches at step 2; an agent lives as many steps as its limit says, one is cut."""

    metadata: ClassVar = {"name": "hatching"}
    limits: ClassVar = {"first": 3, "second": 1, "egg_1": 4}

    def __init__(self, possible=("first", "second")):
        self.possible_agents = list(possible)

    def observation_space(self, agent):
        return spaces.Dict({"step": spaces.Discrete(50), "position": spaces.Box(-1, 1, (2,), np.float64)})

    def action_space(self, agent):
        return spaces.Box(-1.0, 1.0, (2,), np.float32) if agent == "egg_1" else spaces.Discrete(2)

    def observations(self, agents):
        return {agent: {"step": self.now, "position": self.position} for agent in agents}

    def reset(self, seed=None, options=None):
        self.now, self.age, self.agents = 0, {"first": 0, "second": 0}, ["first", "second"]
        self.position = np.zeros(2)
        return self.observations(self.agents), {agent: {} for agent in self.agents}

    def step(self, actions):
        assert actions.keys() == set(self.agents)
        self.now += 1
        self.position += 0.125  # the same array again and again
        if self.now == 2:
            self.agents.append("egg_1")
            self.age["egg_1"] = -1
        agents = self.agents
        for agent in agents:
            self.age[agent] += 1
        over = {agent: self.age[agent] >= self.limits[agent] for agent in agents}
        cut = {agent: over[agent] and agent == "first" for agent in agents}
        self.agents = [agent for agent in agents if not over[agent]]
        ends = {agent: over[agent] and not cut[agent] for agent in agents}
        rewards = {agent: float(self.now) for agent in agents}
        return self.observations(agents), rewards, ends, cut, {agent: {} for agent in agents}


@pytest.mark.parametrize("possible", [("first", "second"), ("first", "second", "egg_1")])
def test_agents_hatch_and_die_at_different_times(possible):
    game = as_environment(Hatching(possible))
    for _ in range(2):
        game.reset()
        active, steps = [], []
        while not game.is_over():
            active.append(game.active_players())
            actions = {player: np.zeros(2, np.float32) if player == "egg_1" else 1 for player in game.active_players()}
            game.act(actions)
            steps.append([game.reward().get(player, 0.0) for player in ("first", "second", "egg_1")])
        assert active == [("first", "second"), ("first",), ("first", "egg_1"), *[("egg_1",)] * 3]
        assert steps == [[1, 1, 0], [2, 0, 2], [3, 0, 3], [0, 0, 4], [0, 0, 5], [0, 0, 6]]
        assert game.players() == ("first", "second", "egg_1")
        assert [game.state(player)["step"] for player in game.players()] == [3, 1, 6]
        assert game.state("second")["position"].tolist() == [0.125, 0.125]
        assert [game.is_truncated(player) for player in game.players()] == [True, False, False]


def test_an_agent_who_has_not_joined_yet_observes_nothing():
    game = as_environment(Hatching(("first", "second", "egg_1")))
    game.reset()
    with pytest.raises(ConfigError, match="player 'egg_1' has not joined hatching yet, so it observes nothing"):
        game.state("egg_1")


def test_acting_for_an_agent_who_is_out():
    game = as_environment(Hatching())
    game.reset()
    game.act({"first": 0, "second": 0})
    with pytest.raises(
        EnvContractError,
        match=r"hatching, game 1, turn 2: the action of player 'second' is 0, but "
        r"'second' is out of the game; expected a dict with an action of each of \('first',\)",
    ):
        game.act({"first": 0, "second": 0})
    with pytest.raises(EnvContractError, match=r"no action of player 'first' came, only \{\}"):
        game.act({})
    with pytest.raises(EnvContractError, match="'third' is none of the players"):
        game.act({"first": 0, "third": 0})
    with pytest.raises(
        EnvContractError, match=r"turn 2, player 'first': the action is 7, expected an index from 0 to 1"
    ):
        game.act({"first": 7})
    with pytest.raises(EnvContractError, match="the action is 1; expected a dict"):
        game.act(1)


def test_an_answer_that_is_no_five_dicts():
    env = Hatching()
    env.step = lambda actions: ({}, {}, {}, {})
    game = as_environment(env)
    game.reset()
    with pytest.raises(EnvContractError, match=r"hatching: step answered .*, expected 5 dicts by agent"):
        game.act({"first": 0, "second": 0})


def test_an_env_without_possible_agents_is_asked_once():
    env = Hatching()
    del env.possible_agents
    assert as_environment(env).players() == ("first", "second")


def test_functions_in_between_are_applied_to_every_player():
    game = as_environment(
        make("tictactoe_v3"),
        state=lambda planes: planes.reshape(-1).astype(np.float32),
        reward=lambda reward: 10 * reward,
    )
    assert game.state_space("player_2") == spaces.Box(-np.inf, np.inf, (18,), np.float32)
    game.reset(seed=0)
    for cell in (0, 3, 1, 4, 2):
        game.act(cell)
    assert game.reward() == {"player_1": 10.0, "player_2": -10.0}
    assert game.state("player_1").sum() == 5


def test_games_are_played_one_at_a_time():
    with pytest.raises(ConfigError, match="num_envs is 2, expected None"):
        as_environment(make("rps_v2"), num_envs=2)
