"""One agent on all sides: an open transition and a lane for each player."""

import copy

import numpy as np
import pytest
from gymnasium import spaces
from toy_games import AtOnce, Scripted
from worlds import Still

from rlcore.approximators import TabularQApproximator
from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.experiment import Experiment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import Hook, MultiAgentHook, TotalRewardPerEpisode
from rlcore.learners import TDLearner
from rlcore.policies import Agent, MultiAgentPolicy, QBasedPolicy, RandomPolicy, SelfPlay
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps
from rlcore.struct import struct
from rlcore.trajectories import (
    CircularTraces,
    InsertSampleRatioController,
    LatestTransition,
    LatestTransitions,
    Trajectory,
    WholeSampler,
)


class Turn(Still):
    """Acts as the turn says, and knows the turn."""

    _extras = None

    def plan(self, env):
        turn = int(env.state()[1])
        self._extras = {"turn": np.int32(turn)}
        return turn % 3

    @property
    def extras(self):
        return self._extras


def memory():
    return Trajectory(CircularTraces(300), WholeSampler(), InsertSampleRatioController())


def played(policy, game, stop=None, hook=None, seed=0):
    stop = stop or StopAfterNEpisodes(1, show_progress=False)
    return Experiment(policy, game, stop, hook, seed=seed).run()


def lanes(agent):
    """What each lane holds: turn of the decision, action, reward, turn of the next state, terminated."""
    kept = agent.trajectory.container.whole()
    lanes = {}
    for i, state in enumerate(kept.state.astype(int)):
        assert state[2] == kept.next_state[i][2]
        assert kept.extras["turn"][i] == state[1]
        transition = (*state[:2], kept.action[i], kept.reward[i], kept.next_state[i][1], kept.terminated[i])
        lanes.setdefault("abc"[state[2]], []).append(tuple(map(int, transition)))
    return lanes


def test_every_player_has_its_own_open_transition_and_lane():
    agent = Agent(Turn(), memory())
    game = Scripted("abcaca", {4: "b"}, players="abc")
    played(SelfPlay(agent), game, StopAfterNEpisodes(2, show_progress=False))
    container = agent.trajectory.container
    assert container.lanes == 3
    assert container.filled.tolist() == [6, 2, 4]
    first = {
        "a": [(1, 0, 0, 1 + 2 + 3, 3, 0), (1, 3, 0, 4 + 5, 5, 0), (1, 5, 2, 6, 6, 1)],
        "b": [(1, 1, 1, 20 + 30 + 40, 4, 1)],
        "c": [(1, 2, 2, 300 + 400, 4, 0), (1, 4, 1, 500 + 600, 6, 1)],
    }
    assert lanes(agent) == {p: kept + [(2, *one[1:]) for one in kept] for p, kept in first.items()}
    assert agent.trajectory.controller.inserted == 12


def test_at_once_all_lanes_are_written_at_every_step():
    agent = Agent(Turn(), memory())
    played(SelfPlay(agent), AtOnce("xxx", {2: "b"}, players="abc"))
    assert agent.trajectory.container.filled.tolist() == [3, 2, 3]
    assert lanes(agent)["b"] == [(1, 0, 0, 10, 1, 0), (1, 1, 1, 20, 2, 1)]


def test_what_is_open_at_a_stop_is_dropped():
    agent = Agent(Turn(), memory())
    experiment = played(SelfPlay(agent), Scripted("abab"), StopAfterNSteps(2, show_progress=False))
    experiment.run()
    assert lanes(agent) == {"a": [(1, 0, 0, 3, 2, 0), (2, 0, 0, 3, 2, 0)]}


def test_what_a_stop_cuts_off_is_no_beginning_of_the_next_run():
    agent = Agent(Turn(), memory())
    experiment = played(SelfPlay(agent), Scripted("abababab"), StopAfterNSteps(5, show_progress=False))
    experiment.run()
    kept = agent.trajectory.container.whole()
    rows = zip(kept.state.astype(int).tolist(), kept.truncated.tolist(), strict=True)
    assert [(*state, cut) for state, cut in rows] == [
        *((1, 0, 0, False), (1, 2, 0, True), (2, 0, 0, False), (2, 2, 0, False)),
        *((1, 1, 1, False), (1, 3, 1, True), (2, 1, 1, False), (2, 3, 1, False)),
    ]


