"""The services of the whole run, as the backends' tests have them."""

from backends.conftest import postgres, rabbit, redis

__all__ = ["postgres", "rabbit", "redis"]
