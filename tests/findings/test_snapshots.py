"""Findings 3, 4 and 10: snapshots that travel, and logs that were shortened."""

import random

from tests.findings.rig import HandRig, MakeRig, Options, promise


def noise(rng: random.Random, count: int) -> list[str]:
    """Items that do not compress."""
    return [rng.randbytes(40).hex() for _ in range(count)]


def put_slowly(rig: HandRig, name: str, items: list[str], others: tuple[str, ...]) -> None:
    """Until all is acknowledged."""
    for item in items:
        rig.put(name, item)
        rig.settle(name, *others, rounds=4)
    assert set(items) <= set(rig.acknowledged)


def test_finding_03_a_snapshot_on_its_way_commits_nothing(make_rig: MakeRig) -> None:
    """In the library its first chunk makes a former leader apply what nobody ever agreed to."""
    rig = make_rig(Options(chunk_bytes=256))
    rig.begin()
    put_slowly(rig, "n1", ["before"], ("n2", "n3"))
    rig.isolate("n1")
    rig.put_all("n1", ["never agreed 1", "never agreed 2", "never agreed 3"])
    rig.elect("n2", by=["n3"])
    rig.settle("n2", "n3", rounds=4)
    put_slowly(rig, "n2", noise(random.Random(3), 40), ("n3",))
    rig.compact("n2")
    rig.until_not_leading("n1")
    rig.connect("n1", "n2")
    seen: list[str] = []
    for _ in range(60):
        rig.pass_time(0.03)
        rig.tick("n2")
        rig.tick("n3")
        rig.deliver("n2", "n3")
        rig.deliver("n3", "n2")
        rig.deliver("n2", "n1", 1)
        rig.tick("n1")
        rig.deliver("n1", "n2")
        seen += [item for item in rig.applied("n1") if item.startswith("never")]
    promise(f"only what was agreed is applied, not {sorted(set(seen))}", holds=not seen)
    rig.settle(rounds=60)
    assert rig.applied("n1") == rig.applied("n2")
    assert rig.snapshot("n1") == rig.snapshot("n2")


def test_finding_04_a_broken_transfer_never_installs_a_hole(make_rig: MakeRig) -> None:
    """The library goes on at the old offset after a reconnect, and reports success."""
    rig = make_rig(Options(chunk_bytes=256))
    rig.begin()
    rig.isolate("n3")
    put_slowly(rig, "n1", noise(random.Random(4), 60), ("n2",))
    rig.compact("n1")
    whole = rig.snapshot("n1")
    assert whole is not None
    assert len(whole) > 10 * 256
    rig.clock.step_s = 0.012  # a slow machine: not all of it leaves in one turn
    rig.connect("n1", "n3")
    for _ in range(20):
        rig.pass_time(0.05)
        rig.tick("n1")
        if rig.deliver("n1", "n3", 2):  # a part arrives
            rig.tick("n3")
        rig.deliver("n3", "n1")
        if rig.waiting("n1", "n3"):
            break
    rig.disconnect("n1", "n3")  # what was under way is lost
    rig.connect("n1", "n3")
    installed = None
    for _ in range(200):
        rig.pass_time(0.05)
        rig.tick("n1")
        for other in ("n2", "n3"):
            if rig.deliver("n1", other):
                rig.tick(other)
            rig.deliver(other, "n1")
        installed = rig.snapshot("n3")
        if installed is not None:
            break
    got = len(installed or b"")
    promise(
        f"what is installed is what was sent: {got} of {len(whole)} bytes", holds=installed == whole
    )
    rig.settle(rounds=60)
    assert rig.applied("n3") == rig.applied("n1")


def test_finding_10_a_clean_restart_without_snapshots_gives_everything_again(
    make_rig: MakeRig,
) -> None:
    """The library drops its log when told to, though it keeps no snapshot on disk."""
    rig = make_rig(Options(names=("n1",), has_snapshots=False))
    rig.start()
    rig.elect("n1")
    rig.settle()
    rig.put_all("n1", [str(number) for number in range(20)])
    rig.settle()
    assert len(rig.acknowledged) == 20
    rig.compact("n1")
    rig.settle(rounds=30)
    rig.stop("n1")
    rig.start("n1")
    rig.elect("n1")
    rig.settle()
    promise(
        f"{len(rig.acknowledged)} were acknowledged, {len(rig.applied('n1'))} are left",
        holds=rig.applied("n1") == rig.acknowledged,
    )
