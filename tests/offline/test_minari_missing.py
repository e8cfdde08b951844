"""Without the package minari, the error says how to get it."""

import sys

import pytest

from rlcore.errors import ConfigError
from rlcore.offline import load_minari


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ConfigError, match=r'the package minari is not installed; run pip install "rlcore\[minari\]"'):
        load_minari("D4RL/door/human-v2")
