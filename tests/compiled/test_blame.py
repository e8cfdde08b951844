"""Code that can't be traced is named by component, method and field, with what to write instead."""

from typing import Any

import numpy as np
import pytest

from rlcore.interfaces import Policy
from rlcore.random import Random
from rlcore.reset_conditions import ResetCondition
from rlcore.struct import cached, struct
from tests.compiled.test_conformance import N_STATES
from tests.compiled.test_prepare import reason


@struct
class Branches(Policy):
    threshold: Any = 3

    def plan(self, env):
        if env.state() > self.threshold:
            return 1
        return 0


@struct
class Converts(Policy):
    table: Any = None

    def __init__(self):
        self.table = np.arange(N_STATES) % 2

    def plan(self, env):
        return int(self.table[env.state()])


@struct
class AsksNumpy(Policy):
    bias: Any = 0.5

    def plan(self, env):
        return int(np.sin(env.state() + self.bias) > 0)


@struct
class Counts(Policy):
    n: Any = 3

    def plan(self, env):
        return sum(1 for _ in range(self.n)) % 2


@struct
class Selects(Policy):
    seen: Any = None

    def __init__(self):
        self.seen = np.zeros(4)

    def plan(self, env):
        return len(self.seen[self.seen > 0]) % 2


@struct
class CutsIf(ResetCondition):
    def check(self, policy, env):
        return bool(env.state() == 2)


@pytest.mark.parametrize(
    ("kind", "place", "code", "error", "advice"),
    [
        (
            Branches,
            "Branches.plan (field threshold)",
            "if env.state() > self",
            "TracerBoolConversionError",
            "jnp.where",
        ),
        (Converts, "Converts.plan (field table)", "return int(self.table", "ConcretizationTypeError", "static()"),
        (AsksNumpy, "AsksNumpy.plan (field bias)", "np.sin(env", "TracerArrayConversionError", "use jax.numpy"),
        (Counts, "Counts.plan (field n)", "range(self.n)", "TracerIntegerConversionError", "known beforehand"),
        (Selects, "Selects.plan (field seen)", "len(self.seen[", "NonConcreteBooleanIndexError", "jnp.where"),
    ],
)
def test_host_code_is_named_by_component_method_and_field(kind, place, code, error, advice):
    text = reason(kind())
    assert text.startswith(place)
    assert [part for part in ("line ", code, error, advice) if part not in text] == []


def test_host_code_in_a_reset_condition():
    text = reason(reset_condition=CutsIf())
    assert text.startswith("CutsIf.check, line ")
    assert "return bool(env.state() == 2)" in text


@struct
class Remembers(Policy):
    random: Random
    memo: Any = cached()

    def __init__(self):
        self.random, self.memo = Random(), 5

    def plan(self, env):
        return self.random.integers(2) + 0 * self.memo


def test_a_cached_field_is_none_in_a_trace():
    text = reason(Remembers())
    assert text.startswith("Remembers.plan (field random, memo)")
    assert "NoneType" in text
