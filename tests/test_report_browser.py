"""The page in a real browser: no request, no message, nothing wider than the screen, light, dark and narrow."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from test_report import example

from edgekd.report import write
from edgekd.report.compare import write_comparison

A4 = 688  # width of a printed page inside its margins, CSS pixels
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --remote-debugging-pipe"
)


class Browser:
    """One headless Chromium, driven over its debugging pipe (Chrome DevTools Protocol, file numbers 3 and 4)."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self._write = os.pipe()
        self._read, replies = os.pipe()
        # the shell moves our pipes to the numbers Chromium expects
        line = f'exec "$0" {FLAGS} --user-data-dir={self._profile.name} about:blank 3<&{commands} 4>&{replies}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", line, program], pass_fds=(commands, replies), stderr=subprocess.DEVNULL
        )
        os.close(commands)
        os.close(replies)
        self._unread, self._next, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)
        self._process.terminate()
        self._process.wait(timeout=10)
        os.close(self._read)
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that arrive meanwhile are kept."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._next:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, page: Path, *, width: int, scheme: str = "light", height: int = 900) -> None:
        """Show a file and wait until it is loaded."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"]["value"]

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def print(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"]))

    def complaints(self, page: Path) -> list[Any]:
        """Requests for anything but the page, and messages on the console."""
        found: list[Any] = []
        for event in self.events:
            method = event.get("method", "")
            url = event["params"]["request"]["url"] if method == "Network.requestWillBeSent" else ""
            if url and url != page.as_uri() and not url.startswith("data:"):
                found.append(url)
            if method.startswith(("Log.", "Runtime.console", "Runtime.exception")):
                found.append(event["params"])
        return found

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            more = os.read(self._read, 1 << 20)
            assert more, "chromium ended"
            self._unread += more
        first, self._unread = self._unread.split(b"\0", 1)
        return dict(json.loads(first))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with Browser(CHROMIUM) as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("report")
    report = example(name="a_name_of_thirty_two_letters_long_", simulated=True)
    report["chosen"]["by_group"]["group " + "with_a_very_long_name_" * 6] = {"mae": 0.002, "windows": 3}
    write(report, found)
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (320, "dark")])
def test_the_page_opens_alone_and_fits(browser: Browser, folder: Path, tmp_path: Path, width: int, scheme: str) -> None:
    page = folder / "report.html"
    browser.open(page, width=width, scheme=scheme)
    browser.screenshot(tmp_path / "page.png")
    assert browser.complaints(page) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"
    assert dark is (scheme == "dark")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_the_narrow_drawings_are_shown_on_a_phone_only(browser: Browser, folder: Path) -> None:
    shown = "[...document.querySelectorAll('svg.chart.%s')].filter(e => e.getBoundingClientRect().width).length"
    for width, wide, narrow in ((1200, 3, 0), (390, 0, 3)):
        browser.open(folder / "report.html", width=width)
        assert (browser.evaluate(shown % "wide"), browser.evaluate(shown % "narrow")) == (wide, narrow)


def test_text_stands_out_from_its_ground(browser: Browser, folder: Path) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) for the colours text is set in, light and dark."""
    for scheme in ("light", "dark"):
        browser.open(folder / "report.html", width=1200, scheme=scheme)
        for colour, ground in CONTRASTS:
            assert browser.evaluate(CONTRAST % (colour, ground)) >= 4.5, (scheme, colour, ground)


CONTRASTS = [
    ("ink", "paper"), ("soft", "paper"), ("soft", "panel"), ("accent", "paper"), ("good", "good-paper"),
    ("bad", "bad-paper"), ("warn", "warn-paper"), ("teacher", "paper"), ("good", "panel"), ("bad", "panel"),
]  # fmt: skip
CONTRAST = """(() => {
  const light = name => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    const part = at => { const c = parseInt(hex.slice(at, at + 2), 16) / 255;
                         return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  };
  const pair = [light("%s"), light("%s")].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
})()"""


def test_the_watch_sees_requests_and_errors(browser: Browser, tmp_path: Path) -> None:
    """A page that breaks the promises is noticed: the test above can fail."""
    page = tmp_path / "bad.html"
    page.write_text("<img src='missing.png'><script>console.log('seen'); undefined_name()</script>")
    browser.open(page, width=400)
    browser.evaluate("1")
    found = browser.complaints(page)
    assert "missing.png" in str(found[0]) and "seen" in str(found) and "undefined_name" in str(found)


def test_the_page_prints_with_its_folded_parts(browser: Browser, folder: Path, tmp_path: Path) -> None:
    browser.open(folder / "report.html", width=A4)
    browser.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="print")
    hidden = (
        "[...document.querySelectorAll('details pre, nav')].map(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert browser.evaluate(hidden) == [False, True]
    assert browser.evaluate("document.documentElement.scrollWidth") <= A4
    browser.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize(("width", "scheme"), [(1200, "dark"), (320, "light")])
def test_the_comparison_opens_alone_and_fits(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    write_comparison({"runs/a": example(), "runs/" + "long_" * 12: example(simulated=True)}, tmp_path)
    page = tmp_path / "comparison.html"
    browser.open(page, width=width, scheme=scheme)
    assert browser.complaints(page) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
