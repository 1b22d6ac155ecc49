"""The four ways in which things go wrong, and what the program does about each."""


class TapelightError(Exception):
    """Carry one sentence that names the thing and the remedy."""


class ConfigError(TapelightError):
    """Tell the user: a setting, a file or an argument is wrong. Commands exit with 2."""


class Unavailable(TapelightError):
    """Retry: a service, a port or a disk is not there at the moment."""


class Rejected(TapelightError):
    """Count it and go on: one message, row or request is bad."""


class Missing(Rejected):
    """Answer that what is asked for isn't there: a time, a scan, a symbol."""


class Conflict(Rejected):
    """Answer that somebody else changed it first: read again, then write."""


class Bug(TapelightError):
    """Stop: an invariant of our own does not hold."""
