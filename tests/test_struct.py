"""Structs: mutable to Python, pytrees to JAX."""

import enum
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rlcore.errors import ConfigError
from rlcore.interfaces import Policy
from rlcore.struct import (
    brief,
    by_value,
    cached,
    check_decorated,
    check_tree,
    copy,
    explain_undeclared,
    graft,
    put,
    static,
    struct,
    walk,
)


@struct
class Counter:
    step: object = 0
    table: object = None
    size: int = static(3)
    view: object = cached()

    def advance(self, by):
        self.step += by
        self.table = put(self.table, 1, self.step)
        return self.step


@struct
class Pair:
    left: Counter
    right: object = None


def test_methods_assign_on_the_host_and_are_pure_under_a_trace():
    host = Counter(2, np.zeros(3))
    assert host.advance(5) == 7
    assert host.table.tolist() == [0, 7, 0]

    before = Counter(2, jnp.zeros(3))
    after, step = jax.jit(lambda counter, by: (lambda answer: (counter, answer))(counter.advance(by)))(before, 5)
    assert (before.step, int(after.step), int(step)) == (2, 7, 7)
    assert np.asarray(after.table).tolist() == [0, 7, 0]


def test_cached_fields_are_dropped_and_static_fields_are_kept():
    counter = Counter(1, np.zeros(3), size=9)
    counter.view = "host only"
    again = copy(counter)
    assert again is not counter
    assert (again.view, again.size, again.step) == (None, 9, 1)


def test_a_static_field_is_part_of_the_compilation_and_compared_by_value():
    traces = []

    @jax.jit
    def size(counter):
        traces.append(counter.size)
        return counter.step * counter.size

    answers = [int(size(Counter(2, size=n))) for n in (3, 3, 4, 3)]
    assert answers == [6, 6, 8, 6]
    assert traces == [3, 4]


def test_an_undeclared_attribute_is_an_error():
    with pytest.raises(AttributeError):
        Counter().steps = 1


def message_of(fails, *components):
    with pytest.raises(AttributeError) as caught:
        fails()
    if components:
        explain_undeclared(caught.value, components)
    return str(caught.value)


def test_an_undeclared_attribute_is_explained():
    @struct
    class Mine:
        x: int = 0
        unset: int = static()

        def __init__(self, name):
            setattr(self, name, 1)
            self.unset  # noqa: B018

    declare = "'Mine' object has no attribute 'y'; declare it as a field of the @struct: `y: Any = None` in the body of"
    assert declare in message_of(lambda: Mine("y"))
    assert "'unset'; the field has no value yet: set it in __init__" in message_of(lambda: Mine("x"))
    made = object.__new__(Mine)
    assert declare in message_of(lambda: made.y, 3, made)
    assert message_of(lambda: Counter().y, made) == "'Counter' object has no attribute 'y'"  # of another class
    assert message_of(lambda: [].y, made) == "'list' object has no attribute 'y'"


def test_a_class_has_the_signature_of_its_init():
    @struct
    class Own(Counter):
        def __init__(self, size: int, *more: str, seed: int | None = None) -> None:
            self.size = size

    class Plain(Own):
        def __init__(self, a, b=2):
            super().__init__(a)

    assert str(inspect.signature(Counter)) == "(step: object = 0, table: object = None, size: int = 3)"
    assert str(inspect.signature(Own)) == "(size: int, *more: str, seed: int | None = None)"
    assert str(inspect.signature(Plain)) == "(a, b=2)"


def test_an_instance_that_can_be_called_has_the_signature_of_its_call():
    @struct
    class Called:
        x: int = 0

        def __call__(self, y):
            return y

    assert str(inspect.signature(Called())) == "(y)"
    with pytest.raises(TypeError):
        inspect.signature(Counter())


def test_an_instance_is_shown_as_its_call_without_numbers_of_arrays_or_what_is_private():
    @struct
    class Shown:
        parts: tuple
        n: int = static()
        is_fast: bool = static(False)
        table: object = None
        _hidden: object = None
        view: object = cached()

        def __init__(self, n, *parts, fast=False, seed=None):
            self.n, self.parts, self.is_fast, self._hidden = n, parts, fast, np.zeros(1000)

    assert repr(Counter(1, np.zeros((2, 3)))) == "Counter(step=1, table=float64[2, 3])"
    assert repr(Counter()) == "Counter()"
    assert repr(Pair(Counter(), [1, "a"])) == "Pair(Counter(), right=[1, 'a'])"
    assert repr(Shown(3, Counter(), jnp.zeros(2), fast=True, seed=4)) == "Shown(3, Counter(), float32[2], fast=True)"


def test_a_traced_array_is_shown_too():
    seen = []
    jax.jit(lambda counter: seen.append(repr(counter)))(Counter(1.0))
    assert seen == ["Counter(step=float32[])"]