class Joined(Scripted):
    """Lists a player once it has joined, and says beforehand who may."""

    def possible_players(self):
        return self.everybody


def test_a_player_that_joins_has_a_lane_from_the_beginning():
    agent = Agent(Turn(), memory())
    game = Joined("abacbc", joins={2: "c"}, players="abc", is_growing=True)
    played(SelfPlay(agent), game, StopAfterNEpisodes(2, show_progress=False))
    assert agent.trajectory.container.filled.tolist() == [4, 4, 4]
    assert lanes(agent)["c"] == [
        (episode, turn, turn % 3, reward, after, ended)
        for episode in (1, 2)
        for turn, reward, after, ended in ((3, 900, 5, 0), (5, 600, 6, 1))
    ]
    game = Scripted("abc", joins={2: "c"}, players="abc", is_growing=True)
    with pytest.raises(EnvContractError, match=r"none for \['c'\]; a game that players join later must list them"):
        played(SelfPlay(Agent(Turn(), memory())), game)


def tabular(seed=1):
    learner = TDLearner(TabularQApproximator(32, 3), alpha=0.5, gamma=0.5)
    policy = QBasedPolicy(learner, EpsilonGreedyExplorer(0.3, seed=seed))
    return Agent(policy, Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController()))


def numbered(game):
    """The same game with turn and player in one number."""
    return as_environment(game, state=(lambda state: int(state[1] * 3 + state[2]), spaces.Discrete(32)))


def test_a_table_learns_what_two_tables_learn_apart():
    """The two players' states differ, so that one table has room for both; actions are random in both runs alike."""
    together = tabular()
    stop = StopAfterNEpisodes(40, show_progress=False)
    game = numbered(Scripted("abba" * 2))
    played(SelfPlay(together), game, stop)
    moves = [action for _, action in game.source.actions]

    def replayed(state, mask):
        return moves[replayed.calls.append(state) or len(replayed.calls) - 1]

    replayed.calls = []
    apart = {player: tabular() for player in "ab"}
    for agent in apart.values():
        agent.policy = Replaying(agent.policy, replayed)
    played(MultiAgentPolicy(apart), numbered(Scripted("abba" * 2)), stop)
    tables = [agent.policy.inner.learner.approximator.table for agent in apart.values()]
    assert together.policy.learner.approximator.table.any()
    assert np.array_equal(together.policy.learner.approximator.table, tables[0] + tables[1])


class Replaying(Still):
    """Acts as was acted before, and learns as the policy inside does."""

    def __init__(self, inner, replay):
        self.inner, self.replay = inner, replay

    def plan(self, env):
        return self.replay(env.state(), None)

    def learners(self, stage):
        return self.inner.learners(stage)


class Watching(Hook):
    """Which policy a player's hook is shown."""

    def post_act(self, policy, env):
        self.policy = policy


def test_players_hooks_are_shown_the_one_agent():
    agent = tabular()
    hook = MultiAgentHook({"a": Watching(), "b": TotalRewardPerEpisode(display_on_exit=False)})
    played(SelfPlay(agent), numbered(Scripted("abab")), hook=hook)
    assert hook["a"].policy is agent
    assert hook["b"].rewards == [90.0]


class Stages(Still):
    """Writes down which player it is asked to plan for, and every stage."""

    def __init__(self, tape):
        self.tape = tape

    def plan(self, env):
        self.tape.append(f"plan {env.player} {env.reward():g}")
        return 0

    def learners(self, stage):
        return [lambda stage, trajectory=None: self.tape.append(stage.value)]


def test_stages_of_episodes_come_once_and_learning_when_a_step_is_complete():
    tape = []
    played(SelfPlay(Agent(Stages(tape), memory())), Scripted("abab"))
    assert tape == [
        *("pre_experiment", "pre_episode"),
        *("pre_act", "plan a 0", "pre_act", "plan b 0", "post_act", "pre_act", "plan a 3", "post_act"),
        *("pre_act", "plan b 50", "post_act"),
        *("post_episode", "post_experiment"),
    ]


def test_a_random_policy_plays_all_sides_from_one_stream():
    game = Scripted("abab" * 5)
    played(SelfPlay(RandomPolicy(seed=5)), game)
    stream = RandomPolicy(seed=5).random
    assert [action for _, action in game.actions] == [stream.integers(3) for _ in range(20)]


