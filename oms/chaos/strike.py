"""Which function does which kind of fault, and to whom.

Called by `run.py`, with the fault and the node that leads now.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from oms.chaos import disk_faults, other_faults, process_faults
from oms.chaos.hands import Hands
from oms.chaos.kinds import FaultName
from oms.chaos.schedule import Fault
from oms.chaos.switch import Place

_SNAPSHOT: Final = (Place.SNAPSHOT_WRITTEN, Place.SNAPSHOT_NAMED)
_ROTATION: Final = (Place.SEGMENT_BEGUN, Place.SEGMENT_READY)


class Scene(NamedTuple):
    """A fault that is due, and the nodes as they stand."""

    hands: Hands
    fault: Fault
    leader: str
    follower: str  # one of them, by the fault's choice
    follows: str  # the other one

    @property
    def either(self) -> str:
        """The leader or the follower, by the seed."""
        return self.leader if self.fault.seed % 2 else self.follower

    @property
    def gateway(self) -> str:
        """One of the gateways."""
        names = self.hands.arena.gateway_names
        return names[self.fault.choice % len(names)]

    def one_of(self, places: tuple[Place, Place]) -> Place:
        """One of two places, by the seed."""
        return places[self.fault.seed // 2 % 2]

    # ---- with names filled in

    def kill(self, *names: str, is_failover: bool = False) -> Awaitable[str]:
        """SIGKILL."""
        return process_faults.kill(self.hands, self.fault, names, is_failover=is_failover)

    def cut_power(self, *names: str, is_failover: bool = False) -> Awaitable[str]:
        """No power."""
        return disk_faults.cut_power(self.hands, self.fault, names, is_failover=is_failover)

    def die(self, name: str, place: Place) -> Awaitable[str]:
        """SIGKILL at a place."""
        is_leader = name == self.leader
        return process_faults.die_at(self.hands, self.fault, name, place, is_leader=is_leader)

    def cut_power_at(self, name: str, place: Place) -> Awaitable[str]:
        """No power at a place."""
        is_leader = name == self.leader
        return process_faults.cut_power_at(self.hands, self.fault, name, place, is_leader=is_leader)

    def pause(self, name: str) -> Awaitable[str]:
        """SIGSTOP for a while."""
        return process_faults.pause(self.hands, self.fault, name)

    def part(self, name: str, cut: Callable[[str], None]) -> Awaitable[str]:
        """A partition."""
        return other_faults.part(self.hands, self.fault, name, cut)


def _kill_all(scene: Scene) -> Awaitable[str]:
    return scene.kill(*scene.hands.arena.node_ids)


def _cut_power_all(scene: Scene) -> Awaitable[str]:
    return scene.cut_power(*scene.hands.arena.node_ids)


_N = FaultName
STRIKES: Final[dict[FaultName, Callable[[Scene], Awaitable[str]]]] = {
    _N.KILL_LEADER: lambda s: s.kill(s.leader, is_failover=True),
    _N.KILL_FOLLOWER: lambda s: s.kill(s.follower),
    _N.KILL_PAIR: lambda s: s.kill(s.leader, s.follower),
    _N.KILL_ALL: _kill_all,
    _N.KILL_AFTER_SNAPSHOT: lambda s: process_faults.kill_after_snapshot(
        s.hands, s.fault, s.leader
    ),
    _N.KILL_GATEWAY: lambda s: s.kill(s.gateway),
    _N.KILL_GATEWAYS: lambda s: s.kill(*s.hands.arena.gateway_names),
    _N.DIE_PROPOSED: lambda s: s.die(s.leader, Place.PROPOSED),
    _N.DIE_APPENDED: lambda s: s.die(s.either, Place.APPENDED),
    _N.DIE_SYNCED: lambda s: s.die(s.either, Place.SYNCED),
    _N.DIE_VOTED: lambda s: process_faults.die_voted(s.hands, s.fault, s.leader, s.follower),
    _N.DIE_COMMITTED: lambda s: s.die(s.leader, Place.COMMITTED),
    _N.DIE_PUBLISHING: lambda s: s.die(s.leader, Place.PUBLISHING),
    _N.DIE_IN_SNAPSHOT: lambda s: s.die(s.either, s.one_of(_SNAPSHOT)),
    _N.DIE_IN_ROTATION: lambda s: s.die(s.either, s.one_of(_ROTATION)),
    _N.CUT_POWER_LEADER: lambda s: s.cut_power(s.leader, is_failover=True),
    _N.CUT_POWER_FOLLOWER: lambda s: s.cut_power(s.follower),
    _N.CUT_POWER_ALL: _cut_power_all,
    _N.CUT_POWER_APPENDED: lambda s: s.cut_power_at(s.either, Place.APPENDED),
    _N.CUT_POWER_SYNCED: lambda s: s.cut_power_at(s.either, Place.SYNCED),
    _N.CUT_POWER_IN_SNAPSHOT: lambda s: s.cut_power_at(s.either, s.one_of(_SNAPSHOT)),
    _N.CUT_POWER_IN_ROTATION: lambda s: s.cut_power_at(s.either, s.one_of(_ROTATION)),
    _N.CUT_POWER_SYNCING: lambda s: disk_faults.cut_power_syncing(s.hands, s.fault),
    _N.FULL_DISK: lambda s: disk_faults.fill(s.hands, s.fault, [s.leader]),
    _N.FULL_DISKS: lambda s: disk_faults.fill(s.hands, s.fault, [s.leader, s.follower]),
    _N.IO_ERROR: lambda s: disk_faults.fail_sync(
        s.hands, s.fault, s.either, is_leader=s.either == s.leader
    ),
    _N.SLOW_DISK: lambda s: disk_faults.slow(s.hands, s.fault, [s.leader]),
    _N.SLOW_DISKS: lambda s: disk_faults.slow(s.hands, s.fault, s.hands.arena.node_ids),
    _N.FLIP_JOURNAL: lambda s: disk_faults.flip_journal(s.hands, s.fault, s.follower),
    _N.FLIP_SNAPSHOT: lambda s: disk_faults.flip_snapshot(s.hands, s.fault, s.follower),
    _N.FLIP_OUTPUTS: lambda s: disk_faults.flip_outputs(s.hands, s.fault, s.follower),
    _N.WIPE_DISK: lambda s: other_faults.wipe(s.hands, s.fault),
    _N.WRONG_FOLDER: lambda s: other_faults.wrong_folder(s.hands, s.fault, s.follows, s.follower),
    _N.ISOLATE_LEADER: lambda s: s.part(s.leader, s.hands.arena.links.isolate),
    _N.ISOLATE_FOLLOWER: lambda s: s.part(s.follower, s.hands.arena.links.isolate),
    _N.SILENCE_LEADER: lambda s: s.part(s.leader, s.hands.arena.links.silence),
    _N.DEAFEN_LEADER: lambda s: s.part(s.leader, s.hands.arena.links.deafen),
    _N.PAUSE_LEADER: lambda s: s.pause(s.leader),
    _N.PAUSE_FOLLOWER: lambda s: s.pause(s.follower),
    _N.PAUSE_GATEWAY: lambda s: s.pause(s.gateway),
    _N.CLOCK_AHEAD: lambda s: other_faults.skew(s.hands, s.fault, s.leader, sign=1),
    _N.CLOCK_BEHIND: lambda s: other_faults.skew(s.hands, s.fault, s.leader, sign=-1),
    _N.FLAP_CLIENTS: lambda s: other_faults.flap(s.hands),
    _N.LOGIN_TWICE: lambda s: other_faults.login_twice(s.hands, s.fault),
}
assert set(STRIKES) == set(FaultName)


async def strike(hands: Hands, fault: Fault, leader: str) -> str:
    """Do one fault, to its end; returns what was done. Raises: VenueError."""
    followers = [name for name in hands.arena.node_ids if name != leader]
    first = fault.choice % len(followers)
    scene = Scene(hands, fault, leader, followers[first], followers[first - 1])
    told = await STRIKES[fault.name](scene)
    hands.done.faults[fault.name.value] += 1
    return told
