"""The deterministic simulation: one seed drives a trader, its disk, its network and its venue."""
