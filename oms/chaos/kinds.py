"""The kinds of faults, as `--only` names them, with a line of what each of them does.

Called by the schedule, by whoever does them, by `oms chaos --help` and by the report. Pure.
"""

from enum import StrEnum, unique
from typing import Final, NamedTuple


@unique
class Family(StrEnum):
    """What kinds have in common: what is broken."""

    PROCESS = "process"
    POWER = "power"
    DISK = "disk"
    NETWORK = "network"
    PAUSE = "pause"
    CLOCK = "clock"
    CLIENT = "client"


@unique
class FaultName(StrEnum):
    """The kinds of faults."""

    KILL_LEADER = "kill-leader"
    KILL_FOLLOWER = "kill-follower"
    KILL_PAIR = "kill-pair"
    KILL_ALL = "kill-all"
    KILL_AFTER_SNAPSHOT = "kill-after-snapshot"
    KILL_GATEWAY = "kill-gateway"
    KILL_GATEWAYS = "kill-gateways"
    DIE_PROPOSED = "die-proposed"
    DIE_APPENDED = "die-appended"
    DIE_SYNCED = "die-synced"
    DIE_VOTED = "die-voted"
    DIE_COMMITTED = "die-committed"
    DIE_PUBLISHING = "die-publishing"
    DIE_IN_SNAPSHOT = "die-in-snapshot"
    DIE_IN_ROTATION = "die-in-rotation"
    CUT_POWER_LEADER = "cut-power-leader"
    CUT_POWER_FOLLOWER = "cut-power-follower"
    CUT_POWER_ALL = "cut-power-all"
    CUT_POWER_APPENDED = "cut-power-appended"
    CUT_POWER_SYNCED = "cut-power-synced"
    CUT_POWER_IN_SNAPSHOT = "cut-power-in-snapshot"
    CUT_POWER_IN_ROTATION = "cut-power-in-rotation"
    CUT_POWER_SYNCING = "cut-power-syncing"
    FULL_DISK = "full-disk"
    FULL_DISKS = "full-disks"
    IO_ERROR = "io-error"
    SLOW_DISK = "slow-disk"
    SLOW_DISKS = "slow-disks"
    FLIP_JOURNAL = "flip-journal"
    FLIP_SNAPSHOT = "flip-snapshot"
    FLIP_OUTPUTS = "flip-outputs"
    WIPE_DISK = "wipe-disk"
    WRONG_FOLDER = "wrong-folder"
    ISOLATE_LEADER = "isolate-leader"
    ISOLATE_FOLLOWER = "isolate-follower"
    SILENCE_LEADER = "silence-leader"
    DEAFEN_LEADER = "deafen-leader"
    PAUSE_LEADER = "pause-leader"
    PAUSE_FOLLOWER = "pause-follower"
    PAUSE_GATEWAY = "pause-gateway"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    FLAP_CLIENTS = "flap-clients"
    LOGIN_TWICE = "login-twice"


class Kind(NamedTuple):
    """What a reader is told of a kind."""

    family: Family
    line: str


