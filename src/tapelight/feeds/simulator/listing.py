"""The listed securities: what does not change from trade to trade."""

from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from tapelight.feeds.simulator.names import TAPE_OF, TEST_SYMBOL, VENUE_OF, Company, companies
from tapelight.feeds.simulator.sales import MEAN_SIZE
from tapelight.model.batch import Floats, Int64s, UInt8s

TICKS = 10_000
"""Prices are held as integers of a hundredth of a cent."""
# Cross-section of 6,184 US symbols: log-normal share volume with a thin upper tail, and price.
_LN_ADV = (11.961, 2.145, -0.085)
_LN_PRICE = (2.767, 1.29)


@dataclass(frozen=True, slots=True)
class Listing:
    """Hold one element a symbol; prices are split-adjusted as of the first session."""

    companies: list[Company]
    symbols: list[str]
    venue: UInt8s
    """Exchange id of the listing market."""
    tape: UInt8s
    weight: Floats
    """Share of the market's trades on an ordinary day; sums to 1."""
    price: Floats
    """Previous close of the first session, dollars."""
    real_adv: Floats
    """Mean daily shares at the real market's scale."""
    day_vol: Floats
    """Standard deviation of daily returns."""
    beta: Floats
    size_factor: Floats
    """Mean trade size against the common table's."""
    round_lot: Int64s
    spread_bps: Floats
    tier1: npt.NDArray[np.bool_]
    """LULD tier 1: large caps and exchange-traded funds."""
    shares_out: Floats
    float_shares: Floats
    splits: dict[int, tuple[int, int]]
    """Row -> (split_from, split_to), effective on the first session."""

    def __len__(self) -> int:
        return len(self.symbols)

    def adv(self, day_trades: float) -> Floats:
        """Return mean daily shares for a market of `day_trades` trades in continuous trading."""
        return self.weight * day_trades * MEAN_SIZE * self.size_factor


def listing_of(count: int, seed: int) -> Listing:
    """Draw `count` securities from the calibrated cross-section."""
    rng = np.random.default_rng([seed, 1])
    found = companies(count, Random(seed))
    mu, sigma, bend = _LN_ADV
    z = rng.standard_normal(count)
    real_adv = np.exp(mu + sigma * (z + bend * (z * z - 1.0)))
    price = np.clip(np.exp(rng.normal(*_LN_PRICE, count)), 0.15, 2_500.0)
    _place_giants(found, real_adv, price)
    price = _on_tick(price)
    day_vol = np.clip(0.026 * np.exp(rng.normal(0.0, 0.55, count)), 0.006, 0.2)
    day_vol *= np.clip((price / 15.0) ** -0.15, 0.6, 1.6)
    etf = np.array([c.type == "ETF" for c in found])
    day_vol[etf] = np.clip(day_vol[etf] * 0.5, 0.004, 0.03)
    dollars = real_adv * price
    shares_out = real_adv / np.clip(0.007 * np.exp(rng.normal(0.0, 1.0, count)), 2e-4, 0.2)
    factor = np.where(price > 250.0, np.clip(100.0 / price, 0.1, 1.0), 1.0)
    return Listing(
        companies=found,
        symbols=[c.symbol for c in found],
        venue=np.array([VENUE_OF[c.mic] for c in found], np.uint8),
        tape=np.array([TAPE_OF[c.mic] for c in found], np.uint8),
        weight=real_adv / real_adv.sum(),
        price=price,
        real_adv=real_adv,
        day_vol=day_vol,
        beta=np.where(etf, 0.8, np.clip(rng.normal(1.0, 0.4, count), 0.0, 2.5)),
        size_factor=factor,
        round_lot=np.where(price <= 250.0, 100, np.where(price <= 1000.0, 40, 10)),
        spread_bps=np.clip(200.0 * (dollars / 1e5) ** -0.5, 0.5, 250.0),
        tier1=etf | (dollars > 1.2e8),
        shares_out=shares_out.round(),
        float_shares=(shares_out * rng.uniform(0.35, 0.98, count)).round(),
        splits=_splits(found, rng),
    )


def _place_giants(found: list[Company], real_adv: Floats, price: Floats) -> None:
    for i, company in enumerate(found):
        if company.activity is not None and company.price is not None:
            real_adv[i] = 6.5e7 * company.activity
            price[i] = company.price
        elif company.symbol == TEST_SYMBOL:
            real_adv[i], price[i] = 3_000.0, 15.0
        elif company.type in ("PFD", "WARRANT", "UNIT", "RIGHT"):
            real_adv[i] *= 0.02
            price[i] = {"PFD": 24.0, "UNIT": 10.1, "RIGHT": 0.3}.get(company.type, 0.8)
        else:
            real_adv[i] = min(real_adv[i], 3.0e7)


def _splits(found: list[Company], rng: np.random.Generator) -> dict[int, tuple[int, int]]:
    plain = [i for i, c in enumerate(found) if c.type == "CS" and c.activity is None]
    if len(plain) < 40:
        return {}
    rows = rng.choice(plain, 4, replace=False).tolist()
    return dict(zip(rows, ((10, 1), (20, 1), (1, 4), (1, 2)), strict=True))


def _on_tick(price: Floats) -> Floats:
    ticks = np.rint(price * TICKS)
    step = np.where(price >= 1.0, 100.0, 1.0)
    rounded: Floats = np.rint(ticks / step) * step / TICKS
    return rounded
