"""The cold store: reference data of past days, with the time since when each is known."""

from tapelight.stores.cold.store import ColdStore, Kept

__all__ = ["ColdStore", "Kept"]
