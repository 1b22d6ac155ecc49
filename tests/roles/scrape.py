"""Debian's Prometheus over a town: the jobs of deploy/prometheus/roles.yml, at the town's ports."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from tools.write_dashboards import dashboard

from conftest import ROOT
from roles.town import Town
from tapelight.app.demo import free_port

DEPLOY = ROOT / "deploy/prometheus"


@contextmanager
def scraped(t: Town, folder: Path) -> Iterator[str]:
    """Yield the address of a Prometheus that scrapes every role of a town."""
    settings = yaml.safe_load((DEPLOY / "roles.yml").read_text("utf-8"))
    settings["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
    for job in settings["scrape_configs"]:
        role = job["job_name"].removeprefix("tapelight-")
        ports = [port for name, port in t.ports.items() if name.rstrip("0123456789") == role]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    shutil.copy(DEPLOY / "rules.yml", folder)
    own = free_port()
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=error",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            yield f"http://127.0.0.1:{own}"
        finally:
            running.terminate()
            running.wait(30)


def samples(url: str, query: str) -> list[Any]:
    """Return what a query gives; nothing while nobody answers."""
    try:
        told = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=5.0).json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return []
    return list(told["data"]["result"]) if told["status"] == "success" else []


def empty_queries(url: str) -> list[str]:
    """Return the queries of the roles' dashboard that return nothing."""
    queries = [t["expr"] for panel in dashboard("roles")["panels"] for t in panel["targets"]]
    return [query for query in queries if not samples(url, query)]


def roles_up(url: str) -> set[str]:
    """Return the roles of which every process answers."""
    down = {one["metric"]["job"] for one in samples(url, "up == 0")}
    up = {one["metric"]["job"] for one in samples(url, "count_over_time(up[1m]) >= 3")}
    return {job.removeprefix("tapelight-") for job in up - down}


def firing(url: str) -> set[str]:
    """Return the critical alerts that fire."""
    found = samples(url, 'ALERTS{alertstate="firing", severity="critical"}')
    return {one["metric"]["alertname"] for one in found}
