"""The page of ``antipaxos tune`` in a real browser: no complaint, all points by keyboard, dark and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.browser import Browser, browsing

pytest.importorskip("numpy", reason="antipaxos tune needs NumPy")
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from harness.tuning.command import leave, tune
    from harness.tuning.trace import synthetic

    path = tmp_path_factory.mktemp("tune") / "tune.html"
    leave(tune(synthetic(7, 240_000)), path, None)  # long enough for a detector to be recommended
    return path


def count(browser: Browser, selector: str) -> int:
    return int(browser.value(f"document.querySelectorAll('{selector}').length"))


def test_it_opens_without_a_complaint_or_a_request_and_marks_what_is_recommended(browser: Browser, path: Path) -> None:
    browser.open(path)
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert count(browser, ".series") == 4
    assert count(browser, ".recommended circle") == 1
    told = browser.value("document.querySelector('.recommended text').textContent")
    assert count(browser, "tr:has(.badge)") == 1
    row = browser.value("document.querySelector('tr:has(.badge)').textContent")
    assert told.removeprefix("recommended: ").split(", ")[1] in row


def test_no_two_labels_of_the_axes_lie_on_one_another(browser: Browser, path: Path) -> None:
    browser.open(path)
    overlapping = browser.value("""(() => {
      const boxes = [...document.querySelectorAll(".chart .tick, .chart .title, .chart text.bound, .recommended text")]
        .map((text) => [text.textContent, text.getBoundingClientRect()]);
      const pairs = boxes.flatMap((one, n) => boxes.slice(n + 1).map((other) => [one, other]));
      return pairs.filter(([[, a], [, b]]) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        .map(([[a], [b]]) => a + " / " + b);
    })()""")
    assert overlapping == []


def test_the_keyboard_reaches_a_point_and_its_row(browser: Browser, path: Path) -> None:
    browser.open(path)
    points = count(browser, ".chart a")
    assert points == count(browser, "tbody tr") > 20
    for key in ("Tab",) * 5:  # over the four boxes of the legend
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=9)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=9)
    assert browser.value("document.activeElement.closest('.series.fixed') !== null")
    assert browser.value("getComputedStyle(document.activeElement.querySelector('.told')).visibility") == "visible"
    assert "mistakes an hour" in browser.value("document.activeElement.getAttribute('aria-label')")
    browser.call(
        "Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
    )
    browser.wait("document.querySelector('tr:target') !== null")
    assert browser.value("document.querySelector('tr:target').textContent").startswith("fixed")
    assert browser.complaints == []


def test_every_point_s_words_stay_within_the_drawing(browser: Browser, path: Path) -> None:
    browser.open(path)
    outside = browser.value("""(() => {
      const chart = document.querySelector(".chart").getBoundingClientRect();
      return [...document.querySelectorAll(".told rect")].map((rect) => rect.getBoundingClientRect())
        .filter((box) => box.left < chart.left || box.right > chart.right || box.top < chart.top).length;
    })()""")
    assert outside == 0
    too_narrow = browser.value("""[...document.querySelectorAll(".told")].filter((told) =>
      told.querySelector("text").getBBox().width > told.querySelector("rect").getBBox().width - 4).length""")
    assert too_narrow == 0


def test_a_line_can_be_hidden(browser: Browser, path: Path) -> None:
    browser.open(path)
    shown = "getComputedStyle(document.querySelector('.series.phi')).display"
    assert browser.value(shown) != "none"
    browser.value("document.getElementById('show-phi').click()")
    assert browser.value(shown) == "none"
    assert browser.value(shown.replace(".phi'", ".phi-exponential'")) != "none"


@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_is_as_wide_as_its_screen_and_dark_where_that_is_wanted(
    browser: Browser, path: Path, width: int
) -> None:
    browser.open(path)
    light = browser.value("getComputedStyle(document.body).backgroundColor")
    browser.dark()
    browser.size(width, 900)
    browser.value("new Promise((done) => setTimeout(done, 300))")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("getComputedStyle(document.body).backgroundColor") != light
    assert browser.complaints == []
