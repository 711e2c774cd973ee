"""The report in a real browser: drawn, zoomed and hovered, without a single complaint on its console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkers.history import Event, EventType, History
from harness.report import write_report
from harness.results import OperationCounts, RunVerdict
from tests.harness.report_sample import Sample, bare, run_of
from tests.integration.browser import Browser, browsing

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


CANVASES = """(() => {
  const count = (root) => [...root.querySelectorAll("*")].reduce(
    (sum, node) => sum + (node.tagName === "CANVAS" ? 1 : 0) + (node.shadowRoot ? count(node.shadowRoot) : 0), 0);
  return count(document.getElementById("charts"));
})()"""

RANGE = "(({start, end}) => [start, end])(Bokeh.documents[0].get_model_by_name('time'))"


def place_of_bar(position: int, source: str = "involved") -> str:
    """A script: where on the screen the n-th bar of a source is."""
    return f"""(() => {{
      const chart = Bokeh.documents[0].get_model_by_name("lane-chart");
      const view = Bokeh.index.find_one(chart);
      const data = Bokeh.documents[0].get_model_by_name("{source}").data;
      view.el.scrollIntoView({{block: "center", behavior: "instant"}});
      const box = view.el.getBoundingClientRect();
      return [box.left + view.frame.x_scale.compute(data.x[{position}]),
              box.top + view.frame.y_scale.compute(data.row[{position}])];
    }})()"""


def has_bokeh() -> None:
    pytest.importorskip("bokeh", reason="the charts need Bokeh")


def test_a_violation_is_drawn_without_a_complaint_or_a_request(browser: Browser, tmp_path: Path) -> None:
    has_bokeh()
    path = tmp_path / "report.html"
    result, history = run_of(Sample())
    write_report(result, history, path)
    browser.open(path)
    assert browser.value("document.querySelector('#verdict h1').textContent") == "VIOLATION"
    assert browser.value("document.documentElement.dataset.charts") == "drawn"
    assert browser.value(CANVASES) >= 4
    assert browser.value(RANGE) == [0, 60]
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_zooming_to_an_anomaly_shows_its_operations(browser: Browser, tmp_path: Path) -> None:
    has_bokeh()
    path = tmp_path / "report.html"
    result, history = run_of(Sample())
    write_report(result, history, path)
    browser.open(path)
    browser.value("document.querySelector('#anomaly-1 button').click()")
    start, end = browser.value(RANGE)
    indices = result.checkers[0].anomalies[0].operations
    times = [event.time / 1e9 for event in history.events if event.index in indices and event.time is not None]
    assert start < min(times) and max(times) < end and end - start < 10
    browser.value("document.querySelector('#timeline button').click()")
    assert browser.value(RANGE) == [0, 60]
    assert browser.complaints == []


def test_the_wheel_zooms_with_ctrl_only_and_hovering_tells_the_operation(browser: Browser, tmp_path: Path) -> None:
    has_bokeh()
    path = tmp_path / "report.html"
    result, history = run_of(Sample())
    write_report(result, history, path)
    browser.open(path)
    browser.value("document.querySelector('#anomaly-1 button').click()")
    told = browser.hover(place_of_bar(1), "process")
    assert "write(" in told and "ok after" in told
    x, y = browser.value(place_of_bar(1))
    before = browser.value(RANGE)
    browser.wheel(x, y, ctrl=False)
    assert browser.value(RANGE) == before
    x, y = browser.value(place_of_bar(1))
    browser.wheel(x, y, ctrl=True)
    browser.wait(f"({RANGE})[1] - ({RANGE})[0] < {before[1] - before[0]}")
    assert browser.complaints == []


def test_hostile_values_stay_text(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    hostile = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>$$\\href{javascript:1}{x}$$"
    events = (
        Event(0, 1_000_000, 0, EventType.INVOKE, hostile, hostile, hostile),
        Event(1, 900_000_000, 0, EventType.INFO, hostile, hostile, hostile, hostile),
    )
    result = bare(
        verdict=RunVerdict.UNKNOWN, sentence=hostile, scenario=hostile, replay=hostile, notes=(hostile,),
        duration_s=1.0, operations=OperationCounts(info=1),
    )  # fmt: skip
    write_report(result, History(events), path)
    browser.open(path)
    assert browser.value("document.getElementById('replay').textContent") == hostile
    if browser.value("Boolean(document.getElementById('charts'))"):
        browser.hover(place_of_bar(0, "info"), "onerror")
    assert browser.value("window.hit === undefined")
    assert browser.value("document.querySelectorAll('main img').length") == 0
    assert browser.complaints == []


@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_is_as_wide_as_its_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    write_report(*run_of(Sample()), path)
    browser.open(path)
    browser.dark()
    browser.size(width, 900)
    browser.value("new Promise((done) => setTimeout(done, 300))")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []


def test_a_run_in_which_nothing_happened_still_opens(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(bare(), History(()), path)
    browser.open(path)
    assert browser.value("document.querySelector('#verdict h1').textContent") == "HARNESS FAILURE"
    assert "nothing to draw" in browser.value("document.getElementById('timeline').textContent")
    assert browser.complaints == []
