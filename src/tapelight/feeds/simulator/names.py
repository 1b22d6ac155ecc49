"""Symbols, company names and listing markets: a few real giants, the rest invented."""

from dataclasses import dataclass
from random import Random

# symbol, name, type, listing MIC, price, share of a day's trades against the largest, sector
_GIANTS = """
SPY|SPDR S&P 500 ETF Trust|ETF|ARCX|671.4|1.00|ETF
NVDA|Nvidia Corp|CS|XNAS|187.2|0.98|Technology
TSLA|Tesla Inc|CS|XNAS|402.5|0.80|Consumer Discretionary
QQQ|Invesco QQQ Trust|ETF|XNAS|607.9|0.78|ETF
AAPL|Apple Inc|CS|XNAS|268.6|0.60|Technology
AMD|Advanced Micro Devices Inc|CS|XNAS|223.5|0.52|Technology
PLTR|Palantir Technologies Inc|CS|XNAS|167.4|0.48|Technology
AMZN|Amazon.com Inc|CS|XNAS|222.7|0.46|Consumer Discretionary
MSFT|Microsoft Corp|CS|XNAS|487.1|0.40|Technology
INTC|Intel Corp|CS|XNAS|35.1|0.40|Technology
META|Meta Platforms Inc|CS|XNAS|590.3|0.38|Communication Services
GOOGL|Alphabet Inc Class A|CS|XNAS|292.8|0.37|Communication Services
IWM|iShares Russell 2000 ETF|ETF|ARCX|232.6|0.36|ETF
SOFI|SoFi Technologies Inc|CS|XNAS|25.4|0.35|Financials
F|Ford Motor Co|CS|XNYS|12.9|0.34|Consumer Discretionary
BAC|Bank of America Corp|CS|XNYS|51.6|0.30|Financials
NIO|NIO Inc|ADRC|XNYS|6.1|0.29|Consumer Discretionary
HOOD|Robinhood Markets Inc|CS|XNAS|115.2|0.28|Financials
AVGO|Broadcom Inc|CS|XNAS|342.5|0.27|Technology
GOOG|Alphabet Inc Class C|CS|XNAS|293.4|0.26|Communication Services
XLF|Financial Select Sector SPDR|ETF|ARCX|52.3|0.26|ETF
TQQQ|ProShares UltraPro QQQ|ETF|XNAS|104.9|0.26|ETF
T|AT&T Inc|CS|XNYS|25.5|0.25|Communication Services
PFE|Pfizer Inc|CS|XNYS|25.1|0.24|Health Care
HYG|iShares High Yield Corporate Bond ETF|ETF|ARCX|80.6|0.23|ETF
NFLX|Netflix Inc|CS|XNAS|110.3|0.22|Communication Services
MARA|MARA Holdings Inc|CS|XNAS|11.6|0.22|Financials
RIVN|Rivian Automotive Inc|CS|XNAS|15.4|0.21|Consumer Discretionary
CCL|Carnival Corp|CS|XNYS|26.3|0.20|Consumer Discretionary
XLE|Energy Select Sector SPDR|ETF|ARCX|90.1|0.20|ETF
WMT|Walmart Inc|CS|XNAS|105.4|0.19|Consumer Staples
JPM|JPMorgan Chase & Co|CS|XNYS|299.6|0.18|Financials
KO|Coca-Cola Co|CS|XNYS|71.2|0.17|Consumer Staples
XOM|Exxon Mobil Corp|CS|XNYS|117.8|0.17|Energy
MU|Micron Technology Inc|CS|XNAS|226.8|0.17|Technology
XLK|Technology Select Sector SPDR|ETF|ARCX|281.4|0.16|ETF
XLV|Health Care Select Sector SPDR|ETF|ARCX|150.7|0.15|ETF
XLI|Industrial Select Sector SPDR|ETF|ARCX|150.2|0.15|ETF
XLU|Utilities Select Sector SPDR|ETF|ARCX|89.0|0.14|ETF
XLP|Consumer Staples Select Sector SPDR|ETF|ARCX|77.0|0.14|ETF
XLY|Consumer Discretionary Select Sector SPDR|ETF|ARCX|229.5|0.12|ETF
XLB|Materials Select Sector SPDR|ETF|ARCX|86.0|0.10|ETF
XLC|Communication Services Select Sector SPDR|ETF|ARCX|112.1|0.10|ETF
XLRE|Real Estate Select Sector SPDR|ETF|ARCX|41.0|0.08|ETF
DIA|SPDR Dow Jones Industrial Average ETF|ETF|ARCX|462.6|0.08|ETF
DIS|Walt Disney Co|CS|XNYS|104.3|0.15|Communication Services
BA|Boeing Co|CS|XNYS|179.1|0.13|Industrials
GE|GE Aerospace|CS|XNYS|289.7|0.10|Industrials
V|Visa Inc|CS|XNYS|327.9|0.11|Financials
UNH|UnitedHealth Group Inc|CS|XNYS|319.9|0.11|Health Care
LLY|Eli Lilly & Co|CS|XNYS|1059.7|0.08|Health Care
BRK.B|Berkshire Hathaway Inc Class B|CS|XNYS|504.0|0.08|Financials
COST|Costco Wholesale Corp|CS|XNAS|899.1|0.07|Consumer Staples
BABA|Alibaba Group Holding Ltd|ADRC|XNYS|152.9|0.18|Consumer Discretionary
"""
_SECTORS = (
    ("Technology", "Software", "Systems Networks Digital Data"),
    ("Health Care", "Biotechnology", "Therapeutics Biosciences Pharma Medical"),
    ("Financials", "Banks", "Bancorp Financial Capital Holdings"),
    ("Industrials", "Machinery", "Industries Aerospace Logistics Works"),
    ("Consumer Discretionary", "Retail", "Brands Stores Motors Resorts"),
    ("Energy", "Oil & Gas", "Energy Petroleum Resources Solar"),
    ("Real Estate", "REIT", "Realty Properties Trust Land"),
    ("Materials", "Metals & Mining", "Mining Lithium Steel Minerals"),
    ("Communication Services", "Media", "Media Wireless Studios Interactive"),
)
_SYLLABLES = (
    "al ar bel bio cor den el far gal hel in jun kar lum mar nov or pel quan ros sol tel ul ven "
    "wes xen yar zen"
).split()
_MICS = (("XNAS", 12, 3), ("XNYS", 10, 1), ("XASE", 1, 2), ("ARCX", 11, 2), ("BATS", 19, 2))
VENUE_OF = {mic: venue for mic, venue, _ in _MICS}
TAPE_OF = {mic: tape for mic, _, tape in _MICS}
TEST_SYMBOL = "ZVZZT"
_SUFFIXES = {"PFD": "pA", "WARRANT": "w", "UNIT": ".U", "RIGHT": "r"}


