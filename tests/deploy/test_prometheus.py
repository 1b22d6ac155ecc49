"""Debian's Prometheus scrapes a scanner and its trader; rules and dashboards hold on what it got."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tools.write_dashboards import DASHBOARDS, dashboard

from tapelight.app.demo import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.service,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]
DEPLOY = Path(__file__).parents[2] / "deploy/prometheus"
LIMIT_S = 180.0


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds, within a limit, and return it."""
    end = time.monotonic() + LIMIT_S
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found


def answered(url: str, **query: str) -> Any:
    try:
        return httpx.get(url, params=query, timeout=5.0).json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return None


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Prometheus that has scraped a demo several times."""
    folder = tmp_path_factory.mktemp("scraped")
    scanner, trader, own, web = free_port(), free_port(), free_port(), free_port()
    (folder / "tapelight.toml").write_text(
        f"[telemetry]\nport = {scanner}\ntrade_port = {trader}\n"
    )
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    settings["global"] = {"scrape_interval": "3s", "evaluation_interval": "3s"}
    for job, port in zip(settings["scrape_configs"], (scanner, trader), strict=True):
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    shutil.copy(DEPLOY / "rules.yml", folder)
    demo = [
        sys.executable, "-m", "tapelight", "demo", "--port", str(web), "--symbols", "50",
        "--rate", "100", "--data", str(folder / "data"), "--config", str(folder / "tapelight.toml"),
    ]  # fmt: skip
    scraper = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=error",
    ]  # fmt: skip
    with subprocess.Popen(demo, stderr=subprocess.DEVNULL) as market:
        try:
            with subprocess.Popen(scraper, stderr=subprocess.DEVNULL) as running:
                try:
                    yield _scraped(f"http://127.0.0.1:{own}")
                finally:
                    running.terminate()
                    running.wait(30)
        finally:
            market.send_signal(signal.SIGTERM)
            market.wait(30)


def _scraped(url: str) -> str:
    """Wait until both processes were scraped three times at least."""
    until(lambda: len(samples(url, "count_over_time(up[5m]) >= 3 and up == 1")) == 2)
    until(
        lambda: samples(
            url, "rate(tapelight_question_seconds_total[1m]) and on() tapelight_desk_ready"
        )
    )
    return url


def samples(url: str, query: str) -> list[Any]:
    told = answered(f"{url}/api/v1/query", query=query)
    return list(told["data"]["result"]) if told and told["status"] == "success" else []


def test_both_roles_are_scraped(prometheus: str) -> None:
    roles = {one["metric"]["role"] for one in samples(prometheus, "tapelight_role_info")}
    assert roles == {"scanner", "trade"}
    assert float(samples(prometheus, "tapelight_rows{state='watched'}")[0]["value"][1]) == 50


@pytest.mark.parametrize("name", sorted(DASHBOARDS.keys() - {"roles"}))
def test_every_query_of_a_dashboard_returns_data(prometheus: str, name: str) -> None:
    queries = [t["expr"] for p in dashboard(name)["panels"] for t in p["targets"]]
    # A signal is not sure to come in so quiet a market.
    empty = [q for q in queries if "signals_total" not in q and not samples(prometheus, q)]
    assert empty == []


def test_the_rules_are_sound_and_a_healthy_scanner_fires_none_that_are_critical(
    prometheus: str,
) -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(DEPLOY / "rules.yml")],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = answered(f"{prometheus}/api/v1/rules")
    rules = told["data"]["groups"][0]["rules"]
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
    firing = {alert["labels"]["alertname"] for rule in rules for alert in rule["alerts"]
              if alert["state"] == "firing" and alert["labels"]["severity"] == "critical"}  # fmt: skip
    assert firing == set()
