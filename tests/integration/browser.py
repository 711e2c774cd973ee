"""A headless Chromium for tests, driven over its own debugging pipe.

Messages are JSON, ended by NUL, on descriptors 3 and 4, so there is no driver to install and no port to listen on.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

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


TOOLTIPS = """(() => {
  const text = (node) => node.nodeType === 3 ? node.data : node.tagName === "STYLE" ? "" : (
    [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes].map(text).join(" "));
  return [...document.body.children].filter((node) => node.tagName === "DIV").map(text).join(" ");
})()"""  # Bokeh puts them at the end of the body, each in a shadow root


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with its data in a folder; it is ended at the end. Skips the test if there is none."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
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
