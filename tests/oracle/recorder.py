"""Ask a scanner for its boards over and over, each board on its own connection."""

import http.client
import re
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import msgspec

PAUSE_S = 0.03
TIMEOUT_S = 10.0
KNOWN = "/api/market?columns=symbol&where=dollar_vol%20IS%20NOT%20NULL&limit=5000"
_STAMP = re.compile(rb'"ts_ns":(\d+)')


class Recorder:
    """Keep each board's answers by the whole second for which they hold."""

    def __init__(self, port: int, boards: Sequence[str]) -> None:
        self.bodies: dict[str, dict[int, bytes]] = {name: {} for name in boards}
        self.known: list[tuple[int, int]] = []
        """(market time, how many rows knew their dollars then), in the order asked."""
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._poll, args=(b,)) for b in boards]
        self._threads.append(threading.Thread(target=self._count_known))

    def __enter__(self) -> "Recorder":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def latest_ns(self) -> int:
        """Return the newest second that every board has been heard of."""
        return min(max(list(b), default=0) for b in self.bodies.values())

    def wait_for(self, ts_ns: int, limit_s: float) -> None:
        """Wait until every board has been heard of up to `ts_ns`."""
        end_s = time.monotonic() + limit_s
        while self.latest_ns() < ts_ns:
            assert time.monotonic() < end_s, f"no boards up to {ts_ns} within {limit_s:g} s"
            self._stop.wait(0.1)

    def first_rows(self, name: str, limit_s: float) -> int:
        """Wait until a board has rows; return the market time of the first answer with some."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            filled = [ts for ts, answer in self.answers(name).items() if answer["rows"]]
            if filled:
                return filled[0]
            self._stop.wait(0.1)
        raise AssertionError(f"the board {name} has no rows within {limit_s:g} s")

    def complete_ns(self) -> int:
        """Return the first second at which every row that ever knew its dollars knew them."""
        final = self.known[-1][1]
        return min(ts for ts, count in self.known if count == final) + 1_000_000_000

    def answers(self, name: str) -> dict[int, Any]:
        """Return a board's answers by second."""
        return {
            ts: msgspec.json.decode(b) for ts, b in sorted(self.bodies[name].copy().items()) if ts
        }

    def _poll(self, name: str) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, TIMEOUT_S)) as line:
            while not self._stop.wait(PAUSE_S):
                body = _get(line, f"/api/boards/{name}")
                if body and (stamp := _STAMP.search(body)):
                    self.bodies[name].setdefault(int(stamp[1]), body)

    def _count_known(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, TIMEOUT_S)) as line:
            while not self._stop.wait(PAUSE_S * 10):
                body = _get(line, KNOWN)
                if body:
                    rows = len(msgspec.json.decode(body)["rows"])
                    self.known.append((self.latest_ns(), rows))


def _get(line: http.client.HTTPConnection, path: str) -> bytes | None:
    """Return the body of a good answer; None when there is none (yet)."""
    try:
        line.request("GET", path)
        with line.getresponse() as answer:
            body = answer.read()
            return body if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        line.close()
        return None
