"""The settings that ``--set`` knows: the core's, and the log's, each within its bounds."""

from __future__ import annotations

import pytest

from node.options import SETTINGS, ServerConfig, configure, parser
from node.paxos.config import ConfigError
from node.storage.wal import SEGMENT_BYTES

SERVE = ["serve", "--id", "1", "--peers", "1=a:1,2=b:2,3=c:3", "--data", "/nowhere"]


def configured(*settings: str) -> ServerConfig:
    words = [word for setting in settings for word in ("--set", setting)]
    return configure(parser().parse_args([*SERVE, *words]))[0]


def test_settings_go_to_the_core_and_to_the_log() -> None:
    config = configured("retry_ms=77", "log_segment_bytes=4096")
    assert (config.core.retry_ms, config.log_segment_bytes) == (77, 4096)
    assert configured().log_segment_bytes == SEGMENT_BYTES


@pytest.mark.parametrize("size", [0, 255, 2**40 + 1])
def test_a_log_of_crumbs_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"log_segment_bytes is {size}, not 256 to"):
        configured(f"log_segment_bytes={size}")


def test_what_is_no_setting_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'me' is unknown; .*heartbeat_ms.*log_segment_bytes"):
        configured("me=2")
    assert "members" not in SETTINGS


def test_the_detector_is_a_word_and_thresholds_have_a_point() -> None:
    core = configured("detector=nfd-e", "phi_threshold=2.5", "phi_exponential_threshold=3").core
    assert (core.detector, core.phi_threshold, core.phi_exponential_threshold) == ("nfd-e", 2.5, 3.0)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("detector=psychic", "detector is psychic, not fixed, phi, phi-exponential, nfd-e"),
        ("detector", "'detector' is not detector=TEXT"),
        ("phi_threshold=1e9", "'phi_threshold=1e9' is not phi_threshold=NUMBER"),
        ("phi_threshold=0.1", "phi_threshold is 0.1, not 0.5 to 1000"),
        ("retry_ms=1.5", "'retry_ms=1.5' is not retry_ms=NUMBER"),
    ],
)
def test_settings_that_cannot_be_are_refused(setting: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        configured(setting)
