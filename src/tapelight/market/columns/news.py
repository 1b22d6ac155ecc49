"""News: how fresh, how much, about what."""

from tapelight.market.column import Column, column
from tapelight.market.newsroom import Newsroom
from tapelight.market.text import Text
from tapelight.market.view import Moment
from tapelight.model.headline import DILUTION

DAY_NS = 86_400_000_000_000


@column(unit="min")
def news_age_min(news: Newsroom) -> Column:
    """Return the minutes since the newest article that names the symbol; null without one."""
    return news.age_min()


@column()
def news_24h(news: Newsroom, moment: Moment) -> Column:
    """Return the number of articles of the last 24 hours; null without a source of news."""
    return news.since(moment.now_ns - DAY_NS)


@column()
def news_since_close(news: Newsroom) -> Column:
    """Return the number of articles since the previous regular close; null without a source."""
    return news.since_close()


@column(kind="text")
def filing(news: Newsroom) -> Text:
    """Return the form of the newest SEC filing of the last days, such as 8-K or S-3."""
    return news.filing()


@column(unit="min")
def filing_age_min(news: Newsroom) -> Column:
    """Return the minutes since the newest SEC filing; null without one, and without a source."""
    return news.filing_age_min()


@column(unit="min")
def dilution_age_min(news: Newsroom) -> Column:
    """Return the minutes since a filing that lets new shares be sold: S-1, S-3, 424B, F-1, F-3."""
    return news.filing_age_min(DILUTION)


@column(kind="text")
def headline(news: Newsroom) -> Text:
    """Return the newest headline, as plain text."""
    return news.headline()


@column(kind="text")
def headline_tags(news: Newsroom) -> Text:
    """Return what the newest headline is about: offering, FDA, earnings, contract, merger ..."""
    return news.tags()
