"""Every error that rlcore raises itself.

::

    RLCoreError
    ├── ConfigError (also a ValueError)   a wrong argument, refused before the first step
    │   └── HookError                     a hook, condition or policy that could never be called rightly
    ├── EnvContractError                  an environment, or an action given to it, broke the contract
    ├── CheckpointError                   a saved file can't be used
    ├── WorkerError                       a worker process failed
    └── RunStoreError                     the store of runs can't be read or written

A message says what came, what was expected, where, and what to do. An exception of the user's own code
keeps its type; where it happened is added to it as a note.
"""


class RLCoreError(Exception):
    """Base of all of them; raised itself when learning produced numbers that are not finite."""


class ConfigError(RLCoreError, ValueError):
    """A wrong argument, refused when the object or the experiment is built."""


class HookError(ConfigError):
    """A method that is missing, misspelt or takes the wrong arguments, refused when the experiment is built."""


class EnvContractError(RLCoreError):
    """An environment gave a state, reward, mask or end that it had not promised, or got an illegal action."""


class CheckpointError(RLCoreError):
    """A saved file is missing, damaged or does not fit."""


class WorkerError(RLCoreError):
    """A worker process died, hung or answered nonsense."""


class RunStoreError(RLCoreError):
    """The run store can't be read or written."""


def shorten(text: str, limit: int = 200) -> str:
    """`text` on one line of at most `limit` characters, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
