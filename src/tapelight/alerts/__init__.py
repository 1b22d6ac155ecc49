"""Alerts on their way to people: the router, price levels, the sender, and a file a channel."""
