"""Random sequences as data: steps that can be cut out, signed again, packed and printed.

Called by the generator, the comparison and the minimiser. Promises: a step whose commands are
`natural` stays well-formed when steps before it are removed, because its epoch and client_seq are
filled in when it is packed.
"""

from typing import NamedTuple

import msgspec

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.packing import pack_batch
from oms.reference.state import Venue
from tests.scenarios.language import print_raw

Signed = c.OrderCommand | ac.AdminCommand


class Planned(NamedTuple):
    """One command. Shape: value; whether its epoch and client_seq are filled in when packed."""

    command: c.Command
    natural: bool = True


class Step(NamedTuple):
    """One log entry. Shape: the leader's time, commands; or bytes that are taken as they are."""

    timestamp_ns: int
    planned: tuple[Planned, ...] = ()
    raw: bytes | None = None


class _Conversation(NamedTuple):
    conn_epoch: int
    client_seq: int


def fill_in(step: Step, venue: Venue) -> list[c.Command]:
    """The step's commands, natural ones with the numbers that come next in `venue`."""
    now_ns = max(step.timestamp_ns, venue.numbers.last_timestamp + 1)
    known: dict[int, _Conversation] = {}
    commands: list[c.Command] = []
    for command, natural in step.planned:
        if isinstance(command, c.GatewayLost | c.Genesis) or not natural:
            commands.append(command)
            continue
        session = venue.session(command.session_id)
        at = known.get(command.session_id)
        if at is None:
            at = _Conversation(session.conn_epoch, session.client_seq) if session else None
        if at is None:
            commands.append(command)
        elif isinstance(command, c.Login):
            known[command.session_id] = _Conversation(at.conn_epoch + 1, 0)
            commands.append(command)
        elif isinstance(command, c.Logout):
            commands.append(msgspec.structs.replace(command, conn_epoch=at.conn_epoch))
        else:
            following = at.client_seq + 1
            if command.not_after_ns >= now_ns:
                known[command.session_id] = _Conversation(at.conn_epoch, following)
            commands.append(
                msgspec.structs.replace(command, conn_epoch=at.conn_epoch, client_seq=following)
            )
    return commands


def pack(step: Step, venue: Venue) -> bytes:
    """The log entry that the step stands for now."""
    if step.raw is not None:
        return step.raw
    return pack_batch(step.timestamp_ns, fill_in(step, venue))


def as_scenario(steps: list[Step], venues: list[list[c.Command]]) -> str:
    """The steps as a file for tests/scenarios; `venues` holds each step's filled-in commands."""
    lines = ["# A random sequence that the engines disagree on.", "empty", ""]
    for step, commands in zip(steps, venues, strict=True):
        if step.raw is not None:
            lines.append(f"bytes {step.raw.hex()}")
            continue
        lines.append(f"at {step.timestamp_ns}")
        if not commands:
            lines.append("tick")
        for index, command in enumerate(commands):
            lines.append(f"{'+ ' if index else ''}raw {print_raw(command)}")
    return "\n".join(lines) + "\n"
