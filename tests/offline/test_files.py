"""Files of transitions: what is saved is loaded, to the last bit, and anything else is refused."""

import json
import os
import stat

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from rlcore.environments import as_environment
from rlcore.errors import CheckpointError, ConfigError
from rlcore.experiment import run
from rlcore.offline import load_traces, save_traces
from rlcore.offline.files import _checksum
from rlcore.policies import Agent, RandomPolicy
from rlcore.stop_conditions import StopAfterNSteps
from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory
from tests.offline.recorded import KINDS, Source, assert_same, filled


@given(
    kind=st.sampled_from(KINDS),
    lanes=st.sampled_from([None, 1, 3]),
    n=st.integers(1, 25),
    capacity=st.integers(3, 30),
    seed=st.integers(0, 2**16),
    has_masks=st.booleans(),
    has_extras=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_is_saved_is_loaded(tmp_path_factory, kind, lanes, n, capacity, seed, has_masks, has_extras):
    traces = filled(kind, lanes, n, capacity, seed, has_masks, has_extras)
    path = tmp_path_factory.mktemp("traces") / "data.safetensors"
    if not len(traces):
        with pytest.raises(ConfigError, match="holds no transition"):
            save_traces(path, traces, Source(kind))
        return
    assert save_traces(path, traces, Source(kind)) == path
    loaded = load_traces(path, Source(kind))
    assert loaded.lanes == lanes
    assert_same(traces.whole(), loaded.whole())


@pytest.mark.parametrize("shape", [4, (4,)])
def test_spaces_that_mean_the_same_are_the_same(tmp_path, shape):
    class Bits(Source):
        def state_space(self):
            return spaces.MultiBinary(shape)

        def state(self):
            return np.zeros(4, np.int8)

    traces = CircularTraces(1)
    traces.push(np.zeros(4, np.int8), 0, 1.0, np.ones(4, np.int8), True, False)
    assert len(load_traces(save_traces(tmp_path / "data", traces, Bits()), Bits())) == 1


@pytest.mark.parametrize("num_envs", [None, 3])
@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "CliffWalking-v1"])
def test_what_an_agent_remembers_is_saved(tmp_path, name, num_envs):
    memory = Trajectory(CircularTraces(60), BatchSampler(1), InsertSampleRatioController())
    env = as_environment(name, num_envs=num_envs)
    run(Agent(RandomPolicy(), memory), env, StopAfterNSteps(70, show_progress=False), seed=1)
    loaded = load_traces(save_traces(tmp_path / "data", memory, env), as_environment(name), capacity=90)
    assert_same(memory.container.whole(), loaded.whole())
    assert loaded.capacity == 90


def saved(tmp_path, **changes):
    """A file, with some of its metadata or tensors changed by hand."""
    path = save_traces(tmp_path / "data", filled("vector", None, 20, 100, 0, has_masks=True), Source())
    with safe_open(path, framework="np") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors |= changes.pop("tensors", {})
    if "header" in changes:  # by someone who knows how files are made
        changes["header"] = json.dumps(json.loads(metadata["header"]) | changes["header"])
        changes = {"checksum": _checksum(changes["header"], tensors)} | changes
    save_file(tensors, path, metadata | changes)
    return path


