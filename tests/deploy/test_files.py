"""What stands in deploy/: schemas, hardening, and commands that the program takes."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from architecture import rules
from roles.town import COMMANDS
from tapelight.cli import app
from tapelight.commands.options import data_folder
from tapelight.config import load
from tapelight.errors import ConfigError

DEPLOY = rules.ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
ROLES = yaml.safe_load((DEPLOY / "scale-out.yaml").read_text("utf-8"))
STACKS = [(stack, name) for stack in (COMPOSE, ROLES) for name in stack["services"]]
K8S = DEPLOY / "k8s"
MANIFESTS = sorted(path.name for path in K8S.glob("*.yaml") if path.name != "kustomization.yaml")
SECRET = re.compile(r"(?i)(password|api_key|secret|token)\s*[:=]\s*[\"']?([^\"'\s$]+)")


def manifest(name: str) -> Any:
    return yaml.safe_load((K8S / name).read_text("utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Return the Containerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", CONTAINERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def known(arguments: list[str]) -> str:
    """Return the command that the program understands of arguments; it exits on what it does not."""
    command, _, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    return str(command.__name__)


def test_the_image_is_built_in_stages_and_runs_as_nobody() -> None:
    made = instructions()
    stages = [i for i, (word, _) in enumerate(made) if word == "FROM"]
    assert len(stages) == 2
    last = made[stages[-1] :]
    assert all(re.search(r":[\w.-]+( AS \w+)?$", text) for word, text in made if word == "FROM")
    assert not [text for word, text in last if word in {"RUN", "ADD"}], "the last stage only copies"
    assert dict(last)["USER"] == "10001:10001"
    for word, text in last:
        if word in {"CMD", "ENTRYPOINT"}:
            json.loads(text)  # the exec form needs no shell
    health = dict(last)["HEALTHCHECK"]
    assert json.loads(health[health.index("[") :])[0] == "python"
    assert "--require-hashes" in CONTAINERFILE
    for word, text in made:
        if word == "COPY" and not text.startswith("--from"):
            for source in text.split()[:-1]:
                assert (rules.ROOT / source).exists(), source


def test_every_command_line_of_the_containers_is_one_of_the_program() -> None:
    last = dict(instructions()[-2:])
    image = json.loads(last["CMD"])
    composed = COMPOSE["services"]["scanner"]["command"]
    pod = manifest("scanner.yaml")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert image == composed == pod
    assert known(image) == "run"


@pytest.mark.parametrize("role", COMMANDS)
def test_the_command_line_of_a_role_is_the_one_that_the_tests_run(role: str) -> None:
    found = [
        service["command"]
        for name, service in ROLES["services"].items()
        if name.split("-")[0] == role
    ]
    assert found
    assert all(command == COMMANDS[role] for command in found)
    assert known(COMMANDS[role]) == "run"


def test_the_roles_have_a_worker_for_each_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASSIVE_API_KEY", "TAPELIGHT_RABBITMQ", "TAPELIGHT_REDIS", "TAPELIGHT_POSTGRES"):
        monkeypatch.setenv(name, f"of {name}")
    config = load(DEPLOY / "scale-out.toml")
    workers = [name for name in ROLES["services"] if name.startswith("scan-")]
    assert config.scale_out.shares == len(workers)
    assert config.scale_out.redis == "of TAPELIGHT_REDIS"
    used = [v.split(":")[0] for s in ROLES["services"].values() for v in s["volumes"]]
    own = [volume for volume in used if not volume.startswith(".")]
    assert {volume for volume in own if own.count(volume) > 1} == {"web"}, "two share a journal"


@pytest.mark.parametrize(("stack", "name"), STACKS, ids=[name for _, name in STACKS])
def test_a_service_of_the_stack_is_hardened_and_bounded(stack: Any, name: str) -> None:
    service = stack["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"])
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "published beyond this machine"
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
        else:
            assert source in stack["volumes"]


def test_prometheus_asks_the_listeners_that_the_configuration_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "from the environment")
    config = load(K8S / "tapelight.toml")
    assert config.feed["massive"]["api_key"] == "from the environment"
    asked = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    targets = [job["static_configs"][0]["targets"][0] for job in asked["scrape_configs"]]
    ports = (config.telemetry.port, config.telemetry.trade_port)
    assert targets == [f"scanner:{port}" for port in ports]
    assert data_folder(None, config.data) == Path("/data")
    monkeypatch.delenv("MASSIVE_API_KEY")
    with pytest.raises(ConfigError, match="set MASSIVE_API_KEY"):
        load(K8S / "tapelight.toml")


def test_prometheus_asks_every_role_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASSIVE_API_KEY", "TAPELIGHT_RABBITMQ", "TAPELIGHT_REDIS", "TAPELIGHT_POSTGRES"):
        monkeypatch.setenv(name, f"of {name}")
    telemetry = load(DEPLOY / "scale-out.toml").telemetry
    asked = yaml.safe_load((DEPLOY / "prometheus/roles.yml").read_text("utf-8"))
    targets = {t for job in asked["scrape_configs"] for t in job["static_configs"][0]["targets"]}
    roles = {n for n, s in ROLES["services"].items() if s["image"] == "tapelight:latest"}
    beside = {"trade": telemetry.receive_port, "alert": telemetry.alert_port}
    own = {f"web:{beside['trade']}", f"alert:{beside['alert']}"}
    assert targets == {f"{n}:{telemetry.port}" for n in roles - beside.keys()} | own
    for name, port in beside.items():
        assert str(port) in ROLES["services"][name]["healthcheck"]["test"][-1]
    assert "/etc/prometheus/roles.yml" in ROLES["services"]["prometheus"]["command"][0]


def test_both_feeds_have_one_folder_of_questions() -> None:
    config = (DEPLOY / "scale-out.toml").read_text("utf-8")
    assert 'questions = "/questions"' in config
    for name in ("feed", "feed-standby"):
        assert "./questions:/questions:ro" in ROLES["services"][name]["volumes"]
        assert "./strategies:/strategies:ro" in ROLES["services"][name]["volumes"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_its_schema(name: str) -> None:
    kubernetes_validate.validate(manifest(name), "1.31", strict=True)


def test_kustomize_names_every_manifest() -> None:
    listed = manifest("kustomization.yaml")
    assert sorted(listed["resources"]) == MANIFESTS
    assert (K8S / listed["configMapGenerator"][0]["files"][0]).is_file()


def check_hardened(pod: Any) -> None:
    """Check that a pod runs as nobody, is probed and bounded."""
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_the_pod_is_hardened_probed_and_bounded() -> None:
    stateful = manifest("scanner.yaml")
    pod = stateful["spec"]["template"]["spec"]
    container = pod["containers"][0]
    check_hardened(pod)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    offered = {volume["name"] for volume in pod["volumes"]}
    assert mounted == offered | {"data"}
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    for name, path in (
        ("service.yaml", ("selector",)),
        ("disruption.yaml", ("selector", "matchLabels")),
        ("network.yaml", ("podSelector", "matchLabels")),
    ):
        chosen = manifest(name)["spec"]
        for key in path:
            chosen = chosen[key]
        assert chosen == labels, name


ROLE_FILES = sorted(
    path.name for path in (DEPLOY / "k8s-roles").glob("*.yaml") if path.name != "kustomization.yaml"
)
PODS = ("feed", "scan", "web", "archive")


def of_roles(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "k8s-roles" / name).read_text("utf-8"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ROLE_FILES)
def test_a_manifest_of_the_roles_fits_its_schema(name: str) -> None:
    kubernetes_validate.validate(of_roles(name), "1.31", strict=True)
    assert name in of_roles("kustomization.yaml")["resources"]


@pytest.mark.parametrize("role", PODS)
def test_the_pod_of_a_role_is_hardened_and_runs_what_the_tests_run(role: str) -> None:
    spec = of_roles(f"{role}.yaml")["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert container["args"] == COMMANDS[role]
    check_hardened(pod)
    assert spec["template"]["metadata"]["labels"] == spec["selector"]["matchLabels"]
    claimed = {c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", ())}
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]} | claimed


def test_the_cluster_has_a_worker_for_each_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASSIVE_API_KEY", "TAPELIGHT_RABBITMQ", "TAPELIGHT_REDIS", "TAPELIGHT_POSTGRES"):
        monkeypatch.setenv(name, f"of {name}")
    config = load(DEPLOY / "k8s-roles" / "tapelight.toml")
    assert of_roles("scan.yaml")["spec"]["replicas"] > config.scale_out.shares
    assert of_roles("service.yaml")["spec"]["selector"]["app.kubernetes.io/component"] == "web"


def test_nothing_in_deploy_holds_a_secret() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            for _, value in SECRET.findall(path.read_text("utf-8")):
                assert value.startswith(("$", "{", ".", "?")) or value == "false", (
                    f"{path.name}: {value}"
                )
