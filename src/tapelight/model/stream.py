"""What feed and workers say to each other: pieces of a run's journal, and how far a reader is."""

import msgspec

BLOCKS, BASE, CUT = "blocks", "base", "cut"


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Name a run: DATE/NUMBER, and an id that tells it from one of another disk by that name."""

    name: str = ""
    origin: str = ""

    @property
    def label(self) -> str:
        """Return the name under which its signals are kept."""
        return f"{self.name}@{self.origin}"


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """Bring a piece of a run's journal, under the fencing token of the feed that sends it.

    `kind` is `blocks`: whole blocks of records as they stand in its segments; or `base`: a piece of
    the snapshot with which the run begins, `last` with the final one; or `cut`: what a reader has
    behind record `at` is of a feed that lost the lease, and not of this run.
    """

    token: int
    run: Run
    kind: str
    body: bytes
    last: bool = True
    name: str = ""
    """The snapshot's file."""
    at: int = 0
    """Where in the snapshot the piece begins; the last record that holds, of a cut."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """Tell the feed how far a reader is; `asks` wants all that follows to be sent (again).

    A reader that has nothing names no run, and gets the running one from its beginning.
    """

    reader: str
    run: Run
    after: int
    asks: bool = False
    token: int = 0
    """That under which the reader got what it has."""


Told = Parcel | Word


def encode(told: Told) -> bytes:
    """Return the wire form."""
    return msgspec.msgpack.encode(told)


_parcels = msgspec.msgpack.Decoder(Parcel)
_words = msgspec.msgpack.Decoder(Word)


def parcel(data: bytes) -> Parcel:
    """Return a parcel; raises msgspec.MsgspecError where it is none."""
    return _parcels.decode(data)


def word(data: bytes) -> Word:
    """Return a word; raises msgspec.MsgspecError where it is none."""
    return _words.decode(data)
