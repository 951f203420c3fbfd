"""A real browser, driven over the pipe of its DevTools protocol: real keys, no other package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ["google-chrome", "google-chrome-stable", "chromium", "chromium-browser"]
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
NEEDS_BROWSER = pytest.mark.skipif(
    BROWSER is None and os.environ.get("CI") != "1",
    reason="no chromium or google-chrome is on the PATH",
)
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--window-size=1000,760",
    "--remote-debugging-pipe",
]


class Browser:
    """One page of a browser."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._number, self._rest = 0, b""
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                part = os.read(self._back, 1 << 20)
                assert part, "the browser has ended"
                self._rest += part
            one, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 60) -> None:
        """Wait until an expression is true; before a page is there, it is not."""
        end = time.monotonic() + seconds
        careful = f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
        while not self.ask(careful):
            assert time.monotonic() < end, f"{expression}: {self.ask('document.body.innerText')}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = key if len(key) == 1 else {"Enter": "\r"}.get(key, "")
        codes = {" ": 32, "Enter": 13, "Tab": 9, "Escape": 27}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        common = {"key": key, "windowsVirtualKeyCode": code}
        kind = "keyDown" if text else "rawKeyDown"
        self._call("Input.dispatchKeyEvent", type=kind, text=text, **common)
        self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    def dark(self) -> None:
        """Prefer dark pages from now on."""
        feature = {"name": "prefers-color-scheme", "value": "dark"}
        self._call("Emulation.setEmulatedMedia", features=[feature])

    def picture(self) -> bytes:
        """What the page looks like, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended with the context."""
    (read_here, back), (there, to) = os.pipe(), os.pipe()

    def give_pipes() -> None:
        # The browser reads from 3 and writes to 4; either may be one of ours already.
        high = [os.dup(there), os.dup(back)]
        for number, fd in zip((3, 4), high, strict=True):
            os.dup2(fd, number)

    running = subprocess.Popen(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=give_pipes,
    )
    os.close(there)
    os.close(back)
    try:
        yield Browser(to, read_here)
    finally:
        running.terminate()
        running.wait(30)
        os.close(to)
        os.close(read_here)
