"""What each player of a game keeps and learns from, in turns, at once, with players that leave or join."""

import numpy as np
import pytest
from gymnasium import spaces
from toy_games import AtOnce, Scripted
from worlds import Corridor, Still, TapeHook, TapePolicy

from rlcore.approximators import TabularQApproximator
from rlcore.environments import as_environment
from rlcore.errors import ConfigError, EnvContractError
from rlcore.experiment import Experiment
from rlcore.explorers import EpsilonGreedyExplorer
from rlcore.hooks import DoEveryNSteps, Hook, MultiAgentHook, StepsPerEpisode, TotalRewardPerEpisode
from rlcore.interfaces import Environment, Policy
from rlcore.learners import TDLearner
from rlcore.policies import Agent, FunctionPolicy, MultiAgentPolicy, QBasedPolicy, RandomPolicy, SelfPlay
from rlcore.reset_conditions import ResetAfterNSteps
from rlcore.stages import Stage
from rlcore.stop_conditions import StopAfterNEpisodes, StopAfterNSteps
from rlcore.trajectories import CircularTraces, InsertSampleRatioController, LatestTransition, Trajectory, WholeSampler


class Keeping(Policy):
    """Acts as the turn number modulo 3 says, and writes down every transition as an agent would keep it."""

    def __init__(self):
        self.kept = []

    def plan(self, env):
        self.state = env.state()
        return int(self.state[1]) % 3

    def post_act(self, env, action):
        assert env.last_action() == action
        episode, turn, who = map(int, self.state)
        then, later, whose = map(int, env.next_state())
        assert (episode, who) == (then, whose)
        ends = ("T" if env.is_terminated() else "") + ("t" if env.is_truncated() else "")
        self.kept.append((turn, action, env.reward(), later, ends))


def played(game, stop=None, reset=None, policies=None, hook=None):
    policies = policies or {player: Keeping() for player in game.everybody}
    stop = stop or StopAfterNEpisodes(1, show_progress=False)
    return Experiment(MultiAgentPolicy(policies), game, stop, hook, reset, seed=0).run()


def kept(experiment):
    return {player: policy.kept for player, policy in experiment.policy.policies.items()}


def test_a_transition_lasts_from_a_decision_to_the_next_and_the_loser_learns_of_the_end():
    """Turn t pays t to a and 10 t to b, whoever moves."""
    assert kept(played(Scripted("abab"))) == {
        "a": [(0, 0, 1 + 2, 2, ""), (2, 2, 3 + 4, 4, "T")],
        "b": [(1, 1, 20 + 30, 3, ""), (3, 0, 40, 4, "T")],  # the 10 before its first decision belongs to nothing
    }


def test_a_player_that_moves_twice_in_a_row_decides_anew_at_once():
    assert kept(played(Scripted("aabba"))) == {
        "a": [(0, 0, 1, 1, ""), (1, 1, 2 + 3 + 4, 4, ""), (4, 1, 5, 5, "T")],
        "b": [(2, 2, 30, 3, ""), (3, 0, 40 + 50, 5, "T")],
    }


def test_a_player_that_is_eliminated_learns_of_its_end_at_once_and_never_again():
    experiment = played(Scripted("abcaca", {4: "b"}, players="abc"))
    assert kept(experiment) == {
        "a": [(0, 0, 1 + 2 + 3, 3, ""), (3, 0, 4 + 5, 5, ""), (5, 2, 6, 6, "T")],
        "b": [(1, 1, 20 + 30 + 40, 4, "T")],
        "c": [(2, 2, 300 + 400, 4, ""), (4, 1, 500 + 600, 6, "T")],
    }


def test_a_player_that_eliminates_itself_and_one_that_never_moves():
    experiment = played(Scripted("abaa", {2: "b", 3: "c"}, players="abc"))
    assert kept(experiment) == {
        "a": [(0, 0, 1 + 2, 2, ""), (2, 2, 3, 3, ""), (3, 0, 4, 4, "T")],
        "b": [(1, 1, 20, 2, "T")],
        "c": [],
    }


