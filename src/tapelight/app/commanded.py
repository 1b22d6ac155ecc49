"""What people ask of the trader: done by the desk that it concerns, and answered in a sentence."""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import Approved
from tapelight.orders.desk import Desk
from tapelight.stores.commands import Command, Commands

log = structlog.get_logger()
POLL_S = 0.1
AGAIN_S = 1.0
COMMAND_S = 60.0
"""An older command is not carried out: nobody remembers that it was given."""


async def obey(commands: Commands, desks: Callable[[], Sequence[Desk]]) -> None:
    """Carry out and answer what is asked, until cancelled; where the file fails, later."""
    told = ""
    while True:
        try:
            for seq, command in commands.waiting():
                commands.answer(seq, obeyed(command, desks()))
        except Unavailable as error:
            if str(error) != told:
                log.warning("no commands", reason=str(error))
            told = str(error)
            await asyncio.sleep(AGAIN_S)
        await asyncio.sleep(POLL_S)


def obeyed(command: Command, desks: Sequence[Desk]) -> str:
    """Do what a person asked for, and return what came of it in a sentence."""
    if time.time() - command.ts_s > COMMAND_S:
        return f"It was given more than {COMMAND_S:g} s ago and is not carried out."
    for desk in desks:
        if _concerns(desk, command):
            return _carried_out(desk, command)
    if command.what == "close":
        return f"Nothing is held of {command.subject}: `tapelight positions` lists what is."
    return f"There is no order {command.subject}: `tapelight orders` lists them."


def _concerns(desk: Desk, command: Command) -> bool:
    if command.what == "close":
        return desk.book.quantity(command.subject) != 0
    return command.subject in desk.book.orders


def _carried_out(desk: Desk, command: Command) -> str:
    try:
        if command.what == "approve":
            verdict = desk.approve(command.subject, command.by)
            if isinstance(verdict, Approved):
                return "Approved and sent."
            return f"Refused by {verdict.rule}: {verdict.reason}"
        if command.what == "decline":
            desk.decline(command.subject, command.by)
            return "Declined."
    except ConfigError as error:
        return str(error)
    done = desk.close(command.subject, command.by)
    return "The position is being closed." if done else "The order log can't be written."
