"""Which actions are legal: masks in the info, or in the observation under the key `action_mask`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcore.environments.spaces import shown
from rlcore.errors import EnvContractError

KEY = "action_mask"
MaskReader = Callable[[Any], np.ndarray | None]


def is_flags(array: np.ndarray) -> bool:
    """Whether an array holds flags only: bools, or whole numbers that are 0 or 1."""
    return array.dtype.kind == "b" or (array.dtype.kind in "iu" and bool(np.all((array == 0) | (array == 1))))


def mask_reader(action_space: spaces.Space, rows: int | None = None) -> MaskReader:
    """The reader of one environment's masks, or of those of `rows` environments side by side.

    It answers a new bool array `[actions]`, or `[rows, actions]`.
    """
    if not isinstance(action_space, spaces.Discrete):
        return _refuse
    shape = (() if rows is None else (rows,)) + (int(action_space.n),)

    def read(raw: Any) -> np.ndarray:
        if raw.__class__ is np.ndarray and raw.shape == shape and len(shape) == 1:
            flags = raw.tolist()  # quicker than NumPy for the few actions that masks are mostly of
            if raw.dtype.kind in "bui" and flags.count(0) + flags.count(1) == len(flags):
                return raw.astype(bool)
        try:
            array = np.asarray(raw)
        except ValueError as error:
            raise EnvContractError(f"{shown(raw)}, expected flags of shape {shape}") from error
        if array.shape != shape or not is_flags(array):
            raise EnvContractError(
                f"{shown(raw)} ({array.dtype} of shape {array.shape}), expected bools of shape {shape}, one per action"
            )
        return array.astype(bool)

    return read


def _refuse(raw: Any) -> None:
    raise EnvContractError(f"{shown(raw)}, expected none: masks are for Discrete actions only; take it out of info")


def without_mask(state_space: spaces.Space, action_space: spaces.Space) -> tuple[str, spaces.Space]:
    """How observations carry a mask, and the space of what is left without it.

    Returns:
        `""` (no mask inside), `"mask"` (it is taken out) or `"alone"` (a lone `observation` beside it is unwrapped).
    """
    if not isinstance(state_space, spaces.Dict) or not isinstance(action_space, spaces.Discrete):
        return "", state_space
    if KEY not in state_space.spaces or len(state_space.spaces) == 1:
        return "", state_space
    rest = {key: part for key, part in state_space.spaces.items() if key != KEY}
    if rest.keys() == {"observation"}:
        return "alone", rest["observation"]
    return "mask", spaces.Dict(rest)


def mask_inside(observation: dict[str, Any]) -> Any:
    """The mask in an observation whose space promises one; where it is missing, what no reader takes for a mask."""
    mask = observation.get(KEY)
    return "missing" if mask is None else mask


def take_mask(observation: Any, info: dict[str, Any], inside: str) -> tuple[Any, dict[str, Any]]:
    """The observation without the mask inside it, and the info with it."""
    if not inside or not isinstance(observation, dict):
        return observation, info
    info = info | {KEY: mask_inside(observation), f"_{KEY}": None}
    if inside == "alone":
        return observation.get("observation"), info
    return {key: part for key, part in observation.items() if key != KEY}, info
