"""The configuration file: what it says holds, what it misspells is named, and its default says what holds anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node import configuration
from node.admission import Limits
from node.configuration import DEFAULTS, KNOBS, Knob, check_setting, default_file, load, parse_setting
from node.options import configure, parser
from node.paxos.config import Config, ConfigError

MEMBERS = '[members]\n1 = "127.0.0.1:7001"\n2 = "[::1]:7002"\n3 = "h:7003"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def configured(path: Path, *words: str):  # type: ignore[no-untyped-def]
    return configure(parser().parse_args(["serve", "--config", str(path), *words]))[0]


def test_the_default_file_says_what_holds_without_it(tmp_path: Path) -> None:
    said = configured(write(tmp_path, default_file(2)))
    peers = "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003"
    words = ["serve", "--id", "2", "--data", str(tmp_path / "data/n2"), "--peers", peers]
    plain = configure(parser().parse_args(words))[0]
    assert said == plain


def test_every_number_has_a_unit_or_is_a_count_and_has_limits_that_hold_its_default() -> None:
    described = {knob.name for knob in KNOBS}
    assert described == set(DEFAULTS), "a setting without a knob has no limits and no comment"
    for knob in KNOBS:
        assert knob.what, knob.name
        default = DEFAULTS[knob.name]
        if type(default) is int:
            assert knob.limits is not None, knob.name
        assert knob.takes(default), knob.name
        if type(default) is int:
            switch = knob.limits == (0, 1)
            unit = knob.name.endswith(("_ms", "_ppm", "_bytes", "_slots", "_max", "_window"))
            assert switch or unit, f"{knob.name} says no unit"


@pytest.mark.parametrize("name", sorted(name for name, value in DEFAULTS.items() if type(value) is int))
def test_beyond_a_limit_is_refused_with_the_limits(name: str) -> None:
    knob = next(knob for knob in KNOBS if knob.name == name)
    assert knob.limits is not None
    low, high = (int(limit) for limit in knob.limits)
    assert (check_setting(name, low, "x"), check_setting(name, high, "x")) == (low, high)
    for wrong in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=rf"^x: {name} is {wrong}, not {low} to {high}$"):
            check_setting(name, wrong, "x")


def test_a_file_for_all_nodes_and_flags_that_come_first(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[node]\nid = 1\ncluster = "c"\ndata = "d/{id}"\nseed = 5\n' + MEMBERS + "[limits]\nclients_max = 9\n"
        "[elections]\nretry_ms = 77\n",
    )
    config = configured(path)
    assert (config.core.me, config.cluster, config.data, config.seed) == (1, "c", tmp_path / "d/1", 5)
    assert config.addresses == {1: ("127.0.0.1", 7001), 2: ("::1", 7002), 3: ("h", 7003)}
    assert (config.limits.clients_max, config.core.retry_ms) == (9, 77)
    other = configured(path, "--id", "3", "--cluster", "e", "--seed", "6", "--set", "retry_ms=78", "--data", "z")
    assert (other.core.me, other.cluster, other.seed, other.core.retry_ms) == (3, "e", 6, 78)
    assert other.data == Path("z"), "a flag's path is relative to where one is"


WRONG = {
    "a key misspelt": (
        MEMBERS + "[limits]\nclient_max = 3\n",
        r"\[limits\] 'client_max' is unknown; did you mean clie",
    ),
    "a key in the wrong section": (MEMBERS + "[limits]\nretry_ms = 3\n", r"\[limits\] 'retry_ms' belongs into \[elect"),
    "a section misspelt": (MEMBERS + "[limit]\n", r"section 'limit' is unknown; did you mean limits\?"),
    "a key of the node misspelt": ("[node]\nidd = 3\n", r"\[node\] 'idd' is unknown; did you mean id\?"),
    "no section": ("retry_ms = 3\n", r"section 'retry_ms' is unknown"),
    "no table": ("node = 3\n", r"node is a section: write \[node\]"),
    "out of its limits": (MEMBERS + "[leases]\ndrift_ppm = 1000000\n", r"\[leases\]: drift_ppm is 1000000, not 0 to 9"),
    "a string for a number": (MEMBERS + '[log]\nlog_segment_bytes = "4k"\n', r"log_segment_bytes is a whole number"),
    "true for a number": (MEMBERS + "[log]\nlog_segment_bytes = true\n", r"log_segment_bytes is a whole number"),
    "a float for a number": (MEMBERS + "[elections]\nretry_ms = 1.5\n", r"retry_ms is a whole number, not 1.5"),
    "an address without a port": ('[members]\n1 = "h"\n', r"\[members\] 1 = 'h' is not ID = "),
    "an address that is a number": ("[members]\n1 = 7\n", r"\[members\] 1 = 7 is not ID = "),
    "nobody": ("[members]\n", r"\[members\] names nobody"),
    "an id of another kind": ('[node]\nid = "1"\n', r"\[node\] id is a whole number, not '1'"),
    "an id below 1": ("[node]\nid = 0\n", r"\[node\] id is 0, not 1 to"),
    "no TOML": ("[node\n", r"node.toml: "),
    "no id": (MEMBERS, r"which node is this\? --id"),
    "no members": ("[node]\nid = 1\n", r"who are the members\? --peers"),
    "no data": ("[node]\nid = 1\n" + MEMBERS, r"where does it keep its data\?"),
    "no member": ('[node]\nid = 4\ndata = "d"\n' + MEMBERS, r"me=4 is not among members"),
    "what cannot work together": (
        '[node]\nid = 1\ndata = "d"\n' + MEMBERS + "[elections]\nheartbeat_ms = 300\n",
        r"election_timeout_ms=400 must be at least twice",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mistake: str) -> None:
    text, message = WRONG[mistake]
    with pytest.raises(ConfigError, match=message):
        configured(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[node]\ncluster = '\xe9'\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: "):
        load(path)


@pytest.mark.parametrize("word", ["retry_ms", "retry_ms=", "retry_ms=-1", "retry_ms=1.5", "retry_ms=x"])
def test_a_setting_that_is_no_number_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigError, match="is not retry_ms=NUMBER"):
        configured(write(tmp_path, default_file()), "--set", word)


def test_a_setting_misspelt_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set: 'retri_ms' is unknown; did you mean retry_ms\?"):
        configured(write(tmp_path, default_file()), "--set", "retri_ms=3")


def test_numbers_with_a_fraction_words_and_truths_have_limits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = (
        Knob("s", "share", (0.5, 2.0), "a share"),
        Knob("s", "method", ("fast", "exact"), "a method"),
        Knob("s", "loud", None, "loud or not"),
    )
    monkeypatch.setattr(configuration, "DEFAULTS", {"share": 1.0, "method": "fast", "loud": False})
    monkeypatch.setattr(configuration, "_BY_NAME", {knob.name: knob for knob in knobs})
    assert [parse_setting(word) for word in ("share=0.5", "share=2", "method=exact", "loud=true")] == [
        ("share", 0.5),
        ("share", 2.0),
        ("method", "exact"),
        ("loud", True),
    ]
    for wrong, message in (
        ("share=2.1", "share is 2.1, not 0.5 to 2"),
        ("share=1e0", "'share=1e0' is not share=NUMBER"),
        ("method=slow", "method is slow, not fast, exact"),
        ("loud=yes", r"'loud=yes' is not loud=true\|false"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_setting(wrong)


def test_limits_below_one_are_refused_wherever_they_come_from() -> None:
    for name in Limits.__struct_fields__:
        with pytest.raises(ConfigError, match=f"{name}=0 must be at least 1"):
            Limits(**{name: 0})
    with pytest.raises(ConfigError, match="backlog_records_max=0"):
        Config(me=1, members=(1,), backlog_records_max=0)


@pytest.mark.parametrize("name", ["backlog_records_max", "deferred_max"])
def test_a_word_to_each_member_must_fit_what_waits_for_the_disk(name: str) -> None:
    """With less, the last of them would be left out each time, and a cluster of nodes that may forget never begins."""
    enough: dict[str, Any] = {"me": 1, "members": (1, 2, 3, 4, 5), name: 10}
    with pytest.raises(ConfigError, match=f"{name}=9 must be at least twice the members, 10"):
        Config(**{**enough, name: 9})
    Config(**enough)
