"""Drives a headless Chromium through its DevTools pipe: no driver, no port and no package of its own.

The protocol is documented at https://chromedevtools.github.io/devtools-protocol/: a message is JSON that ends with a
zero byte; file descriptor 3 of the browser is read, 4 is written.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage", "--mute-audio", "--remote-debugging-pipe",
)  # fmt: skip
_TIMEOUT_S = 60.0


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A browser with one page, ended by `with`.

    Args:
        flags: more flags of Chromium, such as "--use-fake-device-for-media-stream".

    Attributes:
        requests: URL of every request that the page has made.
        problems: errors that the page has thrown or logged.
    """

    def __init__(self, *flags: str) -> None:
        self.requests: list[str] = []
        self.problems: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        self.downloads = self._folder / "downloads"
        self._process, self._to, self._from = _start(self._folder, flags)
        self._buffer, self._last, self._answers = b"", 0, {}
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._to, self._from):
            os.close(descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, url: str, before: str = "") -> None:
        """Load a page afresh; `before` is JavaScript that runs ahead of its own."""
        script = self.call("Page.addScriptToEvaluateOnNewDocument", source=before)["identifier"]
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command of the protocol.

        Raises:
            RuntimeError: the browser refuses it.
            TimeoutError: no answer.
        """
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _TIMEOUT_S
        while self._last not in self._answers:
            self._receive(end)
        answer = self._answers.pop(self._last)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"].get("exception", {}).get("description")))
        return found["result"].get("value")

    def wait(self, condition: str, timeout_s: float = _TIMEOUT_S) -> Any:
        """Wait until a JavaScript expression is true, and give its value."""
        end = time.monotonic() + timeout_s
        while not (value := self.evaluate(condition)):
            if time.monotonic() > end:
                raise TimeoutError(
                    f"not within {timeout_s:g} s: {condition}; the page shows {self.text('body')[:600]!r}"
                )
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        """What an element shows."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector: str) -> None:
        """Click an element."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, code: int) -> None:
        """Press a key: its name and its Windows virtual key code."""
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def choose(self, selector: str, *paths: Path) -> None:
        """Choose files in a file field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def drop(self, selector: str, *paths: Path) -> None:
        """Drop files or folders on an element, as from a file manager."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{find}.scrollIntoView()")
        box = self.evaluate(f"{find}.getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + 8
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def download(self, name: str, timeout_s: float = 10.0) -> bytes:
        """The bytes of a file that the page has saved; it is taken away."""
        path, end = self.downloads / name, time.monotonic() + timeout_s
        while not path.is_file():
            if time.monotonic() > end:
                raise TimeoutError(f"{name} was not saved")
            time.sleep(0.05)
        found = path.read_bytes()
        path.unlink()
        return found

    def show(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Set the window's size and the colours that the system prefers."""
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(shot))

    def accessibility(self) -> list[dict[str, Any]]:
        """What a screen reader is given: role and name of every node that it does not skip."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            {key: node.get(key, {}).get("value", "") for key in ("role", "name")}
            for node in nodes
            if not node["ignored"]
        ]

    def _receive(self, end: float) -> None:
        """Take in what the browser has sent."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not answer")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        *messages, self._buffer = self._buffer.split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._note(message["method"], message["params"])

    def _note(self, event: str, parameters: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"])[:1000])
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.problems.append(json.dumps(parameters["args"])[:1000])
        elif event == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])


def _start(folder: Path, flags: tuple[str, ...]) -> tuple[subprocess.Popen, int, int]:
    """The process, and the ends of its pipes: to write to, to read from."""
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(f"no Chromium is installed under any of the names {', '.join(NAMES)}")
    read_end, to = os.pipe()
    come, write_end = os.pipe()

    def place_pipes() -> None:
        # Copies above 9 first: one of the ends may lie where the other belongs.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (read_end, write_end)]
        for end, wanted in zip(ends, (3, 4)):
            os.dup2(end, wanted)

    process = subprocess.Popen(
        [path, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, "about:blank"],
        preexec_fn=place_pipes,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read_end)
    os.close(write_end)
    return process, to, come
