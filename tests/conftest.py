"""What every test may count on."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _signals_have_their_default_handlers():
    """A process that a shell starts in the background is born with Ctrl-C ignored, and rlcore leaves that alone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
