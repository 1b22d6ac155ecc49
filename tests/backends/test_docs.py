"""docs/backends.md names what is there."""

import re
from importlib import import_module

from architecture import rules
from tapelight import ports
from tapelight.testing import backends

DOCS = (rules.ROOT / "docs/backends.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \|(.*)\|$", re.MULTILINE)


def test_each_row_names_a_port_its_kit_and_classes() -> None:
    rows = ROW.findall(DOCS)
    assert len(rows) == 5
    for port, kit, classes in rows:
        assert hasattr(ports, port)
        assert callable(getattr(backends, kit))
        for dotted in re.findall(r"`([\w.]+)`", classes):
            module, _, name = dotted.rpartition(".")
            assert hasattr(import_module(f"tapelight.{module}"), name)
    kits = {name for name in vars(backends) if name.startswith("check_")}
    assert kits == {kit for _, kit, _ in rows}
