"""docs/alerts.md names every key, kind and header that there is."""

from pathlib import Path

import msgspec
import pytest

from tapelight.alerts import webhook
from tapelight.model.alerts import Level, Rule
from tapelight.plugins import load, names

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
OWN = {"snoozed_until_ns", "reached_ns", "sound", "symbol", "price", "note", "side", "channels"}


@pytest.mark.parametrize("kind", [Rule, Level])
def test_every_key_is_told(kind: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(kind)} - OWN
    assert {key for key in keys if f"`{key}`" not in TEXT and f'"{key}"' not in TEXT} == set()


def test_every_channel_is_told_with_what_it_must_have() -> None:
    for name in names("alerts"):
        assert f"`{name}`" in TEXT or f'kind = "{name}"' in TEXT
        for field in msgspec.structs.fields(load("alerts", name).Config):
            assert f"`{field.encode_name}`" in TEXT or f"{field.encode_name} = " in TEXT


def test_every_header_is_told() -> None:
    headers = (webhook.SIGNATURE, webhook.TIMESTAMP, webhook.DELIVERY, webhook.ATTEMPT)
    assert [header for header in headers if f"`{header}`" not in TEXT] == []
