"""A webhook of somebody's in a thread: it keeps what is posted, and takes its time."""

import http.server
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from alerts.shop import SECRET
from tapelight.alerts.webhook import verify


class Posted(NamedTuple):
    """Hold a delivery's id, as it was signed, and its alert."""

    id: str
    alert: dict[str, Any]


class Hook:
    """Keep each delivery that is genuine; `answer_s` is how long an answer takes."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.answer_s = 0.0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                name = verify(SECRET, headers, body, time.time())
                hook.posted.append(Posted(name, msgspec.json.decode(body)["alert"]))
                time.sleep(hook.answer_s)
                self.send_response(200)
                self.send_header("content-length", "5")
                self.end_headers()
                self.wfile.write(b"taken")

            def log_message(self, *_arguments: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def allowed(self) -> str:
        """Return the settings that let alerts go there."""
        return f'[alerts]\nallow = ["{self.place}"]'

    @property
    def channel(self) -> dict[str, Any]:
        """Return the channel that leads there."""
        return {
            "kind": "webhook",
            "settings": {"url": f"http://{self.place}/hook", "secret": SECRET},
        }

    def ids(self, kind: str = "signal") -> dict[str, set[str]]:
        """Return the ids of the deliveries of each signal; of each rule for other kinds."""
        found: dict[str, set[str]] = defaultdict(set)
        for posted in list(self.posted):
            if posted.alert["kind"] == kind:
                found[posted.alert["signal" if kind == "signal" else "rule"]].add(posted.id)
        return found


@contextmanager
def hook() -> Iterator[Hook]:
    made = Hook()
    made._thread.start()
    try:
        yield made
    finally:
        made._server.shutdown()
        made._thread.join()
        made._server.server_close()
