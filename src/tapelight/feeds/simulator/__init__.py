"""A seeded whole-market model behind Massive's WebSocket and REST protocol."""

from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.scenarios import scenarios

__all__ = ["SimulatorOptions", "scenarios", "serve"]


async def serve(options: SimulatorOptions) -> dict[str, int]:
    """Run the simulated market until it is terminated or until `options.duration_s` is over.

    Return how many events of each channel went to who listened to all symbols. Raises ConfigError for an unknown scenario, a bad start time or a port in use.
    """
    from tapelight.feeds.simulator.server import serve as run

    return await run(options)
