"""The named markets: one row each."""

import msgspec

from tapelight.errors import ConfigError


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Describe a market: where it starts and how lively its rare events are.

    Rates are market-wide, per minute of market time; bad and late prints are per trade.
    """

    says: str
    start: str
    """New York time of day."""
    movers_per_min: float = 3.0
    """Runs of 3 to 10 % over minutes, with a volume surge."""
    spikes_per_min: float = 0.5
    """Moves fast enough to meet a limit-up or limit-down band."""
    bad_share: float = 2e-6
    late_share: float = 4e-4
    burst_factor: float = 1.0
    burst_every_s: int = 0
    burst_length_s: int = 2
    crash_after_s: int = 0
    """Seconds from the start to a market-wide dive; 0 for none."""


_SCENARIOS = {
    "open": Scenario(
        says="The last two minutes of the pre-market and the bell, from 09:28.", start="09:28"
    ),
    "calm": Scenario(
        says="A quiet late morning, from 11:00.",
        start="11:00",
        movers_per_min=1.0,
        spikes_per_min=0.05,
    ),
    "burst": Scenario(
        says="The open with ten times the trades for two seconds in every twenty.",
        start="09:28",
        burst_factor=10.0,
        burst_every_s=20,
    ),
    "halts": Scenario(
        says="Many limit-up and limit-down pauses, from 09:40.",
        start="09:40",
        movers_per_min=6.0,
        spikes_per_min=15.0,
    ),
    "flash-crash": Scenario(
        says="A market-wide dive and recovery with pauses, one minute after 14:40.",
        start="14:40",
        crash_after_s=60,
    ),
    "badprints": Scenario(
        says="One print in five thousand is 15 to 60 % off the market, from 09:28.",
        start="09:28",
        bad_share=2e-4,
    ),
    "close": Scenario(
        says="The last two minutes, the closing auction and after-hours, from 15:58.",
        start="15:58",
    ),
    "premarket": Scenario(
        says="The start of the day at 04:00 New York, from 03:58.", start="03:58"
    ),
}


def scenarios() -> dict[str, str]:
    """Return the scenario names, each with a sentence that describes it."""
    return {name: scenario.says for name, scenario in _SCENARIOS.items()}


def scenario_of(name: str) -> Scenario:
    """Return the scenario called `name`; raises ConfigError that lists the names."""
    try:
        return _SCENARIOS[name]
    except KeyError:
        names = ", ".join(_SCENARIOS)
        raise ConfigError(f"Unknown scenario {name!r}: use one of {names}.") from None
