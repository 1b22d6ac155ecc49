"""`tapelight doctor`: what would go wrong, and what to do about it."""

import datetime as dt
import errno
import shutil
import socket
from pathlib import Path

from tapelight.config import AUTO, Config
from tapelight.errors import TapelightError
from tapelight.model.clock import MarketClock
from tapelight.model.session import calendar, session_after

Finding = dict[str, str]
LEAST_FREE_GB = 5.0
ANSWER_S = 2.0


def diagnose(config: Config, data: Path) -> list[Finding]:
    """Return the findings: name, state (ok, warn, fail) and a sentence."""
    return [
        _port(config.web.host, config.web.port),
        _feed(config),
        _questions(config),
        _disk(data),
        _clock(),
        _calendar(config),
    ]


def _finding(name: str, state: str, text: str) -> Finding:
    return {"name": name, "state": state, "text": text}


def _port(host: str, port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError:
            text = f"Port {port} doesn't exist: set [web] port to one from 1 to 65535."
            return _finding("port", "fail", text)
        except OSError as error:
            used = error.errno == errno.EADDRINUSE
            if used and _answers(host, port):
                return _finding("port", "ok", f"A Tapelight serves at {host}:{port} already.")
            remedy = (
                "another program uses it. End it, or set another [web] port."
                if used else "set another [web] host or port."
            )  # fmt: skip
            text = f"{host}:{port} can't be had ({error.strerror}): {remedy}"
            return _finding("port", "fail", text)
    return _finding("port", "ok", f"{host}:{port} is free.")


def _answers(host: str, port: int) -> bool:
    """Tell whether it is a Tapelight that has the port."""
    import httpx

    try:
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        return "Tapelight" in httpx.get(url, timeout=ANSWER_S, trust_env=False).text
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False


def _feed(config: Config) -> Finding:
    from tapelight.app.feeds import open_feed

    try:
        open_feed(config)
    except TapelightError as error:
        return _finding("feed", "fail", f"{error} `tapelight demo` needs no feed and no key.")
    return _finding(
        "feed", "ok", f"{config.use_feed} is configured; the key is checked at connect."
    )


def _questions(config: Config) -> Finding:
    from tapelight.app.questions import QuestionFiles

    files = QuestionFiles(Path(config.questions))
    if files.faults:
        return _finding("boards", "fail", " ".join(files.faults.values()))
    return _finding("boards", "ok", f"{len(files.questions.texts)} boards and scans compile.")


def _disk(data: Path) -> Finding:
    folder = next(p for p in (data.resolve(), *data.resolve().parents) if p.exists())
    free = shutil.disk_usage(folder).free / 1e9
    if free < LEAST_FREE_GB:
        text = f"{folder} has {free:.1f} GB free: a full day needs about {LEAST_FREE_GB:.0f} GB."
        return _finding("disk", "warn", text)
    return _finding("disk", "ok", f"{folder} has {free:.0f} GB free.")


def _clock() -> Finding:
    now = dt.datetime.fromtimestamp(MarketClock().now_ns() / 1e9, dt.UTC)
    if now.year < 2025:
        return _finding("clock", "fail", f"The clock says {now:%Y-%m-%d}: set it (NTP).")
    return _finding("clock", "ok", f"The clock says {now:%Y-%m-%d %H:%M:%S} UTC.")


def _calendar(config: Config) -> Finding:
    from tapelight.app.feeds import open_feed

    try:
        name = open_feed(config).calendar if config.calendar == AUTO else config.calendar
    except TapelightError:
        return _finding("calendar", "warn", "The feed brings it: see there.")
    try:
        session = session_after(calendar(name), MarketClock().now_ns())
    except TapelightError as error:
        return _finding("calendar", "fail", str(error))
    half = ", a half day" if session.half_day else ""
    return _finding("calendar", "ok", f"The next session of {name} is {session.date}{half}.")
