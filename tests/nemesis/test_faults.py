"""Faults as data: their names, their tags in JSON, and what is refused as written."""

from __future__ import annotations

import msgspec
import pytest

from nemesis.faults import KINDS, Fault, FaultError, Kill, Partition, Pause, Restart, kind
from nemesis.grudges import SHAPES
from nemesis.targets import SYMBOLS


@pytest.mark.parametrize("name", KINDS)
def test_a_fault_knows_its_name_and_comes_back_from_json(name: str) -> None:
    fault = KINDS[name]()
    data = msgspec.json.encode(fault)
    assert kind(fault) == name
    assert msgspec.json.decode(data)["type"] == name
    assert msgspec.json.decode(data, type=Fault) == fault


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_makes_a_partition(shape: str) -> None:
    assert Partition(shape).shape == shape


@pytest.mark.parametrize("target", [*SYMBOLS, "n1", "n1+n3"])
@pytest.mark.parametrize("fault", [Kill, Pause, Restart])
def test_targets_are_symbols_or_names(fault: type[Kill | Pause | Restart], target: str) -> None:
    assert fault(target).target == target


def test_a_shape_that_does_not_exist_is_refused_unless_a_grudge_says_it_all() -> None:
    with pytest.raises(FaultError, match="no shape 'half'; there are: halves"):
        Partition("half")
    assert Partition("mine", {"n1": ("n2",)}).grudge == {"n1": ("n2",)}


@pytest.mark.parametrize("target", ["", "n1 n2", "n1,n2", "+", "n1/n2"])
def test_a_target_that_cannot_be_a_name_is_refused(target: str) -> None:
    with pytest.raises(FaultError, match="is neither of leader, follower"):
        Kill(target)


@pytest.mark.parametrize("data", [b'{"type":"kil"}', b'{"type":"kill","node":"n1"}', b'{"type":"kill","target":3}'])
def test_unknown_tags_fields_and_types_are_refused(data: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=Fault)


def test_a_fault_never_changes() -> None:
    with pytest.raises(AttributeError):
        Kill("n1").target = "n2"  # type: ignore[misc]
