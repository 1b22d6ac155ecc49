"""The services of the whole run, as the backends' tests have them, and a receiver of spans."""

from backends.conftest import postgres, rabbit, redis
from observing.collector import collector

__all__ = ["collector", "postgres", "rabbit", "redis"]
