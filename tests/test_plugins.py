"""Plug-ins: what is one, what is not, and what the user is told."""

import sys
from pathlib import Path

import pytest

from tapelight.app.feeds import open_feed
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.plugins import check, load, names

SHIPPED = ["alpaca", "binance", "ccxt", "coinbase", "kite", "kraken", "massive"]
LISTED = f"there are {', '.join(SHIPPED)}."


def test_the_feeds_that_ship() -> None:
    assert names("feeds") == SHIPPED
    module = load("feeds", "massive")
    assert module.open(module.Config(api_key="x")).name == "massive"


@pytest.mark.parametrize(
    "name",
    ["replay", "simulator", "_websocket", "_conflate", "tapelight.feeds.replay", "json.tool"],
)
def test_a_module_that_is_no_feed_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as told:
        load("feeds", name)
    said = f"{name!r} is no feed, it offers no Config and open: {LISTED}"
    assert str(told.value) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("masive", "Unknown feed 'masive': did you mean massive?"),
        ("nothing", f"Unknown feed 'nothing': {LISTED}"),
        ("", f"Unknown feed '': {LISTED}"),
        ("no.such", "feed 'no.such' can't be imported: No module named 'no'."),
    ],
)
def test_an_unknown_feed_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        load("feeds", name)
    assert str(told.value) == said


def test_a_feed_of_ones_own_by_its_dotted_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_feeds").mkdir()
    text = "class Config:\n    pass\n\ndef open(config):\n    return 'own'\n"
    (tmp_path / "own_feeds" / "desk.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module = load("feeds", "own_feeds.desk")
    assert module.open(module.Config()) == "own"
    del sys.modules["own_feeds.desk"], sys.modules["own_feeds"]


def test_a_table_of_a_feed_that_there_is_not_is_refused() -> None:
    check("feeds", "coinbase")
    check("feeds", "my_package.my_feed")
    with pytest.raises(ConfigError, match="Unknown feed 'coinbse': did you mean coinbase"):
        open_feed(Config(feed={"coinbse": {"symbols": ["BTC-USD"]}}), "coinbase")


def test_a_setting_of_the_wrong_type_is_told_in_the_words_of_toml() -> None:
    with pytest.raises(ConfigError) as told:
        open_feed(Config(feed={"coinbase": {"symbols": "BTC-USD"}}), "coinbase")
    assert str(told.value) == ('[feed.coinbase]: [symbols] is text: give a list, as ["A", "B"].')