@dataclass(frozen=True, slots=True)
class Company:
    """Name one security; `price` and `activity` are None where the model draws them."""

    symbol: str
    name: str
    type: str
    mic: str
    sector: str
    industry: str
    price: float | None = None
    activity: float | None = None


def companies(count: int, rng: Random) -> list[Company]:
    """Return `count` distinct securities, giants first, the test symbol last when there is room."""
    found = [_giant(line) for line in _GIANTS.strip().splitlines()][:count]
    taken = {c.symbol for c in found} | {TEST_SYMBOL}
    room = count - 1 if count >= 100 else count
    while len(found) < room:
        company = _invent(rng, taken)
        taken.add(company.symbol)
        found.append(company)
        if rng.random() < 0.06 and len(found) < room:
            found.append(_derived(company, rng, taken))
    if room < count:
        found.append(Company(TEST_SYMBOL, "Nasdaq test stock", "CS", "XNAS", "", ""))
    return found


def _giant(line: str) -> Company:
    symbol, name, kind, mic, price, activity, sector = line.split("|")
    return Company(symbol, name, kind, mic, sector, sector, float(price), float(activity))


def _invent(rng: Random, taken: set[str]) -> Company:
    kind = rng.choices(["CS", "ADRC", "ETF"], [0.80, 0.06, 0.14])[0]
    if kind == "ETF":
        mic = rng.choices(["ARCX", "XNAS", "BATS"], [0.6, 0.2, 0.2])[0]
    else:
        mic = rng.choices(["XNAS", "XNYS", "XASE"], [0.58, 0.37, 0.05])[0]
    stem = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3)))
    sector, industry, words = _SECTORS[rng.randrange(len(_SECTORS))]
    name = f"{stem.title()} {rng.choice(words.split())} {'ETF' if kind == 'ETF' else 'Inc'}"
    if kind == "ETF":
        sector = industry = "ETF"
    symbol = _symbol(stem, 3 if mic == "XNYS" else 4, rng, taken)
    return Company(symbol, name, kind, mic, sector, industry)


def _symbol(stem: str, length: int, rng: Random, taken: set[str]) -> str:
    """Return a free symbol, near the company's name while there is one."""
    letters = stem.upper()
    for _ in range(12):
        symbol = letters[0] + "".join(rng.choices(letters[1:], k=length - 1))
        if symbol not in taken and not symbol.startswith("Z"):
            return symbol
    while True:
        symbol = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWY", k=4))
        if symbol not in taken:
            return symbol


def _derived(parent: Company, rng: Random, taken: set[str]) -> Company:
    kind = rng.choices(list(_SUFFIXES), [0.45, 0.35, 0.13, 0.07])[0]
    symbol = parent.symbol + _SUFFIXES[kind]
    taken.add(symbol)
    return Company(
        symbol, f"{parent.name} {kind.title()}", kind, parent.mic, parent.sector, parent.industry
    )
