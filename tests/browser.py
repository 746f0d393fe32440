"""Chromium without a window, driven by its debugging protocol."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

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

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move, press or release the mouse at a place of the window."""
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def wait_for(self, script: str) -> Any:
        """What a script gives as soon as it is true; plotly answers the mouse with a delay."""
        end = time.monotonic() + 10
        while not (found := self.evaluate(script)):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return found

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