@pytest.mark.parametrize("is_growing", [False, True])
def test_a_player_may_join_later(is_growing):
    class Joined(Scripted):
        def possible_players(self):
            return self.everybody

    game = Joined("abacb", joins={2: "c"}, players="abc", is_growing=is_growing)
    experiment = played(game, StopAfterNEpisodes(2, show_progress=False))
    assert kept(experiment) == {
        "a": [(0, 0, 1 + 2, 2, ""), (2, 2, 3 + 4 + 5, 5, "T")] * 2,
        "b": [(1, 1, 20 + 30 + 40, 4, ""), (4, 1, 50, 5, "T")] * 2,
        "c": [(3, 0, 400 + 500, 5, "T")] * 2,
    }


def test_a_player_without_policy_that_joins_is_named():
    game = Scripted("abc", joins={2: "c"}, players="abc", is_growing=True)
    with pytest.raises(EnvContractError, match="player 'c' is to move, but there are policies only for 'a', 'b'"):
        played(game, policies={"a": Keeping(), "b": Keeping()})


def test_at_once_every_step_is_everybodys():
    assert kept(played(AtOnce("xxx", {2: "b"}, players="abc"))) == {
        "a": [(0, 0, 1, 1, ""), (1, 1, 2, 2, ""), (2, 2, 3, 3, "T")],
        "b": [(0, 0, 10, 1, ""), (1, 1, 20, 2, "T")],
        "c": [(0, 0, 100, 1, ""), (1, 1, 200, 2, ""), (2, 2, 300, 3, "T")],
    }


def test_truncation_is_everybodys_own():
    experiment = played(Scripted("aba", truncates=True))
    assert kept(experiment) == {"a": [(0, 0, 3.0, 2, ""), (2, 2, 3.0, 3, "t")], "b": [(1, 1, 50.0, 3, "t")]}


@pytest.mark.parametrize("kind", [Scripted, AtOnce])
def test_a_reset_condition_cuts_the_game_of_all(kind):
    experiment = played(kind("abab"), StopAfterNSteps(6, show_progress=False), ResetAfterNSteps(3))
    if kind is Scripted:
        expected = {"a": [(0, 0, 3.0, 2, ""), (2, 2, 3.0, 3, "t")], "b": [(1, 1, 50.0, 3, "t")]}
    else:
        expected = {
            p: [(0, 0, n, 1, ""), (1, 1, 2 * n, 2, ""), (2, 2, 3 * n, 3, "t")] for p, n in (("a", 1), ("b", 10))
        }
    assert kept(experiment) == {player: steps * 2 for player, steps in expected.items()}


def test_what_is_open_at_a_stop_is_dropped_also_for_the_next_run():
    game = Scripted("abab")
    experiment = played(game, StopAfterNSteps(2, show_progress=False))
    assert kept(experiment) == {"a": [(0, 0, 3.0, 2, "")], "b": []}  # b has decided at turn 1
    experiment.run()
    assert kept(experiment) == {"a": [(0, 0, 3.0, 2, "")] * 2, "b": []}


def test_a_second_run_is_clean_for_hooks():
    hook = MultiAgentHook({"a": TotalRewardPerEpisode(display_on_exit=False), "b": StepsPerEpisode()})
    experiment = played(Scripted("abab"), StopAfterNEpisodes(2, show_progress=False), hook=hook)
    assert hook.result() == {"a": [10.0, 10.0], "b": [2, 2]}
    experiment.run()
    assert hook.result() == {"a": [10.0, 10.0], "b": [2, 2]}
    assert hook["a"].rewards == [10.0, 10.0]


def test_plain_hooks_and_conditions_see_every_move_once():
    steps, seen = StepsPerEpisode(), []
    hook = steps + DoEveryNSteps(lambda t, policy, env: seen.append((t, env.last_action())))
    played(Scripted("abab"), StopAfterNSteps(6, show_progress=False), hook=hook)
    assert steps.steps == [4]
    assert seen == [(1, 0), (2, 1), (3, 2), (4, 0), (5, 0), (6, 1)]
    played(AtOnce("xx"), StopAfterNSteps(2, show_progress=False), hook=hook)
    assert steps.steps == [2]
    assert seen[-1] == (2, {"a": 1, "b": 1})


class Tape(list):
    """A player's entries in the tape of all."""

    def __init__(self, player, tape):
        self.player, self.tape = player, tape

    def append(self, entry):
        self.tape.append(f"{self.player} {entry}")


