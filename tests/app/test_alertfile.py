"""Other scanners' CSV: column names, forms of time, what can't be read."""

import datetime as dt
from pathlib import Path

import pytest

from tapelight.app.alertfile import read_alerts
from tapelight.errors import ConfigError
from tapelight.model.session import NEW_YORK, NS

DAY = dt.date(2026, 11, 20)
AT = 1_795_185_065 * NS
"""09:31:05 New York."""


def read(path: Path, text: str) -> tuple[list[tuple[int, str, str]], list[str]]:
    path.write_text(text, "utf-8")
    alerts, faults = read_alerts(path, DAY, NEW_YORK)
    return [(a.ts_ns, a.symbol, a.scan) for a in alerts], faults


@pytest.mark.parametrize(
    "text",
    [
        "time,symbol,scan\n09:31:05,abc,hod\n",
        "Ticker;Alert;Timestamp\n$ABC;hod;2026-11-20 09:31:05\n",
        "\ufeffDate\tTime\tSymbol\tStrategy\n11/20/2026\t9:31:05 AM\tABC\thod\n",
        "time,symbol,alert type\n2026-11-20T14:31:05Z,ABC,hod\n",
        "time,symbol,type\n2026-11-20T09:31:05.000-05:00,ABC,hod\n",
        "date,time,symbol,name\n2026-11-20,09:31:05,ABC,hod\n2026-11-19,09:31:05,OLD,hod\n",
    ],
)
def test_usual_exports_are_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path / "a.csv", text) == ([(AT, "ABC", "hod")], [])


def test_bad_lines_are_told_and_the_others_stay_in_order(tmp_path: Path) -> None:
    text = "time,symbol\n09:31:06,B\nsoon,C\n09:31:05.250,A\n,D\n09:31:05\n"
    alerts, faults = read(tmp_path / "a.csv", text)
    assert alerts == [(AT + NS // 4, "A", ""), (AT + NS, "B", "")]
    assert faults == [
        "line 3: 'soon' is no time: give HH:MM:SS or ISO 8601",
        "line 5: '' is no time: give HH:MM:SS or ISO 8601",
        "line 6: '' is no symbol",
    ]


def test_their_clock_may_be_ahead(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,symbol\n09:31:07,A\n")
    assert read_alerts(path, DAY, NEW_YORK, 2 * NS)[0][0].ts_ns == AT


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no column 'time': call it one of time, timestamp"),
        (b"time,price\n09:31:05,3\n", "has no column 'symbol': call it one of symbol, ticker"),
        (b"time,symbol\nsoon,A\n", "holds no alert that can be read; line 2: 'soon' is no time"),
        (b"time,symbol\n2026-11-19 09:31:05,A\n", "holds no alert of 2026-11-20: give the day"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_alerts(path, DAY, NEW_YORK)
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        read_alerts(tmp_path / "none.csv", DAY, NEW_YORK)
