"""`tapelight preflight`: what must stand before the session begins; the operator is told if not."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tapelight.alerts._post import Allowed, Post
from tapelight.app.channels import made
from tapelight.app.data.status import overview
from tapelight.app.doctor import Finding, diagnose
from tapelight.app.localkey import local_key
from tapelight.config import AUTO, Config
from tapelight.errors import ConfigError, TapelightError
from tapelight.model.alerts import Alert, delivery, hashed
from tapelight.model.session import calendar, session_after, session_before

ASK_S = 10.0
SEND_S = 30.0


def preflight(config: Config, data: Path) -> list[Finding]:
    """Return the findings: what `doctor` finds, the running scanner, and the reference data."""
    found = [one for one in diagnose(config, data) if one["name"] != "port"]
    return [*found, _scanner(config, data), *_reference(config, data)]


def _scanner(config: Config, data: Path) -> Finding:
    """Ask the running scanner whether its feed is live."""
    url = f"http://127.0.0.1:{config.web.port}/health"
    try:
        key = {"authorization": f"Bearer {local_key(data)}"} if local_key(data) else {}
        told = httpx.get(url, headers=key, timeout=ASK_S).json()
    except (httpx.HTTPError, ValueError) as error:
        text = f"No scanner answers at {url} ({error}): systemctl start tapelight, or see its log."
        return _finding("scanner", "fail", text)
    if told.get("ok"):
        return _finding("scanner", "ok", "The scanner runs and its feed is live.")
    return _finding("scanner", "fail", str(told.get("reason", "It does not say why.")))


def _reference(config: Config, data: Path) -> list[Finding]:
    try:
        rows = list(overview(data))
    except ConfigError as error:
        return [_finding("baselines", "fail", str(error))]
    cal = calendar("XNYS" if config.calendar == AUTO else config.calendar)
    last = session_before(cal, session_after(cal, time.time_ns())).date.isoformat()
    return judged(rows, last)


def judged(rows: Sequence[Mapping[str, Any]], last: str) -> list[Finding]:
    """Return what the kept days, floats and splits are worth; `last` is the session before."""
    days = max((str(row["to"]) for row in rows if row["what"] in ("days", "minutes")), default="")
    counts = {row["what"]: row["count"] for row in rows}
    pull = "`tapelight data pull` brings it."
    stands = days >= last
    return [
        _finding(
            "baselines",
            "ok" if stands else "fail",
            f"Days are kept up to {days}."
            if stands
            else f"Days are kept up to {days or 'none'}, the last session was {last}: {pull}",
        ),
        *(
            _finding(name, "ok", f"{counts[what]} are kept.")
            if counts.get(what)
            else _finding(name, "warn", f"None are kept: {pull}")
            for name, what in (("floats", "float"), ("splits", "splits"))
        ),
    ]


def _finding(name: str, state: str, text: str) -> Finding:
    return {"name": name, "state": state, "text": text}


def tell(config: Config, findings: Sequence[Finding]) -> list[str]:
    """Send what fails to every channel of the operator; return what could not be told."""
    failed = [f"{one['name']}: {one['text']}" for one in findings if one["state"] == "fail"]
    if not failed or not config.channel:
        return []
    return asyncio.run(_send(config, "Tapelight's check before the session: " + " ".join(failed)))


async def _send(config: Config, text: str) -> list[str]:
    post, faults = Post(Allowed(config.alerts.allow)), []
    now_ns = time.time_ns()
    alert = Alert(id=hashed("preflight", now_ns), owner="", rule="preflight", kind="test", text=text,
                  ts_ns=now_ns)  # fmt: skip
    try:
        for name, table in config.channel.items():
            settings = {key: value for key, value in table.items() if key != "kind"}
            try:
                channel = made(str(table.get("kind", "")), settings, f"[channel.{name}]", post)
                async with asyncio.timeout(SEND_S):
                    await channel.send(delivery(alert, name, now_ns), post)
            except (TapelightError, TimeoutError) as error:
                faults.append(f"channel {name}: {str(error) or 'no answer'}")
    finally:
        await post.close()
    return faults
