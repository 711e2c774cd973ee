"""The report in a real browser: drawn, zoomed and hovered, without a single complaint on its console.

Chromium is driven over its own debugging pipe (messages of JSON, ended by NUL, on descriptors 3 and 4), so there is no
driver to install and no port to listen on.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checkers.history import Event, EventType, History
from harness.report import write_report
from harness.results import OperationCounts, RunVerdict
from tests.harness.report_sample import Sample, bare, run_of

pytestmark = pytest.mark.integration

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-unsafe-swiftshader", "--remote-debugging-pipe",
)  # fmt: skip


@dataclass
class Browser:
    """One page of a running Chromium."""

    commands: int
    answers: int
    pending: bytes = b""
    session: str | None = None
    target: str | None = None
    number: int = 0
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; return its result. Events that arrive meanwhile are noted."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.pending:
            part = os.read(self.answers, 1 << 16)
            assert part, "the browser is gone"
            self.pending += part
        text, self.pending = self.pending.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            # The machines that run tests have no graphics card; Chromium says so, and what it costs.
            if "WebGL" not in parameters["entry"]["text"] and "GPU" not in parameters["entry"]["text"]:
                self.complaints.append(json.dumps(parameters["entry"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"][:200])

    def open(self, path: Path) -> None:
        """Open a page in a fresh tab of 1400 × 1000, and wait until it is loaded and its charts, if any, are drawn."""
        self.session, old = None, self.target
        self.target = self.call("Target.createTarget", url="about:blank")["targetId"]
        if old is not None:
            self.call("Target.closeTarget", targetId=old)
        self.session = self.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")
        self.size(1400, 1000)
        self._prefer()
        self.complaints.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")
        self.wait("!document.getElementById('charts') || document.documentElement.dataset.charts")

    def size(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def dark(self) -> None:
        """Prefer dark colours from now on."""
        self._prefer(("prefers-color-scheme", "dark"))

    def _prefer(self, *preferences: tuple[str, str]) -> None:
        still = ("prefers-reduced-motion", "reduce")
        features = [{"name": name, "value": value} for name, value in (still, *preferences)]
        self.call("Emulation.setEmulatedMedia", features=features)

    def value(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a condition of the page holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.value(f"Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def hover(self, place: str, text: str) -> str:
        """Move the pointer to a place (a script says where) until a tooltip has a text; return what is told."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in (told := str(self.value(TOOLTIPS))):
            assert time.monotonic() < deadline, told
            x, y = self.value(place)
            self.move(x - 4, y)
            self.move(x, y)
            time.sleep(0.1)
        return told

    def wheel(self, x: float, y: float, *, ctrl: bool) -> None:
        """Turn the wheel upwards."""
        self.call(
            "Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-120, modifiers=2 if ctrl else 0
        )

    def picture(self, path: Path) -> None:
        """Save the whole page as a picture."""
        content = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(content))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    profile = tmp_path_factory.mktemp("profile")
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    script = f'exec "$0" "$@" 3<&{command_read} 4>&{answer_write}'
    process = subprocess.Popen(
        ["bash", "-c", script, program, *OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(command_read, answer_write),
        stderr=subprocess.DEVNULL,
    )
    os.close(command_read)
    os.close(answer_write)
    page = Browser(command_write, answer_read)
    try:
        yield page
    finally:
        page.session = None
        page.call("Browser.close")
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(command_write)
        os.close(answer_read)


CANVASES = """(() => {
  const count = (root) => [...root.querySelectorAll("*")].reduce(
    (sum, node) => sum + (node.tagName === "CANVAS" ? 1 : 0) + (node.shadowRoot ? count(node.shadowRoot) : 0), 0);
  return count(document.getElementById("charts"));
})()"""

TOOLTIPS = """(() => {
  const text = (node) => node.nodeType === 3 ? node.data : node.tagName === "STYLE" ? "" : (
    [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes].map(text).join(" "));
  return [...document.body.children].filter((node) => node.tagName === "DIV").map(text).join(" ");
})()"""  # Bokeh puts them at the end of the body, each in a shadow root

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