def test_a_seed_repeats_a_run_and_a_second_run_goes_on():
    tables = []
    for seed in (1, 1, 2):
        agent = tabular(seed=None)
        played(SelfPlay(agent), numbered(Scripted("abab")), StopAfterNEpisodes(20, show_progress=False), seed=seed)
        tables.append(agent.policy.learner.approximator.table)
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


class Unlike(Scripted):
    """Players of different spaces."""

    def action_space(self, player=None):
        return spaces.Discrete(3 if player == "a" else 4)


def test_players_of_different_spaces_are_refused():
    message = r"action_space of player 'a' is Discrete\(3\), that of 'b' is Discrete\(4\); SelfPlay expects the same"
    with pytest.raises(ConfigError, match=message):
        played(SelfPlay(RandomPolicy()), Unlike("ab"))


class KeepsItself(Still):
    def post_act(self, env, action):
        pass


@struct
class OwnAgent(Agent):
    def post_act(self, env, action):
        pass


def test_what_would_mix_up_players_is_refused():
    for policy in (KeepsItself(), OwnAgent(Still(), memory())):
        with pytest.raises(ConfigError, match="keeps one step at a time in its own way, which mixes up the players"):
            SelfPlay(policy)
    for policy in (RandomPolicy, SelfPlay(RandomPolicy()), None):
        with pytest.raises(ConfigError, match="expected an Agent, or a policy of one player"):
            SelfPlay(policy)


def test_greedy_and_bare_states_are_those_of_the_policy():
    agent = tabular()
    agent.policy.learner.approximator.table[4] = [0, 1, 0]
    policy = SelfPlay(agent)
    assert policy.greedy()(4) == 1
    assert policy.of_player("b") is agent
    assert policy.handlers(Stage.PRE_ACT) == []


def test_a_window_of_pushes_would_hold_the_steps_of_all_players():
    def agent():
        return Agent(Turn(), Trajectory(LatestTransitions(2), WholeSampler(), InsertSampleRatioController()))

    with pytest.raises(ConfigError, match="the steps of a player who takes turns are not next to each other"):
        played(SelfPlay(agent()), Scripted("abab"))
    played(SelfPlay(agent()), AtOnce("xx"))


class Begins(Still):
    """Writes down what it sees when an episode begins."""

    def __init__(self):
        self.seen = []

    def pre_episode(self, env):
        self.seen.append((env.player, *env.state()[:2].astype(int).tolist()))

    def plan(self, env):
        return 0


def test_at_the_start_of_a_game_the_policy_sees_it_as_who_is_to_move():
    policy = Begins()
    stop = StopAfterNEpisodes(3, show_progress=False)
    played(SelfPlay(policy), Scripted("bab", joins={1: "a"}, players="ba", is_growing=True), stop)
    assert policy.seen == [("b", 1, 0), ("b", 2, 0), ("b", 3, 0)]


def test_what_has_played_can_be_copied():
    one = SelfPlay(RandomPolicy(seed=4))
    played(one, Scripted("abab"))
    played(copy.deepcopy(one), Scripted("abab"))
    env = as_environment(Scripted("abab"))
    env.reset()
    env.act(0)
    other = copy.deepcopy(env)
    other.act(1)
    assert (env.step, other.step, other.view("a").reward()) == (1, 2, 3.0)
    assert other.state("a").tolist() == [1, 2, 0]


class PlaysElsewhere(Hook):
    """Plays a game of its own with the policy, or has it checked, while another is under way."""

    def __init__(self, how):
        self.how, self.other = how, as_environment(Scripted("abab"))

    def post_act(self, policy, env):
        if env.step != 2 or env.is_over():
            return
        if self.how == "check":
            policy.check(env)
            return
        self.other.reset()
        while self.other.active_players():
            self.other.act(policy.plan(self.other))


@pytest.mark.parametrize("how", ["check", "plan"])
def test_a_hook_may_use_the_policy_elsewhere_and_costs_at_most_the_open_steps(how):
    agent = Agent(Turn(), memory())
    played(SelfPlay(agent), Scripted("abab"), hook=PlaysElsewhere(how))
    kept = sorted((turn, reward) for lane in lanes(agent).values() for _, turn, _, reward, *_ in lane)
    open_meanwhile = [(1, 20 + 30)]
    assert kept == sorted([(0, 1 + 2), (2, 3 + 4), (3, 40), *(open_meanwhile if how == "check" else [])])
