"""The picture of messages in a real browser: drawn, filtered, searched, and gone through with the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checkers.history import History
from harness.report import write_report
from harness.report.sequence import read_sequence
from harness.results import RunResult, RunVerdict
from harness.simulation.tape import TraceLine
from tests.harness.report_sample import bare
from tests.integration.browser import Browser, browsing
from tests.simulation.runs import scenario
from tests.simulation.taped import EARLY_ACK, LOCAL_READS, taped

pytestmark = pytest.mark.integration

ELEMENTS_MAX = 9
"""So many elements an event at most: what keeps a thousand of them quick to draw, without a clock in a test."""
ELEMENTS = "document.querySelectorAll('#sequence-frame svg *').length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(LOCAL_READS, tmp_path_factory.mktemp("stale"))


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(EARLY_ACK, tmp_path_factory.mktemp("early"))


def report_of(what: Any, root: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder, result = taped(what, 0, root, patch)
    write_report(result, folder.history(), folder / "report.html")
    return folder / "report.html"


def shown(browser: Browser, kind: str = "msg") -> int:
    return int(browser.value(f"document.querySelectorAll('#sequence-frame .{kind}:not(.words)').length"))


def press(browser: Browser, *keys: str) -> None:
    browser.value("document.getElementById('sequence-frame').focus()")
    for key in keys:
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def level(browser: Browser, number: int) -> None:
    browser.value(f"document.querySelector('[data-level=\"{number}\"]').click()")


def detail(browser: Browser) -> str:
    return str(browser.value("document.getElementById('sequence-detail').textContent"))


def follow(browser: Browser, number: int) -> None:
    browser.value(f"document.querySelector('[data-follow=\"{number}\"]').click()")


def test_the_picture_is_drawn_at_once_without_a_complaint_or_a_request(browser: Browser, stale: Path) -> None:
    browser.open(stale)
    assert shown(browser) > 300
    assert shown(browser, "msg.on") > 10
    assert shown(browser, "heartbeat") == 0
    assert int(browser.value(ELEMENTS)) < ELEMENTS_MAX * shown(browser, "seq-item")
    assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    heads = browser.value("[...document.querySelectorAll('#sequence-head b')].map((node) => node.textContent)")
    assert heads[-6:] == ["other clients", "n1", "n2", "n3", "n4", "n5"]
    assert browser.complaints == []


def test_levels_show_more_and_more(browser: Browser, stale: Path) -> None:
    browser.open(stale)
    counts = []
    for number in range(4):
        level(browser, number)
        counts.append(shown(browser))
        pressed = browser.value("document.querySelector('[data-level][aria-pressed=true]').dataset.level")
        assert pressed == str(number)
    assert counts == sorted(set(counts)) and counts[0] < 60
    assert shown(browser, "heartbeat") > 0 and shown(browser, "durable") > 0
    assert browser.complaints == []


def test_the_keyboard_goes_from_event_to_event(browser: Browser, stale: Path) -> None:
    browser.open(stale)
    press(browser, "n")
    assert "write" in detail(browser)
    press(browser, "n")
    assert "write r3" in detail(browser) and "--break-at" in detail(browser)
    first = detail(browser)
    press(browser, "j")
    assert detail(browser) != first
    press(browser, "k")
    assert detail(browser) == first
    press(browser, "n", "n", "p")
    assert shown(browser, "here") >= 1
    assert browser.value("document.getElementById('sequence-help').hidden") is True
    press(browser, "?")
    assert browser.value("document.getElementById('sequence-help').hidden") is False
    assert browser.complaints == []


def test_another_anomaly_is_followed_from_its_own_button(browser: Browser, stale: Path) -> None:
    browser.open(stale)
    lanes = "[...document.querySelectorAll('#sequence-head b')].map((node) => node.textContent).join()"
    before = browser.value(lanes)
    follow(browser, 2)
    assert browser.value("document.getElementById('sequence-choice').value") == "2"
    assert browser.value(lanes) != before
    box = browser.value("(({top}) => top)(document.getElementById('sequence').getBoundingClientRect())")
    assert -5 <= box < 200
    top = browser.value("document.getElementById('sequence-frame').scrollTop")
    first = "document.querySelector('#sequence-frame .bar.on rect').getAttribute('y')"
    assert 0 <= float(browser.value(first)) - top < 400, "its first operation is in view"
    assert browser.complaints == []


def test_a_search_finds_by_slot_and_goes_there(browser: Browser, stale: Path) -> None:
    browser.open(stale)
    browser.value(
        "((field) => { field.value = '#36'; field.dispatchEvent(new Event('input')); })"
        "(document.getElementById('sequence-search'))"
    )
    browser.wait("document.getElementById('sequence-found').textContent.endsWith('found')")
    assert shown(browser, "msg.hit") >= 8
    press(browser, "n")
    assert "#36" in detail(browser)
    assert browser.complaints == []


def test_hovering_tells_the_whole_message_and_how_to_come_back_to_it(browser: Browser, early: Path) -> None:
    browser.open(early)
    level(browser, 0)
    browser.value("document.getElementById('sequence-frame').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y = browser.value(
        "((box) => [box.left + box.width / 2, box.top + box.height / 2])"
        "(document.querySelector('#sequence-frame .accept.words text').getBoundingClientRect())"
    )
    browser.move(x - 3, y)
    browser.move(x, y)
    browser.wait("!document.getElementById('sequence-tip').hidden")
    told = browser.value("document.getElementById('sequence-tip').textContent")
    assert '"ballot"' in told and "received at" in told and "--break-at" in told
    assert browser.complaints == []


def test_a_power_cut_is_there_with_everything_that_was_claimed(browser: Browser, early: Path) -> None:
    browser.open(early)
    browser.dark()
    level(browser, 0)
    for kind in ("broken", "durable.on", "sync.on", "power-off.on", "bar.on"):
        assert shown(browser, kind) >= 1, kind
    assert "has forgotten" in browser.value("document.querySelector('#sequence-frame .broken').textContent")
    assert "power-off" in browser.value("document.querySelector('#sequence-frame .seq-edge-text').textContent")
    assert browser.complaints == []


def test_linear_time_puts_more_room_where_more_time_is(browser: Browser, early: Path) -> None:
    browser.open(early)
    high = "document.querySelector('#sequence-frame svg').getAttribute('height')"
    before = float(browser.value(high))
    browser.value("document.getElementById('sequence-linear').click()")
    assert 0.3 * before < float(browser.value(high)) < 3 * before
    press(browser, "+")
    assert float(browser.value(high)) > before
    assert browser.complaints == []


@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_stays_as_wide_as_its_screen(browser: Browser, stale: Path, width: int) -> None:
    browser.open(stale)
    browser.size(width, 900)
    browser.value("new Promise((done) => setTimeout(done, 400))")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []


def test_five_thousand_events_are_still_drawn(browser: Browser, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.report.html.read_sequence", partial(read_sequence, budget=5_000))
        path = report_of(scenario(time="4s", rate=150), tmp_path)
        browser.open(path)
    assert shown(browser) > 1_800
    assert int(browser.value(ELEMENTS)) < ELEMENTS_MAX * shown(browser, "seq-item")
    level(browser, 3)
    assert browser.complaints == []


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    hostile = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"
    lines = [
        TraceLine(event=1, at=10, kind="send", node="n1", peer="n2", frame=1, what=hostile, body={hostile: hostile}),
        TraceLine(event=2, at=20, kind="frame", node="n2", peer="n1", frame=1, what=hostile),
        TraceLine(event=3, at=30, kind="role", node="n1", what=hostile, body={"ballot": hostile}),
        TraceLine(event=4, at=40, kind="request", node=hostile, peer=hostile, what=hostile),
    ]
    (tmp_path / "trace.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    result: RunResult = bare(verdict=RunVerdict.VALID, place="simulated", nodes=("n1", "n2"), store=hostile)
    write_report(result, History(()), tmp_path / "report.html")
    browser.open(tmp_path / "report.html")
    press(browser, "j")
    assert "onerror" in detail(browser)
    assert browser.value("window.hit === undefined")
    assert browser.value("document.querySelectorAll('main img').length") == 0
    assert browser.complaints == []
