"""News on the table: age, counts, the newest headline, and no source is unknown."""

import numpy as np
import pytest

from tapelight.engine import Engine
from tapelight.market.view import View
from tapelight.model.headline import MAX_CHARS, plain, tags_of
from tapelight.model.records import Article, Mark, News, Symbols
from tapelight.model.session import NS, calendar, session_at, session_before

XNYS = calendar("XNYS")
NOW_NS = 1_795_190_400 * NS
"""2026-11-20 11:00 New York."""
MIN = 60 * NS


def article(number: int, minutes_ago: float, *symbols: str, headline: str = "News") -> Article:
    at = NOW_NS - int(minutes_ago * MIN)
    return Article(str(number), at, f"{headline} {number}", symbols, "Wire", tags_of(headline))


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    engine.apply(Symbols(0, ["AA", "BB", "CC"]))
    engine.apply(Mark(NOW_NS, NOW_NS))
    return engine


def test_without_a_source_news_is_unknown(engine: Engine) -> None:
    view = View(engine.table)
    for name in ("news_age_min", "news_24h", "news_since_close"):
        assert np.isnan(view[name]).all()
    engine.apply(News(NOW_NS))
    assert View(engine.table)["news_24h"].tolist() == [0.0, 0.0, 0.0]


def test_a_source_that_is_gone_makes_the_counts_unknown_until_it_is_back(engine: Engine) -> None:
    names = ("news_age_min", "news_24h", "news_since_close")
    engine.apply(News(NOW_NS, (article(1, 5, "AA"),)))
    before = [View(engine.table)[name][0] for name in names]
    engine.apply(News(NOW_NS, gone=True))
    assert np.isnan([View(engine.table)[name] for name in names]).all()
    assert View(engine.table)["headline"].values()[0] == "News 1"
    other = Engine()
    other.table.news.thaw(engine.table.news.freeze())
    assert not other.table.news.sourced
    engine.apply(News(NOW_NS))
    assert [View(engine.table)[name][0] for name in names] == before == [5.0, 1.0, 1.0]


def test_age_counts_and_the_newest_headline(engine: Engine) -> None:
    engine.apply(News(NOW_NS, (article(1, 600, "AA"), article(2, 12.5, "AA", "CC", "ZZ"))))
    offering = article(3, 2, "CC", headline="CC prices a public offering")
    engine.apply(News(NOW_NS, (offering, article(2, 12.5, "AA", "CC"))))
    view = View(engine.table)
    assert view["news_age_min"].tolist()[::2] == [12.5, 2.0]
    assert np.isnan(view["news_age_min"][1])
    assert view["news_24h"].tolist() == [2.0, 0.0, 2.0]
    assert view["headline"].values() == ["News 2", None, "CC prices a public offering 3"]
    assert view["headline_tags"].values() == [None, None, "offering"]
    part = View(engine.table, np.array([2]))
    assert part["headline"].values() == ["CC prices a public offering 3"]
    assert [a.id for a in engine.table.news.of_symbol("CC")] == ["3", "2"]


def test_news_since_the_previous_regular_close(engine: Engine) -> None:
    session = session_at(XNYS, NOW_NS)
    assert session is not None
    close_ns = session_before(XNYS, session).close_ns
    before = Article("1", close_ns - NS, "before", ("AA",))
    at = Article("2", close_ns, "at", ("BB",))
    engine.apply(News(NOW_NS, (before, at)))
    assert View(engine.table)["news_since_close"].tolist() == [0.0, 1.0, 0.0]


def test_old_news_is_forgotten_and_a_snapshot_holds_the_rest(engine: Engine) -> None:
    week = 7 * 24 * 60
    engine.apply(News(NOW_NS, (article(1, week, "AA"), article(2, 30, "AA"))))
    store = engine.table.news
    assert [a.id for a in store.of_symbol("AA")] == ["2"]
    other = Engine()
    other.apply(Symbols(0, ["AA", "BB", "CC"]))
    other.table.news.thaw(store.freeze())
    other.apply(Mark(NOW_NS, NOW_NS))
    assert View(other.table)["news_age_min"][0] == 30.0
    assert other.table.news.sourced


def test_a_symbol_that_gets_its_row_later_has_its_news(engine: Engine) -> None:
    engine.apply(News(NOW_NS, (article(1, 5, "DD"),)))
    assert View(engine.table)["news_24h"].tolist() == [0.0, 0.0, 0.0]
    engine.apply(Symbols(3, ["DD"]))
    assert View(engine.table)["news_age_min"][3] == 5.0


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("  Acme\tbeats\nestimates ", "Acme beats estimates"),
        ("<b>Acme</b> &amp; Sons<script>alert(1)</script>", "Acme & Sons alert(1)"),
        ("A\x00B\u202eC\x1b[31m", "A B C [31m"),
        ("&lt;img src=x onerror=alert(1)&gt;", "<img src=x onerror=alert(1)>"),
    ],
)
def test_headlines_are_plain_text(raw: str, shown: str) -> None:
    assert plain(raw) == shown


def test_long_headlines_are_cut() -> None:
    assert len(plain("word " * 200)) <= MAX_CHARS
    assert plain("word " * 200).endswith("…")


@pytest.mark.parametrize(
    ("headline", "tags"),
    [
        ("Acme prices $40 million public offering", ("offering",)),
        ("FDA grants clearance to Acme", ("FDA",)),
        ("Acme reports quarterly results, raises guidance", ("earnings",)),
        ("Acme to be acquired by Beta in all-cash merger", ("merger",)),
        ("Acme announces 1-for-20 reverse stock split", ("reverse split",)),
        ("Acme awarded Navy contract", ("contract",)),
        ("Acme opens a new office", ()),
    ],
)
def test_tags(headline: str, tags: tuple[str, ...]) -> None:
    assert tags_of(headline) == tags
