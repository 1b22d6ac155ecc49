"""The simulator's list of halts, in the form of Nasdaq Trader's RSS: /rss.aspx, without a key."""

import datetime as dt
from collections.abc import Iterator
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.session import NEW_YORK

PATH = "/rss.aspx"
ITEM = """<item><title>{symbol}</title><ndaq:HaltDate>{day}</ndaq:HaltDate>
<ndaq:HaltTime>{time}</ndaq:HaltTime><ndaq:IssueSymbol>{symbol}</ndaq:IssueSymbol>
<ndaq:Market>NASDAQ</ndaq:Market><ndaq:ReasonCode>LUDP</ndaq:ReasonCode>
<ndaq:ResumptionDate>{day}</ndaq:ResumptionDate>
<ndaq:ResumptionTradeTime>{resumes}</ndaq:ResumptionTradeTime></item>
"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:ndaq="http://www.nasdaqtrader.com/"><channel>
<title>NASDAQTrader.com</title><ttl>1</ttl>
{items}</channel></rss>
"""


class HaltList:
    """Answer with the day's limit-up limit-down pauses so far."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [Route(PATH, self.rss)]

    async def rss(self, _request: Request) -> Response:
        """Answer the RSS."""
        body = PAGE.format(items="".join(self._items()))
        return Response(body, media_type="application/rss+xml")

    def _items(self) -> Iterator[str]:
        symbols = self._simulation.listing.companies
        for row, begin_ms, until_ms in self._simulation.tape.day.luld.pauses:
            begin = dt.datetime.fromtimestamp(begin_ms / 1000, NEW_YORK)
            until = dt.datetime.fromtimestamp(until_ms / 1000, NEW_YORK)
            yield ITEM.format(
                symbol=escape(symbols[row].symbol),
                day=f"{begin:%m/%d/%Y}",
                time=f"{begin:%H:%M:%S}.{begin.microsecond // 1000:03}",
                resumes=f"{until:%H:%M:%S}",
            )