def tape_of(game, move):
    """What happens at the `move`-th move, from its PRE_ACT to its POST_ACT."""
    tape = []
    policies = {player: TapePolicy(Tape(player, tape)) for player in "ab"}
    hooks = MultiAgentHook({player: TapeHook(Tape(player, tape)) for player in "ab"})
    mark = DoEveryNSteps(lambda t, policy, env: tape.append(t))
    played(game, policies=policies, hook=hooks + mark)
    starts = [tape.index("b hook pre_episode"), *(tape.index(t) for t in range(1, 5) if t in tape)]
    return tape, tape[starts[move - 1] + 1 : starts[move]]


def test_the_stages_of_turns():
    tape, first = tape_of(Scripted("abab"), 1)
    assert first == ["a keep pre_act", "a learn pre_act", "a hook pre_act", "a plan"]
    assert tape_of(Scripted("abab"), 2)[1] == [
        *("b keep pre_act", "b learn pre_act", "b hook pre_act", "b plan"),
        *("a keep post_act", "a learn post_act", "a hook post_act"),
    ]
    assert tape_of(Scripted("abab"), 4)[1] == [
        *("b keep pre_act", "b learn pre_act", "b hook pre_act", "b plan"),
        *("a keep post_act", "b keep post_act", "a learn post_act", "b learn post_act"),
        *("a hook post_act", "b hook post_act"),
    ]
    whole = [f"{player} {who} {{}}" for who in ("keep", "learn", "hook") for player in "ab"]
    assert tape[:12] == [entry.format(stage) for stage in ("pre_experiment", "pre_episode") for entry in whole]
    assert tape[-12:] == [entry.format(stage) for stage in ("post_episode", "post_experiment") for entry in whole]


def test_the_stages_of_acting_at_once():
    assert tape_of(AtOnce("xx"), 2)[1] == [
        *("a keep pre_act", "b keep pre_act", "a learn pre_act", "b learn pre_act"),
        *("a hook pre_act", "b hook pre_act", "a plan", "b plan"),
        *("a keep post_act", "b keep post_act", "a learn post_act", "b learn post_act"),
        *("a hook post_act", "b hook post_act"),
    ]


class Single(Environment):
    """Player a's part of `Scripted("abab")` as an environment for one."""

    def reset(self, seed=None):
        self.step = 0

    def act(self, action):
        self.step += 1

    def state(self):
        return np.array([1, 2 * self.step, 0], np.float32)

    def reward(self):
        return [0.0, 3.0, 7.0][self.step]

    def is_terminated(self):
        return self.step == 2

    def action_space(self):
        return as_environment(Scripted("ab")).action_space("a")

    def state_space(self):
        return as_environment(Scripted("ab")).state_space("a")


def test_a_player_sees_the_stages_of_the_loop_for_one():
    alone, together = [], []
    Experiment(TapePolicy(alone), Single(), StopAfterNEpisodes(1, show_progress=False), TapeHook(alone), seed=0).run()
    policies = {"a": TapePolicy(together), "b": Still()}
    played(Scripted("abab"), policies=policies, hook=MultiAgentHook({"a": TapeHook(together)}))
    assert together == alone


class States(Hook):
    """What a player's hook is shown at POST_ACT."""

    def pre_experiment(self, policy, env):
        self.seen = []

    def post_act(self, policy, env):
        self.seen.append((policy, env.reward(), env.is_over(), list(env.state())))


def test_a_players_hook_is_shown_the_players_policy_and_view():
    hook = MultiAgentHook({"b": States()})
    experiment = played(Scripted("abab"), hook=hook)
    mine = experiment.policy["b"]
    assert hook["b"].seen == [(mine, 50.0, False, [1, 3, 1]), (mine, 40.0, True, [1, 4, 1])]


def table(seed=None):
    learner = TDLearner(TabularQApproximator(8, 3), alpha=0.5, gamma=0.5)
    explorer = EpsilonGreedyExplorer(0.5, seed=seed)
    return Agent(
        QBasedPolicy(learner, explorer), Trajectory(LatestTransition(), WholeSampler(), InsertSampleRatioController())
    )


def numbered(game):
    """The same game with the turn as its state."""
    return as_environment(game, state=(lambda state: int(state[1]), spaces.Discrete(8)))


