"""Headless Chromium for tests, by the DevTools protocol: opens pages, clicks, presses keys and takes pictures."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PATIENCE = 120.0
"""Seconds until a page must have come to what is waited for: a generous bound, for a machine that is busy."""

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "ArrowDown": (40, ""),
    "ArrowUp": (38, ""),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "Tab": (9, ""),
    "End": (35, ""),
    "Home": (36, ""),
}


class Browser:
    """One Chromium with one page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        """What the console has had of errors and warnings, and what was raised and not caught."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """One command of the protocol."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            told = json.loads(self._socket.recv(timeout=PATIENCE))
            self._hear(told)
            if told.get("id") == number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]

    def _hear(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(str(details.get("exception", {}).get("description", details["text"])))
        elif told.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one)) for one in params["args"]))
        elif told.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def open(self, url: str | pathlib.Path, wait: str = "document.readyState === 'complete'") -> None:
        """Go there, and wait until that holds."""
        address = url.resolve().as_uri() if isinstance(url, pathlib.Path) else url
        self.call("Page.navigate", url="about:blank")  # else one that differs in its fragment alone is not opened anew
        self.call("Page.navigate", url=address)
        self.until(f"location.href !== 'about:blank' && ({wait})")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; that of a promise is waited for."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""
        limit = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(AssertionError):  # a page on its way has no context
                if self.run(f"Boolean({script})"):
                    return
            assert time.monotonic() < limit, f"never true in the page: {script}; it says {self.complaints}"
            self.run("new Promise((done) => setTimeout(done, 20))")

    def click(self, selector: str, text: str = "") -> None:
        """Click, as a person does, on the first element that fits and has that text in it."""
        all_of = f"[...document.querySelectorAll({json.dumps(selector)})]"
        find = f"{all_of}.find((e) => e.textContent.includes({json.dumps(text)}))"
        self.until(find)
        box = self.run(
            f"(() => {{ const e = {find}; e.scrollIntoView({{block: 'nearest'}}); const b = e.getBoundingClientRect();"
            " return [b.x + Math.min(b.width / 2, 60), b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, *keys: str) -> None:
        """Press keys, by name or as a character."""
        for key in keys:
            code, text = KEYS.get(key, (ord(key.upper()[0]), key))
            options: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", **options, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **options)

    def type(self, text: str) -> None:
        """Type it where the keyboard is."""
        self.call("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """What an element shows."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        """What all such elements show."""
        return list(self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)"))

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """How large the page is, and which colours it is asked for."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: pathlib.Path) -> None:
        """Take one."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Say goodbye; the process ends with it."""
        self._session = None
        with contextlib.suppress(Exception):
            self.call("Browser.close")


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser, which is gone afterwards with all that it wrote."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            door = _door(pathlib.Path(profile) / "DevToolsActivePort", process)
            with connect(door, max_size=None, open_timeout=PATIENCE) as socket:
                browser = Browser(socket)
                yield browser
                browser.close()
        finally:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # it was told nothing, or does not listen
                process.kill()
                process.wait()


def _door(file: pathlib.Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser listens, once it says so."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split("\n")[:2]
            return f"ws://127.0.0.1:{int(port)}{path}"
        time.sleep(0.05)
    raise AssertionError("the browser does not say where it listens")
