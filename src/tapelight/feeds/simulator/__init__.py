"""A seeded whole-market model behind Massive's WebSocket and REST protocol."""

from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.scenarios import scenarios

__all__ = ["SimulatorOptions", "scenarios", "serve"]


async def serve(options: SimulatorOptions) -> None:
    """Run the simulated market until cancelled or until `options.duration_s` is over.

    Raises ConfigError for an unknown scenario, a bad start time or a port in use.
    """
    from tapelight.feeds.simulator.server import serve as run

    await run(options)
