"""`tapelight init`: a first configuration."""

from pathlib import Path

from tapelight.errors import ConfigError

CONFIG = """\
# Tapelight: every key here has the value it would have anyway.
data = "data"                # all that is written goes here (--data, TAPELIGHT_DATA)
use_feed = "massive"
calendar = "auto"
questions = "questions"      # own boards and scans, one .sql file each
strategies = "strategies"    # own strategies, one .py file each; [strategy.NAME] sets parameters

# [strategy.opening_range]   # what it takes: tapelight list strategies --json
# enabled = true
# stop = "range"

[web]
host = "127.0.0.1"
port = 8787

[journal]
sessions = 10
gigabytes = 20.0

# What runs beside a feed of US shares, without a key: halts and filings.
# sources = ["nasdaq_halts", "edgar"]
# [source.edgar]
# user_agent = "Your Name you@example.com"   # the SEC asks who asks

[options]
symbols = 40                 # whose option chains are fetched every five minutes; 0: nobody's

[feed.massive]
api_key = ""                 # the key of your Massive account
channels = ["T", "Q", "LULD"]
"""
BOARD = """\
-- title = "My first board"
-- doc = "Cheap, moving, and tighter than 0.5 %."
SELECT symbol, last, chg_pct, vol, rvol_tod, spread_pct, trade_rate
FROM market
WHERE last BETWEEN 2 AND 20 AND chg_pct >= 2 AND spread_pct <= 0.5
ORDER BY rvol_tod DESC LIMIT 50
"""


def write_first_config(folder: Path) -> list[str]:
    """Write the files, never over existing ones; return what to do next."""
    config, board = folder / "tapelight.toml", folder / "questions" / "my_first_board.sql"
    if config.exists():
        raise ConfigError(f"{config} is there already: edit it, or choose another folder.")
    board.parent.mkdir(parents=True, exist_ok=True)
    (folder / "strategies").mkdir(exist_ok=True)
    config.write_text(CONFIG, "utf-8")
    config.chmod(0o600)
    board.write_text(BOARD, "utf-8")
    return [
        f"Wrote {config} and {board}.",
        "Next: put your key under [feed.massive], then `tapelight doctor` and `tapelight run`.",
    ]