def test_agents_functions_and_random_policies_play_side_by_side():
    policies = {"a": table(), "b": lambda state, mask: 2, "c": RandomPolicy()}
    game = numbered(Scripted("abcabc", players="abc"))
    Experiment(MultiAgentPolicy(policies), game, StopAfterNEpisodes(50, show_progress=False), seed=3).run()
    actions = [action for player, action in game.source.actions if player == "b"]
    assert actions == [2] * 100
    learnt = policies["a"].policy.learner.approximator.table
    # the end pays 4 + 5 + 6, the first step 1 + 2 + 3 and half of what the best second action is worth
    assert learnt[3].max() == pytest.approx(15.0, rel=1e-3)
    assert learnt[0].max() == pytest.approx(6 + 0.5 * 15, rel=1e-3)
    assert not learnt[[1, 2, 4, 5, 6, 7]].any()


def actions_of(policies, seed):
    game = Scripted("abab" * 5)
    Experiment(MultiAgentPolicy(policies), game, StopAfterNEpisodes(3, show_progress=False), seed=seed).run()
    return game.actions


def test_streams_are_named_by_player():
    first = actions_of({"a": RandomPolicy(), "b": RandomPolicy()}, 1)
    assert actions_of({"b": RandomPolicy(), "a": RandomPolicy()}, 1) == first
    assert actions_of({"a": RandomPolicy(), "b": RandomPolicy()}, 2) != first
    assert [a for p, a in first if p == "a"] != [a for p, a in first if p == "b"]


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"a": Still()}, "no policy for 'b'; the players of Scripted are 'a', 'b'"),
        ({"a": Still(), "b": Still(), "d": Still(), "c": Still()}, "policies for 'c', 'd', which are no players"),
        ({"b": Still(), "x": Still()}, "no policy for 'a' and policies for 'x', which are no players"),
    ],
)
def test_players_and_policies_must_match(policies, message):
    with pytest.raises(ConfigError, match=message):
        played(Scripted("ab"), policies=policies)


def test_a_policy_that_can_not_play_its_player_is_named():
    policy = QBasedPolicy(TDLearner(TabularQApproximator(4, 3)), EpsilonGreedyExplorer(0.1))
    game = as_environment(Scripted("ab"), state=(lambda state: int(state[1]), spaces.Discrete(8)))
    with pytest.raises(ConfigError, match="the policy of player 'b' can't play: states go from 0 to 7, but the table"):
        Experiment(MultiAgentPolicy({"a": Still(), "b": policy}), game, StopAfterNSteps(1))


def test_what_can_be_no_policy_is_refused():
    agent = table()
    cases = [
        ({"a": agent, "b": agent}, r"players 'a' and 'b' have the same Agent.*SelfPlay\(agent\)"),
        ({}, r"policies is \{\}, expected a dict"),
        ({"a": RandomPolicy}, r"player 'a' is the class RandomPolicy.*pass an instance: RandomPolicy\(\.\.\.\)"),
        ({"a": 3}, "player 'a' is 3, expected a policy"),
        ({"a": lambda state: 0}, "can't be called"),
        ({"a": SelfPlay(RandomPolicy())}, "it plays whole games"),
        ({"a": TDLearner(TabularQApproximator(2, 2))}, r"wrap it: QBasedPolicy\(learner, explorer\)"),
    ]
    for policies, message in cases:
        with pytest.raises(ConfigError, match=message):
            MultiAgentPolicy(policies)


def test_games_and_single_environments_take_their_own_kinds_of_policy():
    stop = StopAfterNEpisodes(1, show_progress=False)
    with pytest.raises(ConfigError, match=r"Scripted has the players 'a', 'b', but RandomPolicy is a policy of one"):
        Experiment(RandomPolicy(), Scripted("ab"), stop)
    with pytest.raises(ConfigError, match=r"Corridor has no players, so it takes a single policy"):
        Experiment(MultiAgentPolicy({"a": Still()}), Corridor(), stop)
    with pytest.raises(ConfigError, match="no players"):
        Experiment(SelfPlay(RandomPolicy()), Corridor(), stop)


def test_a_game_runs_step_by_step_and_says_why():
    experiment = played(Scripted("ab"))
    assert experiment.engine.startswith("eager: Scripted is a game of several players")
    with pytest.raises(ConfigError, match="is a game of several players"):
        experiment.run("compiled")