def test_a_repr_of_ones_own_is_kept_by_those_who_inherit_it():
    @struct
    class Written(Counter):
        def __repr__(self):
            return f"my {type(self).__name__}"

    @struct
    class Heir(Written):
        pass

    assert repr(Heir()) == "my Heir"


def test_long_things_are_shown_briefly():
    class Colour(enum.Enum):
        RED = 1

    assert brief(list(range(10))) == "[0, 1, 2, 3, ...]"
    assert brief({i: np.zeros(i) for i in range(2)}) == "{0: float64[0], 1: float64[1]}"
    assert brief((np.float32(0.5), Colour.RED)) == "(0.5, Colour.RED)"
    assert brief((1,)) == "(1,)"
    assert [brief(value) for value in (max, Counter, None, "a")] == ["max", "Counter", "None", "'a'"]
    assert len(brief("x" * 1000)) == 80


def test_a_class_that_derives_from_a_struct_and_is_none_is_refused():
    class Undecorated(Counter):
        pass

    with pytest.raises(ConfigError, match=r"part is of class Undecorated.*write @struct above class Undecorated"):
        check_decorated(Undecorated(), "part")
    with pytest.raises(ConfigError, match=r"policy\.left is of class Undecorated, which derives from Counter"):
        check_tree(Pair(Undecorated()), "policy")
    check_decorated(Counter(), "part")
    check_decorated(3, "part")


def test_a_base_without_slots_is_refused():
    class Open:
        pass

    with pytest.raises(ConfigError, match=r"Closed inherits from Open.*__slots__ = \(\)"):

        @struct
        class Closed(Open):
            x: int = 0


def test_an_own_init_finds_defaults_set_and_jax_never_calls_it():
    calls = []

    @struct
    class Checked:
        n: int = static()
        total: object = 5
        note: object = cached()

        def __init__(self, n):
            calls.append(n)
            self.n = n

    made = Checked(4)
    again = jax.tree.map(lambda x: x + 1, made)
    assert (made.total, made.note, again.total, again.n, calls) == (5, None, 6, 4, [4])


def test_a_written_init_is_inherited():
    @struct
    class Base:
        n: int = static()
        total: object = 5

        def __init__(self, size):
            self.n = size + 1

    @struct
    class Heir(Base):
        more: object = 7

    made = jax.tree.map(lambda x: x, Heir(3))
    assert (made.n, made.total, made.more) == (4, 5, 7)
    assert str(inspect.signature(Heir)) == "(size)"


def test_super_without_arguments_works():
    @struct
    class Base:
        x: object = 1

        def value(self):
            return self.x

    @struct
    class Derived(Base):
        y: object = 10

        def value(self):
            return super().value() + self.y

    assert Derived(2).value() == 12
    assert int(jax.jit(lambda d: d.value())(Derived(2))) == 12


def test_graft_keeps_the_users_objects():
    inner = Counter(1, np.zeros(2))
    outer = Pair(inner, {"a": Counter(2)})
    new = jax.tree.map(lambda x: x + 1, outer)
    assert graft(outer, new) is outer
    assert outer.left is inner
    assert (inner.step, outer.right["a"].step) == (2, 3)


def test_walk_gives_paths_through_structs_containers_and_plain_policies():
    class Plain(Policy):
        def __init__(self):
            self.parts = [Counter(), {"deep": Counter()}]

    paths = [path for path, part in walk(Plain(), "policy") if isinstance(part, Counter)]
    assert paths == ["policy.parts.0", "policy.parts.1.deep"]


def test_the_same_struct_in_two_places_is_refused_with_both_paths():
    shared = Counter()
    with pytest.raises(ConfigError, match=r"policy\.left and at policy\.right\.0"):
        check_tree(Pair(shared, [shared]), "policy")
    check_tree(Pair(Counter(), [Counter()]), "policy")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (optax.adam(1e-3), optax.adam(1e-3), True),
        (optax.adam(1e-3), optax.adam(2e-3), False),
        (optax.chain(optax.clip(1.0), optax.sgd(0.1)), optax.chain(optax.clip(1.0), optax.sgd(0.1)), True),
        (optax.adam(optax.linear_schedule(1.0, 0.0, 10)), optax.adam(optax.linear_schedule(1.0, 0.0, 11)), False),
        (1, True, False),
        (1, 1.0, False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(3.0), False),
        ({"a": [1, (2,)]}, {"a": [1, (2,)]}, True),
    ],
)
def test_configuration_is_compared_by_value(one, other, same):
    assert (by_value(one) == by_value(other)) is same
    assert not same or hash(by_value(one)) == hash(by_value(other))


def test_functions_that_enclose_other_values_differ():
    def scale(factor):
        return lambda x: x * factor

    assert by_value(scale(2)) == by_value(scale(2))
    assert by_value(scale(2)) != by_value(scale(3))
