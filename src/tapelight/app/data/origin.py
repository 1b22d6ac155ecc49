"""Origins: a feed and its coverage, whose volumes are measured against each other alone."""


def origin_of(feed: str, coverage: str) -> str:
    """Return the origin of a feed's days: massive-sip, alpaca-iex, coinbase-one-venue.

    What follows a comma says how late the data are, not what they hold.
    """
    words = f"{feed} {coverage.partition(',')[0]}".lower()
    return "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in words).split())