def test_a_policy_of_one_player_is_asked_for_by_name():
    policy = MultiAgentPolicy({"a": Still(), "b": Still()})
    assert policy["a"] is policy.policies["a"]
    with pytest.raises(ConfigError, match="there is no policy for player 'c', only for 'a', 'b'"):
        policy["c"]
    with pytest.raises(ConfigError, match=r"policy\[player\]\(state\)"):
        policy([1, 2])
    assert policy.metrics == {"a": {}, "b": {}}


class Probable(Still):
    """Knows its probabilities."""

    def prob(self, env):
        return np.eye(3)[int(env.state()[2])]


def test_probabilities_are_those_of_who_moves():
    policy = MultiAgentPolicy({"a": Probable(), "b": Probable()})
    env = as_environment(Scripted("ba"))
    env.reset()
    assert policy.prob(env).tolist() == [0, 1, 0]
    env = as_environment(AtOnce("x"))
    env.reset()
    assert {player: prob.tolist() for player, prob in policy.prob(env).items()} == {"a": [1, 0, 0], "b": [0, 1, 0]}


@pytest.mark.parametrize("policy", [MultiAgentPolicy({"a": Probable(), "b": Probable()}), SelfPlay(Probable())])
def test_nobody_is_to_move_before_the_reset(policy):
    for game in (Scripted("ab"), AtOnce("x")):
        with pytest.raises(EnvContractError, match="nobody is to move; call reset first"):
            policy.prob(as_environment(game))
    with pytest.raises(EnvContractError, match="nobody is to move; call reset first"):
        MultiAgentPolicy({"a": Probable(), "b": Probable()}).plan(as_environment(Scripted("ab")))


def test_a_player_may_get_another_policy_between_runs():
    game = as_environment(Scripted("ab"))
    policy = MultiAgentPolicy({"a": lambda state, mask: 0, "b": lambda state, mask: 1})
    experiment = Experiment(policy, game, StopAfterNEpisodes(1, show_progress=False), seed=0).run()
    policy.policies["b"] = FunctionPolicy(lambda state, mask: 2)
    experiment.run()
    assert game.game.actions == [("a", 0), ("b", 1), ("a", 0), ("b", 2)]


def test_pushing_a_stage_by_hand_reaches_the_players():
    tape = []
    policy = MultiAgentPolicy({player: TapePolicy(Tape(player, tape)) for player in "ab"})
    env = as_environment(Scripted("ab"))
    env.reset()
    policy.push(Stage.PRE_EPISODE, env)
    action = policy.plan(env)
    env.act(action)
    policy.push(Stage.POST_ACT, env, action)
    assert tape == ["a keep pre_episode", "b keep pre_episode", "a plan"]  # a's step is not over


def test_an_agent_keeps_what_its_player_saw():
    agents = {}
    for player in "ab":
        policy = Still()
        trajectory = Trajectory(CircularTraces(100), WholeSampler(), InsertSampleRatioController())
        agents[player] = Agent(policy, trajectory)
    played(Scripted("abab"), StopAfterNEpisodes(2, show_progress=False), policies=agents)
    batch = agents["b"].trajectory.container.whole()
    assert batch.state.tolist() == [[1, 1, 1], [1, 3, 1], [2, 1, 1], [2, 3, 1]]
    assert batch.next_state.tolist() == [[1, 3, 1], [1, 4, 1], [2, 3, 1], [2, 4, 1]]
    assert batch.reward.tolist() == [50, 40] * 2
    assert batch.terminated.tolist() == [False, True] * 2


def test_by_hand_a_policy_sees_each_game_of_players_who_come_anew():
    """Whoever is listed once it has joined sits on a new seat in the next game."""
    env, seen = as_environment(Scripted("abab", joins={1: "b"}, is_growing=True)), []

    def look(state, mask):
        seen.append(tuple(state[:2].astype(int).tolist()))
        return 0

    policy = MultiAgentPolicy({"a": look, "b": lambda state, mask: look(state, mask)})
    for _ in range(3):
        env.reset()
        while env.active_players():
            env.act(policy.plan(env))
    assert seen == [(game, turn) for game in (1, 2, 3) for turn in range(4)]


def test_a_game_without_its_adapter_is_played_by_hand():
    game = Scripted("ab")
    game.deciding = "a name of its own"
    game.reset()
    policy = MultiAgentPolicy({"a": lambda state, mask: 1, "b": lambda state, mask: 2})
    game.act(policy.plan(game))
    game.act(policy.plan(game))
    assert game.actions == [("a", 1), ("b", 2)]
