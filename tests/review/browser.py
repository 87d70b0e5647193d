"""Drive a headless Chromium over its own pipe (the DevTools protocol): enough to press keys and look."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: The codes of the keys that are not one character.
_NAMED = {
    "Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36, "Tab": 9,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


#: Chromium listens on 3 and answers on 4; 103 and 104 keep one pipe from being taken for the other meanwhile.
_LAUNCH = """
import os, sys
for here, there in zip(map(int, sys.argv[1:3]), (103, 104)):
    os.dup2(here, there)
for number in (3, 4):
    os.dup2(100 + number, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


#: True once a page is drawn and takes keys.
READY = "!document.getElementById('grid').hasAttribute('aria-busy')"


class Chromium:
    """A running browser; `tab` opens windows that share no cookies. Use it as a context manager."""

    def __init__(self, profile: Path) -> None:
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()

        self.process = subprocess.Popen(
            [
                sys.executable, "-c", _LAUNCH, str(read_there), str(write_there), CHROMIUM,
                "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
                "--disable-background-networking", f"--user-data-dir={profile}", "about:blank",
            ],
            pass_fds=(read_there, write_there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_there)
        os.close(write_there)
        self._read, self._write = read_here, write_here
        self._buffer, self._count = b"", 0
        self.events: list[dict] = []

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._read)
        os.close(self._write)

    def tab(self, width: int = 1440, height: int = 900) -> "Browser":
        return Browser(self, width, height)

    def call(self, method: str, session: str | None = None, **params: object) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                chunk = os.read(self._read, 1 << 16)
                assert chunk, "the browser is gone"
                self._buffer += chunk
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)


class Browser:
    """One tab with cookies and storage of its own; use it as a context manager."""

    def __init__(self, chromium: Chromium, width: int, height: int) -> None:
        self._chromium, self._session = chromium, None
        self._context = self._call("Target.createBrowserContext")["browserContextId"]
        target = self._call("Target.createTarget", url="about:blank", browserContextId=self._context)
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setFocusEmulationEnabled", enabled=True
        )  # two tabs: both think they are in front
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._session, session = None, self._session
        self._call("Target.disposeBrowserContext", browserContextId=self._context)
        self._chromium.events = [e for e in self._chromium.events if e.get("sessionId") != session]

    def navigate(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def open(self, url: str) -> None:
        self.navigate(url)
        self.until("document.readyState === 'complete' && document.querySelectorAll('#grid li').length > 0")

    def press(self, *keys: str) -> None:
        """Press keys one after the other; `Shift+X` holds shift."""
        for name in keys:
            shift, key = name.startswith("Shift+"), name.removeprefix("Shift+")
            key = " " if key == "Space" else key
            code = _NAMED.get(key) or ord(key.upper())
            text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            spec = dict(key=key, windowsVirtualKeyCode=code, modifiers=8 * shift, **text)
            self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **spec)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector: str, times: int = 1) -> None:
        """Click at the middle of an element, or double-click."""
        x, y = self._middle(selector)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def swipe(self, selector: str, right: int = 0, down: int = 0) -> None:
        """Move a finger over an element by pixels; without any, tap it."""
        self._call("Emulation.setTouchEmulationEnabled", enabled=True)
        x, y = self._middle(selector)
        steps = [(x + right * part / 4, y + down * part / 4) for part in range(1, 5)] if right or down else []
        self._call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for there in steps:
            self._call(
                "Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": there[0], "y": there[1]}]
            )
        self._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def _middle(self, selector: str) -> tuple[float, float]:
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        return tuple(self.eval(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})"))

    def press_each(self, *keys: str) -> None:
        """Press keys as a person does who waits for the page to be there."""
        for key in keys:
            self.until(READY)
            self.press(key)
        self.until(READY)

    def eval(self, script: str):
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 180) -> None:
        """Wait for something to come true; the limit only ends a test that would hang."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.eval(script):
                return
            time.sleep(0.03)
        raise AssertionError(f"never came true: {script}\n{self.eval('document.body.innerText')}")

    def text(self, selector: str) -> str:
        return self.eval(f"document.querySelector({json.dumps(selector)}).textContent").strip()

    def offline(self, off: bool) -> None:
        self._call(
            "Network.emulateNetworkConditions",
            offline=off,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )
        # The browser's network process hears of it later than we do.
        there, gone = ("false", "true") if off else ("true", "false")
        self.until(f"fetch(location.href, {{cache: 'no-store'}}).then(() => {there}, () => {gone})")

    def dark(self, on: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """Return what the console would show in red."""
        self.eval("1")  # what happened before is told before the answer
        told = []
        for event in self._chromium.events:
            if event.get("sessionId") != self._session:
                continue
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                told.append(details.get("exception", {}).get("description", details["text"]))
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                told.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return told

    def _call(self, method: str, **params: object) -> dict:
        return self._chromium.call(method, self._session, **params)
