"""Carriers of topics between the engine and whoever watches."""
