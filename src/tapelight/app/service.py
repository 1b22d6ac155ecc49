"""The systemd units: the scanner as a service, and the preflight before the session."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tapelight.errors import ConfigError

SYSTEM = Path("/etc/systemd/system")
PREFLIGHT = "Mon..Fri 03:55 America/New_York"
"""Five minutes before the first trade."""
UNIT = """\
[Unit]
Description=Tapelight, a real-time market scanner
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
ExecStart={run}
Environment=NUMBA_CACHE_DIR={data}/cache
Restart=always
RestartSec=1
TimeoutStopSec=30
LimitNOFILE=20000
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={data}
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes

[Install]
WantedBy={target}
"""
CHECK = """\
[Unit]
Description=Tapelight's check before the session

[Service]
Type=oneshot
ExecStart={check}
Environment=NUMBA_CACHE_DIR={data}/cache
"""
TIMER = """\
[Unit]
Description=Tapelight's check before the session

[Timer]
OnCalendar={when}

[Install]
WantedBy=timers.target
"""


def units(config: Path, data: Path, *, user: bool) -> dict[str, str]:
    """Return the unit files by name; paths are made absolute."""
    config, data = config.resolve(), data.resolve()
    for path in (config, data, Path(sys.executable)):
        if any(c.isspace() or c in "%\"'\\" for c in str(path)):
            raise ConfigError(f"{path}: systemd wants paths without spaces, quotes and %.")
    lead = f"{sys.executable} -m tapelight"
    given = f"--config {config} --data {data}"
    target = "default.target" if user else "multi-user.target"
    return {
        "tapelight.service": UNIT.format(run=f"{lead} run {given}", data=data, target=target),
        "tapelight-preflight.service": CHECK.format(check=f"{lead} preflight {given}", data=data),
        "tapelight-preflight.timer": TIMER.format(when=PREFLIGHT),
    }


def install(config: Path, data: Path) -> list[str]:
    """Write the units, for the system as root and for the user otherwise; say what is next.

    Raises ConfigError where there is no systemd or no configuration.
    """
    if not config.is_file():
        raise ConfigError(f"{config} is not there: run `tapelight init` first.")
    if shutil.which("systemctl") is None:
        raise ConfigError(
            "There is no systemd here: `tapelight service print` shows the units, or use deploy/."
        )
    user = os.getuid() != 0
    folder = Path.home() / ".config/systemd/user" if user else SYSTEM
    folder.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    for name, text in units(config, data, user=user).items():
        (folder / name).write_text(text, "utf-8")
    systemctl = "systemctl --user" if user else "systemctl"
    subprocess.run([*systemctl.split(), "daemon-reload"], check=False, timeout=30)
    return [
        f"Wrote {', '.join(units(config, data, user=user))} to {folder}.",
        f"Next: {systemctl} enable --now tapelight.service tapelight-preflight.timer",
        *(
            ["And: loginctl enable-linger, so that it runs while you are logged out."]
            if user
            else []
        ),
    ]
