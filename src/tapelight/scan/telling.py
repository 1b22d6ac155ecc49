"""Telling: the records that a scan's signals are made of."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.table import Table
from tapelight.market.view import View
from tapelight.model.signals import Leaf, Signal
from tapelight.scan.leaves import Group, leaves, tree_of
from tapelight.scan.life import Live
from tapelight.scan.question import Question
from tapelight.scan.sql import Query, cells
from tapelight.scan.wording import said

Rows = npt.NDArray[np.intp]


class Teller:
    """Make the records of one question: its columns, and the leaves of what decided."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._trees: dict[int, Group] = {}

    def id_of(self, symbol: str, born_ns: int) -> str:
        """Return the id of the signal of `symbol` that began at the mark `born_ns`."""
        key = f"{self.question.name}|{self.question.version}|{symbol}|{born_ns}"
        return hashlib.blake2b(key.encode(), digest_size=10).hexdigest()

    def records(
        self, view: View, at: Rows, born: Sequence[int], state: str, query: Query | None = None
    ) -> list[Signal]:
        """Return a record for each of the view's places `at`, with the leaves of `query`."""
        if not len(at):
            return []
        table, header = view.table, self.question.header
        index = at if view.index is None else view.index[at]
        names = [named.name for named in self.question.query.select]
        values = zip(*cells(self.question.query, view, at), strict=True)
        why = self.leaves(query, view, at)
        prints = table.rows["print_ns"][index].tolist()
        return [
            Signal(
                id=self.id_of(symbol, birth),
                scan=self.question.name,
                symbol=symbol,
                state=state,
                ts_ns=view.moment.now_ns,
                mark=view.moment.now_ns,
                values=dict(zip(names, cell, strict=True)),
                text=header.text or header.title,
                why=seen,
                event_ns=event,
            )
            for symbol, birth, cell, seen, event in zip(
                view.symbols(at), born, values, why, prints, strict=True
            )
        ]

    def bare(self, table: Table, signal: Live, now_ns: int) -> Signal:
        """Return the end of a signal whose columns are reckoned no longer."""
        symbol = table.universe.symbols[signal.row]
        return Signal(
            id=self.id_of(symbol, signal.born_ns),
            scan=self.question.name,
            symbol=symbol,
            state="expired",
            ts_ns=now_ns,
            mark=now_ns,
            values={},
            text=self.question.header.text or self.question.header.title,
            reason="the scan was changed or removed",
            event_ns=int(table.rows["print_ns"][signal.row]),
        )

    def leaves(self, query: Query | None, view: View, at: Rows) -> list[tuple[Leaf, ...]]:
        """Return the leaves of one of the question's conditions at the view's places `at`."""
        if query is None:
            return [()] * len(at)
        tree = self._trees.get(id(query))
        if tree is None:
            tree = self._trees[id(query)] = tree_of(query)
        return leaves(tree, view, at)

    def sentence(self, query: Query | None, view: View, place: int) -> str:
        """Return the condition that held at a place of the view, with its values."""
        (seen,) = self.leaves(query, view, np.array([place], np.intp))
        return " and ".join(said(leaf) for leaf in seen if leaf.true)


def changed(record: Signal, **fields: Any) -> Signal:
    """Return the record with other fields."""
    return msgspec.structs.replace(record, **fields)