def test_the_file_is_what_the_page_says(tmp_path):
    traces = filled("vector", 3, 20, 60, 0)
    path = save_traces(tmp_path / "data", traces, Source())
    with safe_open(path, framework="np") as file:
        metadata, names = file.metadata(), set(file.keys())
        n_states, n_sequences = file.get_tensor("state").shape[0], len(file.get_tensor("length"))
    header = json.loads(metadata["header"])
    assert names == {"state", "action", "reward", "terminated", "truncated", "length", "lane"}
    assert n_states == len(traces) + n_sequences
    assert metadata["format"] == "rlcore.traces"
    assert metadata["version"] == "1"
    assert header["lanes"] == 3
    assert header["environment"] == "Source"
    assert header["action_space"] == {"discrete": 3}
    assert header["state_space"] == {"box": [3], "dtype": "float32", "low": "-inf", "high": "inf"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format": "pt"}, "holds no transitions: its format is 'pt'"),
        ({"version": "2"}, "has version 2, but this rlcore reads version 1; use the rlcore that wrote it, or a newer"),
        ({"tensors": {"reward": np.zeros(20, np.float32)}}, "is damaged"),
        ({"tensors": {"more": np.zeros(1)}}, "is damaged"),
        ({"checksum": ""}, "is damaged"),
        ({"header": {"environment": "Other"}, "checksum": "0"}, "is damaged"),
        ({"header": {"lanes": 0}}, "contradicts itself"),
        ({"header": {"lanes": "two"}}, "contradicts itself.*lanes is 'two', expected a whole number or null"),
        ({"header": {"lanes": True}}, "contradicts itself"),
        ({"header": {"lanes": 1.5}}, "contradicts itself"),
        ({"header": {"lanes": 10**9}}, "contradicts itself.*1000000000 lanes"),
        ({"header": {"state_space": {"box": [10**5, 10**5], "dtype": "float32", "low": 0, "high": 1}}}, "67,108,864"),
        ({"header": {"structure": {}}}, "contradicts itself"),
        ({"header": {"action_space": {"discrete": 2}}}, r"contradicts itself: the actions are .* not all in Discrete"),
        ({"header": {"state_space": {"discrete": 2}}}, "contradicts itself: the states are float32"),
        ({"header": {"state_space": {"graph": 2}}}, "its state_space can't be read"),
        ({"header": {"state_space": None}}, "its state_space can't be read"),
    ],
    ids=str,
)
def test_a_file_that_was_changed_is_refused(tmp_path, changes, expected):
    with pytest.raises(CheckpointError, match=expected):
        load_traces(saved(tmp_path, **changes))


def swap(structure, one, other):
    return structure | {one: structure[other], other: structure[one]}


@pytest.mark.parametrize(("one", "other"), [("length", "reward"), ("state", "action"), ("mask", "state")])
def test_arrays_in_each_others_place_are_refused(tmp_path, one, other):
    path = saved(tmp_path)
    with safe_open(path, framework="np") as file:
        structure = json.loads(file.metadata()["header"])["structure"]
    with pytest.raises(CheckpointError, match="contradicts itself"):
        load_traces(saved(tmp_path, header={"structure": swap(structure, one, other)}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("reward", lambda column: column.astype(np.int32)),
        ("reward", lambda column: np.stack([column, column], axis=1)),
        ("terminated", lambda column: column.astype(np.int8)),
        ("truncated", lambda column: column[:, None]),
        ("length", lambda column: column.astype(np.float32)),
        ("length", lambda column: column[:, None]),
        ("lane", lambda column: column.astype(np.float32)),
        ("mask", lambda column: column.astype(np.int8)),
    ],
)
def test_columns_of_another_kind_are_refused(tmp_path, name, change):
    with safe_open(saved(tmp_path), framework="np") as file:
        tensors = {name: change(file.get_tensor(name))}
    with pytest.raises(CheckpointError, match="contradicts itself"):
        load_traces(saved(tmp_path, tensors=tensors, header={}))


@pytest.mark.parametrize(("part", "place"), [("extras", "reward"), ("mask", {"dict": {"a": "mask"}})])
def test_parts_of_another_form_are_refused(tmp_path, part, place):
    with safe_open(saved(tmp_path), framework="np") as file:
        structure = json.loads(file.metadata()["header"])["structure"]
    with pytest.raises(CheckpointError, match=r"contradicts itself.*mask is no array, or extras no dict"):
        load_traces(saved(tmp_path, header={"structure": structure | {part: place}}))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused(tmp_path, share):
    path = saved(tmp_path)
    content = path.read_bytes()
    cut = int(share * len(content))
    path.write_bytes(content[:cut])
    with pytest.raises(CheckpointError, match=rf"data can't be read: .* \(it has {cut:,} bytes") as caught:
        load_traces(path)
    if cut > 8:
        n_header = int.from_bytes(content[:8], "little")
        expected = f"{len(content):,}" if cut >= 8 + n_header else f"more than {8 + n_header:,}"
        assert f"and should have {expected})" in str(caught.value)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_gets_through(tmp_path_factory, data):
    path = saved(tmp_path_factory.mktemp("traces"))
    original, content = load_traces(path), bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        loaded = load_traces(path)
    except CheckpointError:
        return
    assert_same(original.whole(), loaded.whole())  # a bit that nobody reads


