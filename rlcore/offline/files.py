"""Transitions on disk: one safetensors file, whose header says in JSON what the arrays are."""

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rlcore.arguments import named
from rlcore.environments import as_environment
from rlcore.errors import CheckpointError, ConfigError, shorten
from rlcore.offline.sequences import Sequences, misfit_of, sequences_of, traces_of
from rlcore.offline.space_records import space_from, space_record
from rlcore.trajectories import CircularTraces, Container, Trajectory

FORMAT = "rlcore.traces"
VERSION = 1
_LONGEST_HEADER = 100_000_000  # the library writes no longer one
_MOST_LANES = 1 << 20  # a file may come from anywhere, and be small for all it declares


def save_traces(path: str | Path, traces: Container | Trajectory, env: Any) -> Path:
    """Writes the transitions of a container, or of a trajectory, to a file.

    The file holds what was stored and nothing of how: every state once, actions, rewards, both kinds of ends, masks and
    extras, in the types that the container keeps, and the spaces of the environment. It is written beside `path` first
    and takes its place only when it is complete, so that a crash leaves the old file as it was.

    Args:
        path: Where; a file that is there is replaced.
        traces: Such as `agent.trajectory`.
        env: Where the transitions come from: whatever `as_environment` takes, or `experiment.env`.

    Returns:
        The path.

    Raises:
        ConfigError: Nothing is stored, the transitions are not those of `env`, or a type that such files don't have.
        CheckpointError: The file can't be written.
    """
    container = traces.container if isinstance(traces, Trajectory) else traces
    if not isinstance(container, Container):
        raise ConfigError(f"traces is {named(traces)}, expected a Trajectory or a Container such as CircularTraces")
    env, sequences = as_environment(env), sequences_of(container)
    spaces = {"state_space": env.state_space(), "action_space": env.action_space()}
    if why := misfit_of(sequences, **spaces):
        raise ConfigError(f"the transitions are not those of {env.name}: {why}; pass the environment they come from")
    tensors, structure = _tensors_of(sequences._asdict() | {"lanes": None})
    header = {
        "lanes": sequences.lanes,
        "structure": structure,
        "environment": env.name,
        **{name: space_record(space) for name, space in spaces.items()},
    }
    text = json.dumps(header, allow_nan=False)
    metadata = {"format": FORMAT, "version": str(VERSION), "header": text, "checksum": _checksum(text, tensors)}
    _replace(Path(path), tensors, metadata)
    return Path(path)


def load_traces(path: str | Path, env: Any = None, capacity: int | None = None, n_frames: int = 1) -> CircularTraces:
    """Reads the transitions of a file into a container, with the lanes that they came from.

    Args:
        path: A file that `save_traces` has written.
        env: Where they will be used: whatever `as_environment` takes; `None`: not compared.
        capacity: How many transitions the container can hold; `None`: just these.
        n_frames: How many frames a state is a stack of, each of which is then kept once; see `CircularTraces`.

    Raises:
        CheckpointError: There is no such file, it is not one of these, was written by a newer version, is damaged, or
            its parts contradict each other.
        ConfigError: The spaces of `env` are not those of the file, `capacity` is too small, or the states are no stacks
            of `n_frames`.
    """
    tensors, header = _read(Path(path))
    sequences = _sequences_from(Path(path), tensors, header)
    spaces = {name: _space(Path(path), header, name) for name in ("state_space", "action_space")}
    if why := misfit_of(sequences, **spaces):
        raise CheckpointError(f"{path} contradicts itself: {why}; write it anew")
    if env is not None:
        env = as_environment(env)
        own = {name: getattr(env, name)() for name in spaces}
        unlike = [
            f"{name} {space}, but that of {env.name} is {own[name]}"
            for name, space in spaces.items()
            if space_from(space_record(own[name])) != space
        ]
        if unlike:
            raise ConfigError(
                f"{path} was collected in {header.get('environment')} with {', and with '.join(unlike)}; pass the "
                "environment that it was collected in, converted in the same way"
            )
    return traces_of(sequences, capacity, n_frames)


