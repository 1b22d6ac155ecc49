"""What is known of the listed options of each row: figures of tier 3, and the newest chains."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.model import codec
from tapelight.model.batch import Floats
from tapelight.model.options import Chain
from tapelight.model.records import TierResult
from tapelight.model.session import NS

FIGURES = ("iv30", "iv_rank", "iv_pctl", "put_call_vol", "delta", "gamma", "theta", "vega")
"""The series of a tier 3 result; volatilities as fractions."""
LASTS_NS = 900 * NS
"""A figure that three rounds of five minutes did not renew is unknown again."""
MOST_CHAINS = 256


class OptionStore:
    """Hold each row's figures from the mark at which they are due, for a quarter of an hour."""

    def __init__(self) -> None:
        self.chains: dict[str, Chain] = {}
        """The newest chain by underlying, those fetched last at the end."""
        self._values: Floats = np.full((len(FIGURES), 0), np.nan)
        self._cut_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._waiting: list[TierResult] = []

    def take(self, result: TierResult) -> None:
        """Keep the figures of a round until they are due."""
        self._waiting.append(result)

    def take_chain(self, chain: Chain) -> None:
        """Keep the newest chain of its underlying; of too many, the oldest goes."""
        self.chains.pop(chain.symbol, None)
        if len(self.chains) >= MOST_CHAINS:
            del self.chains[next(iter(self.chains))]
        self.chains[chain.symbol] = chain

    def step(self, now_ns: int, n: int) -> None:
        """Let what is due at a mark be seen in a table of `n` rows."""
        if not self._waiting:
            return
        due = [r for r in self._waiting if r.due_ns <= now_ns]
        self._waiting = [r for r in self._waiting if r.due_ns > now_ns]
        self._grow(n)
        for result in due:
            self._show(result)

    def figure(self, name: str, now_ns: int, n: int) -> Floats:
        """Return a figure of each of `n` rows; NaN where it is unknown or too old."""
        fresh = self.fresh(now_ns, n)
        return np.where(fresh, self._values[FIGURES.index(name), :n], np.nan)

    def fresh(self, now_ns: int, n: int) -> npt.NDArray[np.bool_]:
        """Tell of each of `n` rows whether it has figures that are not too old."""
        self._grow(n)
        cut: npt.NDArray[np.int64] = self._cut_ns[:n]
        return (cut > 0) & (now_ns - cut <= LASTS_NS)

    def cut_ns(self, n: int) -> npt.NDArray[np.int64]:
        """Return the market time of each row's figures; 0 where it has none."""
        self._grow(n)
        return self._cut_ns[:n]

    def _grow(self, n: int) -> None:
        more = n - len(self._cut_ns)
        if more > 0:
            self._cut_ns = np.append(self._cut_ns, np.zeros(more, np.int64))
            unknown = np.full((len(FIGURES), more), np.nan)
            self._values = np.concatenate((self._values, unknown), axis=1)

    def _show(self, result: TierResult) -> None:
        for part in result.parts:
            rows = np.frombuffer(part.rows, np.int32).astype(np.intp)
            values = np.frombuffer(part.values).reshape(len(part.series), len(rows))
            self._cut_ns[rows] = result.cut_ns
            for name, row_values in zip(part.series, values, strict=True):
                if name in FIGURES:
                    self._values[FIGURES.index(name), rows] = row_values

    def freeze(self) -> dict[str, Any]:
        """Return figures, what is not due yet, and the chains."""
        chains = [codec.encode(chain) for chain in self.chains.values()]
        return {
            "values": self._values.copy(),
            "cut_ns": self._cut_ns.copy(),
            "rest": msgspec.msgpack.encode((self._waiting, chains)),
        }

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self._values, self._cut_ns = state["values"].copy(), state["cut_ns"].copy()
        waiting, chains = msgspec.msgpack.decode(
            bytes(state["rest"]), type=tuple[list[TierResult], list[bytes]]
        )
        self._waiting, self.chains = waiting, {}
        for raw in chains:
            chain = codec.decode(raw)
            if isinstance(chain, Chain):
                self.take_chain(chain)

    def clear(self) -> None:
        """Begin a new session: nothing is known."""
        self.chains.clear()
        self._waiting = []
        self._values[:], self._cut_ns[:] = np.nan, 0