def test_no_flipped_bit_of_the_header_gets_through(tmp_path):
    """Such as one in a bound of a space, which contradicts nothing."""
    path = saved(tmp_path)
    content = path.read_bytes()
    start, end = content.index(b'"header":"') + 10, content.index(b'","', content.index(b'"header":"'))
    for at in range(start, end, 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CheckpointError):
            load_traces(path)


@pytest.mark.parametrize("depth", [50, 200, 300, 400, 480, 1_000, 100_000])
@pytest.mark.parametrize("part", ["action_space", "structure"])
def test_a_header_that_is_nested_deep_is_refused(tmp_path, part, depth):
    path = saved(tmp_path)
    with safe_open(path, framework="np") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    nest = '{"tuple": [' * depth + '{"discrete": 3}' + "]}" * depth
    text = json.dumps(json.loads(metadata["header"]) | {part: "NEST"})
    text = text.replace('"NEST"', nest if part == "action_space" else f'{{"state": {nest}}}')
    save_file(tensors, path, metadata | {"header": text, "checksum": _checksum(text, tensors)})
    with pytest.raises(CheckpointError):
        load_traces(path)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(CheckpointError, match="can't be read"):
            load_traces(path)
    (tmp_path / "text").write_text("state,action\n")
    with pytest.raises(CheckpointError, match="can't be read"):
        load_traces(str(tmp_path / "text"))


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (Source("image"), r"collected in Source with state_space Box.* but that of Source is Box"),
        (Source(n_actions=4), r"with action_space Discrete\(3\), but that of Source is Discrete\(4\)"),
        ("CartPole-v1", r"with state_space .* of CartPole-v1 is .*, and with action_space Discrete\(3\), but that of"),
    ],
)
def test_another_environment_is_refused(tmp_path, env, expected):
    with pytest.raises(ConfigError, match=expected):
        load_traces(saved(tmp_path), env)


def test_transitions_of_another_environment_are_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="not those of Source: the states are float32"):
        save_traces(tmp_path / "data", filled("vector", None, 5, 10, 0), Source("tree"))
    with pytest.raises(ConfigError, match=r"not those of Source: the actions are whole numbers .* Discrete\(2\)"):
        save_traces(tmp_path / "data", filled("vector", None, 5, 10, 0), Source(n_actions=2))
    with pytest.raises(ConfigError, match="expected a Trajectory or a Container"):
        save_traces(tmp_path / "data", [1, 2], Source())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"), [("reward", "a reward is not finite"), ("state", "numbers that are not finite")]
)
def test_numbers_that_are_not_finite_are_refused(tmp_path, name, expected):
    path = saved(tmp_path)
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors[name].flat[3] = np.nan
    with pytest.raises(CheckpointError, match=expected):
        load_traces(saved(tmp_path, tensors=tensors, header={}))


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    path = saved(tmp_path)
    before = path.read_bytes()

    def crash(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(CheckpointError, match="could not be written: no space left"):
        save_traces(path, filled("vector", None, 5, 10, 1), Source())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="could not be written"):
        save_traces(tmp_path / "none" / "data", filled("vector", None, 5, 10, 1), Source())


def test_the_file_is_written_anew_and_open_to_others(tmp_path):
    path = saved(tmp_path)
    traces = filled("vector", None, 5, 10, 1)
    save_traces(path, traces, Source())
    assert_same(load_traces(path).whole(), traces.whole())
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_wrong_arguments_are_refused(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(ConfigError, match="capacity is 19"):
        load_traces(path, capacity=19)
    with pytest.raises(ConfigError, match="capacity is 0"):
        load_traces(path, capacity=0)
