"""What an object holds, told exactly or not at all."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.state import state_of


@dataclasses.dataclass(frozen=True)
class Pair:
    first: int
    second: float


class Plain:
    def __init__(self, **held):
        self.__dict__.update(held)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_equal_values_have_equal_states_and_others_have_not(a, b):
    assert state_of(a) == state_of(a)
    assert (state_of(a) == state_of(b)) == (repr(a) == repr(b))


def test_every_element_of_an_array_counts():
    weights = np.zeros(100_000)
    changed = weights.copy()
    changed[50_000] = 1e-300
    for make in (
        lambda x: x,
        torch.from_numpy,
        lambda x: Plain(w=x),
        lambda x: {"w": [x]},
        lambda x: x[::2].copy()[::1],
    ):
        assert (state_of(make(weights)) == state_of(make(weights.copy()))) and state_of(make(weights)) is not None
        assert state_of(make(weights)) != state_of(make(changed))


def test_dtype_shape_class_and_order_count():
    assert len({state_of(x) for x in (1, 1.0, "1", True, [1], (1,), {1}, {1: 1})}) == 8
    assert state_of(np.zeros((2, 3))) != state_of(np.zeros((3, 2))) != state_of(np.zeros((3, 2), np.float32))
    assert state_of(Pair(1, 2.0)) != state_of(Pair(2, 1.0))
    assert state_of({"a": 1, "b": 2}) == state_of({"b": 2, "a": 1})
    assert state_of(["ab", "c"]) != state_of(["a", "bc"])


def test_networks_are_told_by_weights_and_build():
    torch.manual_seed(0)
    one = torch.nn.Linear(4, 4)
    same = torch.nn.Linear(4, 4)
    same.load_state_dict(one.state_dict())
    assert state_of(one) == state_of(same) != state_of(torch.nn.Linear(4, 4))
    with torch.no_grad():
        same.bias[2] += 1e-6
    assert state_of(one) != state_of(same)
    assert state_of(torch.nn.Sequential(one, torch.nn.ReLU())) != state_of(torch.nn.Sequential(one, torch.nn.Tanh()))


def closure(k):
    class Local:
        def answer(self):
            return k

    return Local()


@pytest.mark.parametrize(
    "thing",
    [lambda: 0, np.random.default_rng(0), closure(1), Plain(f=print), [object], iter([1]), np.array([object()])],
    ids=["function", "generator", "closure", "holds a function", "class", "iterator", "objects"],
)
def test_what_cannot_be_told_is_said_to_be_so(thing):
    assert state_of(thing) is None


def test_an_object_that_holds_itself():
    knot = Plain()
    knot.self = knot
    assert state_of(knot) is None
