"""How the priorities that an update gave come back to the memory that its batch is from."""

from typing import Any

from rlcore.errors import ConfigError


def write_priorities(learner: Any, trajectory: Any, batch: Any, metrics: Any) -> Any:
    """Tells a trajectory the priorities that an update gave for a prioritised batch.

    Args:
        learner: Whose update it was, for messages.
        trajectory: Where the batch is from.
        batch: What the update was shown: a `Batch`, or a dict or list of batches.
        metrics: What the update answered: for a batch with keys `"priority"` too, `[batch]` numbers of at least 0; for
            a dict or list of batches a dict or list of these, `None` where a batch has no keys.

    Returns:
        The metrics without the priorities.

    Raises:
        ConfigError: The priorities of a batch with keys are missing.
    """
    pairs = _with_priorities(batch, metrics.get("priority") if isinstance(metrics, dict) else None)
    for key, priority in pairs:
        if priority is None:
            raise ConfigError(
                f"{type(learner).__name__}.update gave no priorities for a prioritised batch; return them among the "
                "metrics, {'priority': ...}: one number of at least 0 per row such as |TD error| (of a dict or list of "
                "batches a dict or list), or keep the transitions in CircularTraces(capacity)"
            )
        trajectory.update_priorities(key, priority)
    return {name: value for name, value in metrics.items() if name != "priority"} if pairs else metrics


def _with_priorities(batch: Any, given: Any) -> list[tuple[Any, Any]]:
    """The keys of a batch, or of a dict or list of batches, each with what was given for it."""
    if isinstance(batch, dict):
        given = given if isinstance(given, dict) else {}
        parts = [(one, given.get(name)) for name, one in batch.items()]
    elif isinstance(batch, list | tuple):
        given = given if isinstance(given, list | tuple) else ()
        parts = [(one, given[i] if i < len(given) else None) for i, one in enumerate(batch)]
    else:
        key = getattr(batch, "key", None)
        return [] if key is None else [(key, given)]
    return [pair for one, priority in parts for pair in _with_priorities(one, priority)]
