"""Filings on the table: form, age, dilution; and what they say where nobody brings other news."""

import numpy as np
import pytest

from market.test_news import MIN, NOW_NS, article
from market.test_news import engine as engine  # noqa: PLC0414 - the fixture
from tapelight.engine import Engine
from tapelight.market.view import View
from tapelight.model.records import Article, News, Symbols


def filing(number: int, minutes_ago: float, form: str, *symbols: str) -> Article:
    at = NOW_NS - int(minutes_ago * MIN)
    tags = ("filing", "dilution") if form.startswith("S-") else ("filing",)
    return Article(f"edgar {number}", at, f"{form}: X", symbols, "SEC EDGAR", tags, form)


def test_form_age_and_dilution(engine: Engine) -> None:
    told = (filing(1, 60, "S-3", "AA"), filing(2, 5, "8-K", "AA", "ZZ"), filing(3, 7, "8-K", "BB"))
    engine.apply(News(NOW_NS, told, source="edgar"))
    view = View(engine.table)
    assert view["filing"].values() == ["8-K", "8-K", None]
    assert view["filing_age_min"].tolist()[:2] == [5.0, 7.0]
    assert view["dilution_age_min"][0] == 60.0
    assert np.isnan(view["dilution_age_min"][1:]).all()
    engine.apply(Symbols(3, ["ZZ"]))
    assert View(engine.table)["filing_age_min"][3] == 5.0


def test_filings_alone_leave_other_news_unknown(engine: Engine) -> None:
    engine.apply(News(NOW_NS, (filing(1, 5, "8-K", "AA"),), source="edgar"))
    assert View(engine.table)["news_24h"].tolist() == pytest.approx(
        [1.0, np.nan, np.nan], nan_ok=True
    )
    engine.apply(News(NOW_NS, (article(2, 7, "BB"),)))
    view = View(engine.table)
    assert view["news_24h"].tolist() == [1.0, 1.0, 0.0]
    assert view["news_age_min"].tolist()[:2] == [5.0, 7.0]
    engine.apply(News(NOW_NS, gone=True, source="edgar"))
    assert View(engine.table)["news_24h"].tolist() == [1.0, 1.0, 0.0]
    engine.apply(News(NOW_NS, gone=True))
    assert np.isnan(View(engine.table)["news_24h"]).all()


def test_a_snapshot_holds_who_told(engine: Engine) -> None:
    engine.apply(News(NOW_NS, (filing(1, 5, "S-1", "AA"),), source="edgar"))
    other = Engine()
    other.apply(Symbols(0, ["AA", "BB"]))
    other.table.news.thaw(engine.table.news.freeze())
    other.table.now_ns = NOW_NS
    view = View(other.table)
    assert view["dilution_age_min"][0] == 5.0
    assert np.isnan(view["news_24h"][1])