_PROCESS, _POWER, _DISK = Family.PROCESS, Family.POWER, Family.DISK
KINDS: Final[dict[FaultName, Kind]] = {
    FaultName.KILL_LEADER: Kind(_PROCESS, "SIGKILL of the leader"),
    FaultName.KILL_FOLLOWER: Kind(_PROCESS, "SIGKILL of a follower"),
    FaultName.KILL_PAIR: Kind(_PROCESS, "SIGKILL of the leader and a follower"),
    FaultName.KILL_ALL: Kind(_PROCESS, "SIGKILL of all three nodes"),
    FaultName.KILL_AFTER_SNAPSHOT: Kind(_PROCESS, "SIGKILL of the leader behind a snapshot"),
    FaultName.KILL_GATEWAY: Kind(_PROCESS, "SIGKILL of a gateway"),
    FaultName.KILL_GATEWAYS: Kind(_PROCESS, "SIGKILL of both gateways"),
    FaultName.DIE_PROPOSED: Kind(_PROCESS, "the leader dies: entry proposed, sent to nobody"),
    FaultName.DIE_APPENDED: Kind(_PROCESS, "a node dies: entries written, not synced"),
    FaultName.DIE_SYNCED: Kind(_PROCESS, "a node dies: entries synced, not acknowledged"),
    FaultName.DIE_VOTED: Kind(_PROCESS, "a voter dies: vote on disk, not sent; the leader too"),
    FaultName.DIE_COMMITTED: Kind(_PROCESS, "the leader dies: entry committed, not applied"),
    FaultName.DIE_PUBLISHING: Kind(_PROCESS, "the leader dies: entry applied, not published"),
    FaultName.DIE_IN_SNAPSHOT: Kind(_PROCESS, "a node dies while it writes a snapshot"),
    FaultName.DIE_IN_ROTATION: Kind(_PROCESS, "a node dies while it begins a journal segment"),
    FaultName.CUT_POWER_LEADER: Kind(_POWER, "power cut of the leader"),
    FaultName.CUT_POWER_FOLLOWER: Kind(_POWER, "power cut of a follower"),
    FaultName.CUT_POWER_ALL: Kind(_POWER, "power cut of all three nodes at once"),
    FaultName.CUT_POWER_APPENDED: Kind(_POWER, "power cut: entries written, not synced"),
    FaultName.CUT_POWER_SYNCED: Kind(_POWER, "power cut: entries synced, not acknowledged"),
    FaultName.CUT_POWER_IN_SNAPSHOT: Kind(_POWER, "power cut while a snapshot is written"),
    FaultName.CUT_POWER_IN_ROTATION: Kind(_POWER, "power cut while a segment is begun"),
    FaultName.CUT_POWER_SYNCING: Kind(_POWER, "power cut of all, with slow syncs under way"),
    FaultName.FULL_DISK: Kind(_DISK, "the leader's disk is full for a while"),
    FaultName.FULL_DISKS: Kind(_DISK, "two disks are full for a while"),
    FaultName.IO_ERROR: Kind(_DISK, "a sync fails with EIO: the node must not go on"),
    FaultName.SLOW_DISK: Kind(_DISK, "every sync of the leader is slow for a while"),
    FaultName.SLOW_DISKS: Kind(_DISK, "every sync of every node is slow for a while"),
    FaultName.FLIP_JOURNAL: Kind(_DISK, "a bit of a killed follower's journal is turned"),
    FaultName.FLIP_SNAPSHOT: Kind(_DISK, "a bit of a killed follower's snapshot is turned"),
    FaultName.FLIP_OUTPUTS: Kind(_DISK, "a bit of a killed follower's events.log is turned"),
    FaultName.WIPE_DISK: Kind(_DISK, "a node's disk is lost: a new node takes its place"),
    FaultName.WRONG_FOLDER: Kind(_DISK, "a node is started on another node's folder"),
    FaultName.ISOLATE_LEADER: Kind(Family.NETWORK, "nothing reaches or leaves the leader"),
    FaultName.ISOLATE_FOLLOWER: Kind(Family.NETWORK, "nothing reaches or leaves a follower"),
    FaultName.SILENCE_LEADER: Kind(Family.NETWORK, "nothing leaves the leader; it hears"),
    FaultName.DEAFEN_LEADER: Kind(Family.NETWORK, "nothing reaches the leader; it is heard"),
    FaultName.PAUSE_LEADER: Kind(Family.PAUSE, "SIGSTOP of the leader, SIGCONT later"),
    FaultName.PAUSE_FOLLOWER: Kind(Family.PAUSE, "SIGSTOP of a follower, SIGCONT later"),
    FaultName.PAUSE_GATEWAY: Kind(Family.PAUSE, "SIGSTOP of a gateway, SIGCONT later"),
    FaultName.CLOCK_AHEAD: Kind(Family.CLOCK, "the leader's clock jumps forward"),
    FaultName.CLOCK_BEHIND: Kind(Family.CLOCK, "the leader's clock jumps back"),
    FaultName.FLAP_CLIENTS: Kind(Family.CLIENT, "every client's connection is reset"),
    FaultName.LOGIN_TWICE: Kind(Family.CLIENT, "a client logs in twice: the later login holds"),
}
assert list(KINDS) == list(FaultName)

# Cannot be done without disks that are told what to do (`forgetful_disk.py`).
NEEDS_DISKS: Final = frozenset(name for name, kind in KINDS.items() if kind.family is _POWER) | {
    FaultName.FULL_DISK,
    FaultName.FULL_DISKS,
    FaultName.IO_ERROR,
    FaultName.SLOW_DISK,
    FaultName.SLOW_DISKS,
}


def help_lines() -> str:
    """Every kind with its line, for `--help`."""
    width = max(len(name) for name in FaultName)
    return "\n".join(f"{name.value:<{width}}  {kind.line}" for name, kind in KINDS.items())