def _tensors_of(tree: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays in a tree by their names, and which names stand where."""
    tensors: dict[str, np.ndarray] = {}

    def visit(name: str, part: Any) -> Any:
        if part is None:
            return None
        if isinstance(part, dict):
            return {"dict": {key: visit(f"{name}/{quote(key, safe='')}", one) for key, one in part.items()}}
        if isinstance(part, tuple):
            return {"tuple": [visit(f"{name}/{i}", one) for i, one in enumerate(part)]}
        tensors[name] = np.ascontiguousarray(part)
        return name

    return tensors, {name: visit(name, part) for name, part in tree.items()}


def _tree_of(tensors: dict[str, np.ndarray], structure: Any) -> Any:
    if structure is None or isinstance(structure, str):
        return None if structure is None else tensors[structure]
    if "dict" in structure:
        return {key: _tree_of(tensors, part) for key, part in structure["dict"].items()}
    return tuple(_tree_of(tensors, part) for part in structure["tuple"])


def _replace(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Puts a complete file in the place of `path`, or leaves everything as it was."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        beside.touch()
        mode = beside.stat().st_mode
        save_file(tensors, beside, metadata)
        beside.chmod(mode)  # as any new file: the library lets nobody else read it
        _flush(beside)
        os.replace(beside, path)
        _flush(path.parent)
    except SafetensorError as error:
        kinds = sorted({str(tensor.dtype) for tensor in tensors.values()})
        raise CheckpointError(f"{path} could not be written ({error}); the types of its arrays are {kinds}") from error
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error}; is its folder there, and has it room?") from error
    finally:
        beside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Waits until a file, or the list of a folder, is on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file, if it is complete and can be understood."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointError(
                    f"{path} holds no transitions: its format is {metadata.get('format')!r}, expected {FORMAT!r}; "
                    "pass a file that save_traces has written"
                )
            if metadata.get("version") != str(VERSION):
                raise CheckpointError(
                    f"{path} has version {metadata.get('version')}, but this rlcore reads version {VERSION}; use the "
                    "rlcore that wrote it, or a newer one"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
            text = metadata.get("header", "")
            header = json.loads(text)
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} can't be read: {shorten(str(error))}{_sizes(path)}; expected a complete file that save_traces has "
            "written"
        ) from error
    if not isinstance(header, dict) or metadata.get("checksum") != _checksum(text, tensors):
        raise CheckpointError(
            f"{path} is damaged: its header or its arrays are not those that were written; copy or collect it anew"
        )
    return tensors, header


def _sizes(path: Path) -> str:
    """How many bytes a file has and should have, as far as its beginning tells; empty if it can't be opened."""
    try:
        with path.open("rb") as file:
            n_bytes, n_header = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
            text = file.read(n_header) if n_header <= _LONGEST_HEADER else b""
    except OSError:
        return ""
    if n_bytes < 8 or n_header > _LONGEST_HEADER:
        return f" (it has {n_bytes:,} bytes)"
    try:
        tensors = [one for name, one in json.loads(text).items() if name != "__metadata__"]
        expected = f"{8 + n_header + max(one['data_offsets'][1] for one in tensors):,}"
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        expected = f"more than {8 + n_header:,}"
    return f" (it has {n_bytes:,} bytes, and should have {expected})"


def _sequences_from(path: Path, tensors: dict[str, np.ndarray], header: dict[str, Any]) -> Sequences:
    try:
        structure, lanes = header["structure"], header["lanes"]
        parts = {name: _tree_of(tensors, structure[name]) for name in Sequences._fields}
        sequences = Sequences(**(parts | {"lanes": lanes}))
        _check_kinds(sequences)
        n, n_lanes = int(sequences.length.sum()), 1 if lanes is None else lanes
        columns = (sequences.reward, sequences.terminated, sequences.truncated, *jax.tree.leaves(sequences.extras))
        is_whole = len(sequences.length) == len(sequences.lane) and sequences.length.min() > 0
        if not 0 < n_lanes <= _MOST_LANES:
            raise ValueError(f"{n_lanes} lanes")
        is_sorted = bool((np.diff(sequences.lane, prepend=0, append=n_lanes - 1) >= 0).all())
        if not is_whole or not is_sorted or any(column.shape[:1] != (n,) for column in columns):
            raise ValueError(f"{n} transitions in sequences of {sequences.length} do not fit the other arrays")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise CheckpointError(f"{path} contradicts itself: {shorten(repr(error))}; write it anew") from error
    return sequences


def _check_kinds(sequences: Sequences) -> None:
    """Raises `ValueError` where a column is of another kind than those that are written."""
    kinds = {"reward": "float32", "terminated": "bool", "truncated": "bool", "length": "int64", "lane": "int64"}
    for name, dtype in kinds.items():
        column = getattr(sequences, name)
        if column.ndim != 1 or column.dtype != dtype:
            raise ValueError(f"{name} is {column.dtype}{list(column.shape)}, expected {dtype} of one axis")
    if type(sequences.lanes) not in (int, type(None)):
        raise ValueError(f"lanes is {sequences.lanes!r}, expected a whole number or null")
    if not isinstance(sequences.mask, np.ndarray | None) or not isinstance(sequences.extras, dict | None):
        raise ValueError("mask is no array, or extras no dict")


def _space(path: Path, header: dict[str, Any], name: str) -> Any:
    try:
        return space_from(header.get(name))
    except ConfigError as error:
        raise CheckpointError(f"{path}: its {name} can't be read: {shorten(str(error))}; write it anew") from error


def _checksum(header: str, tensors: dict[str, np.ndarray]) -> str:
    """The SHA-256 of the header and of names, types, shapes and contents of the tensors, in the order of the names."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape} ".encode())
        digest.update(tensors[name].data if tensors[name].size else b"")
    return digest.hexdigest()
