"""Ctrl-C and SIGTERM while an experiment runs: the step in progress ends properly, then the run does."""

import signal
import threading
from types import FrameType
from typing import Any, Self

_DEFAULT = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupt:
    """Catches the first SIGINT or SIGTERM in a flag; a second one raises at once.

    Handlers are installed for the duration of the `with` block, in the main thread only, and only in place of
    Python's default ones: an application that handles signals itself keeps doing so.

    Attributes:
        is_set: Whether a signal came.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._signal: int | None = None
        self._replaced: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in _DEFAULT.items():
                if signal.getsignal(number) is default:
                    self._replaced[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        self._replaced.clear()

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise _exception(number)
        self.is_set, self._signal = True, number

    def name(self) -> str:
        """The signal that came, for `stop_reason`."""
        return "" if self._signal is None else f"interrupted by {signal.Signals(self._signal).name}"

    def raise_caught(self) -> None:
        """Raises `KeyboardInterrupt` or `SystemExit(143)` if a signal came."""
        if self._signal is not None:
            raise _exception(self._signal)


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
