"""Findings 2, 5, 6, 7 and 8: what messages, their order and their loss do to the log."""

import pytest

from tests.findings.rig import LIBRARYS_OWN, HandRig, MakeRig, Options, promise

SHORT = Options(has_short_messages=True)


def lost(rig: HandRig, name: str) -> list[str]:
    """What a client was told of and this node's state lacks."""
    return [item for item in rig.acknowledged if item not in rig.applied(name)]


def test_finding_02_what_was_acknowledged_is_not_cut_off_by_a_repeated_message(
    make_rig: MakeRig,
) -> None:
    """The library's next index moves back on a success; the follower deletes what it has."""
    rig = make_rig(SHORT)
    rig.begin()
    rig.isolate("n3")  # lags behind; n1 and n2 are the majority
    items = list("abcdefgh")
    rig.put_all("n1", items)
    while "a" not in rig.log("n2"):
        rig.deliver("n1", "n2", 1)
        rig.tick("n2")
    rig.deliver("n2", "n1")  # the first is confirmed while the others are under way
    rig.deliver("n1", "n2")
    rig.tick("n2")
    assert rig.log("n2")[-8:] == items
    rig.pass_time(0.2)
    rig.tick("n1")  # a heartbeat is due
    rig.deliver("n2", "n1")
    rig.tick("n1")
    rig.tick("n1")
    assert rig.acknowledged == items
    rig.deliver("n1", "n2", 1)  # one more message arrives before n1 dies
    rig.tick("n2")
    rig.kill("n1")
    rig.connect("n2", "n3")
    rig.elect("n2")
    rig.settle()
    rig.put_all("n2", "XYZ")
    rig.settle()
    promise(
        f"acknowledged is kept: {lost(rig, 'n3')} are lost, n3 has {rig.applied('n3')}",
        holds=not lost(rig, "n3") and not lost(rig, "n2"),
    )


def test_finding_02_a_load_without_faults_writes_each_entry_once(make_rig: MakeRig) -> None:
    """Measured on the library: 305 thousand entries rewritten of a log of 89 thousand."""
    rig = make_rig(SHORT)
    rig.begin()
    rig.put_all("n1", [str(number) for number in range(20)])
    lengths = []
    for _ in range(80):
        rig.deliver("n1", "n2", 1)
        rig.tick("n2")
        rig.deliver("n2", "n1", 1)
        rig.pass_time(0.03)
        rig.tick("n1")
        lengths.append(len(rig.log("n2")))
    promise(f"a follower's log only grows: {lengths}", holds=lengths == sorted(lengths))
    assert rig.log("n2")[-1] == "19"


def test_finding_05_acknowledgement_of_an_older_term_is_not_counted(make_rig: MakeRig) -> None:
    """It says what n2 held three terms ago, which is not what n1 has at those places now."""
    rig = make_rig(SHORT)
    rig.begin()
    rig.isolate("n1")
    rig.put_all("n1", "abcdefgh")  # on n1 only
    rig.elect("n3", by=["n2"])
    rig.disconnect("n2", "n3")  # and n3's first entry is on n3 only
    rig.until_not_leading("n1")
    rig.connect("n1", "n2")
    rig.elect("n1")
    while "h" not in rig.log("n2"):
        rig.deliver("n2", "n1")
        rig.tick("n1")
        rig.deliver("n1", "n2", 1)
        rig.tick("n2")
        rig.pass_time(0.03)
    assert rig.log("n2")[-1] == "h"
    rig.lose("n1", "n2")
    assert rig.waiting("n2", "n1")  # "I have everything up to h"; it stays under way
    rig.until_not_leading("n3")
    rig.connect("n2", "n3")
    rig.elect("n3", by=["n2"])  # its last entry is newer than h
    rig.disconnect("n2", "n3")
    rig.connect("n1", "n3")
    rig.settle("n1", "n3")
    assert "h" not in rig.log("n1")
    rig.disconnect("n1", "n3")
    rig.until_not_leading("n3")
    rig.connect("n1", "n3")
    rig.elect("n1", by=["n3"])
    rig.settle("n1", "n3")
    rig.disconnect("n1", "n3")
    rig.put_all("n1", "stuvw")  # on n1 only, at the places that h and others had
    rig.deliver("n2", "n1")
    rig.tick("n1")
    rig.tick("n1")
    alone = [item for item in rig.acknowledged if item not in rig.log("n2") + rig.log("n3")]
    promise(f"acknowledged is on a majority: {alone} are on n1 only", holds=not alone)


def sizes_near(multiples: range, message_bytes: int) -> list[int]:
    """Lengths of items round the places where a message is full."""
    return [k * message_bytes + off for k in multiples for off in (-64, -40, -30, -20, -10, 0, 1)]


def test_finding_06_no_length_of_an_entry_is_special(make_rig: MakeRig) -> None:
    """Just below a multiple of the message size, the library's followers raise and stay behind."""
    rig = make_rig(Options(message_bytes=4096))
    rig.begin()
    sizes = sizes_near(range(1, 4), 4096)
    for size in sizes:
        rig.put("n1", "x" * size)
        rig.settle(rounds=4)
    rig.settle()
    got = {name: [len(item) for item in rig.applied(name)] for name in rig.running}
    promise(
        f"every node has every entry: raised {rig.raised[:2]}, applied {got}",
        holds=not rig.raised and all(lengths == sizes for lengths in got.values()),
    )


def test_finding_07_a_raising_callback_does_not_repeat_the_entry(make_rig: MakeRig) -> None:
    """The library applies it again; ours ends the process, and hands it out once a life."""
    rig = make_rig()
    rig.begin()
    rig.fails_acknowledging.add("once")
    rig.put("n1", "once")
    seen = repeats_of(rig, "once")
    promise(f"an entry is applied once: {seen}", holds=max(seen.values()) == 1)


def test_finding_07_a_raising_state_machine_does_not_repeat_the_entry(make_rig: MakeRig) -> None:
    """For ever, in the library: at every tick, on every node."""
    rig = make_rig()
    rig.begin()
    rig.fails_applying.add("once")
    rig.put("n1", "once")
    seen = repeats_of(rig, "once")
    promise(f"an entry is applied once: {seen}", holds=max(seen.values()) == 1)


def repeats_of(rig: HandRig, item: str) -> dict[str, int]:
    """How often each node applied `item`, looked at while it ran."""
    seen = dict.fromkeys(rig.running, 0)
    for _ in range(10):
        for name in list(rig.running):
            rig.tick(name)
            for other in list(rig.running):
                rig.deliver(name, other)
        for name in rig.options.names:
            seen[name] = max(seen[name], rig.applied(name).count(item))
        rig.pass_time(0.05)
    assert rig.raised
    return seen


def test_finding_08_a_lagging_follower_does_not_make_the_leader_spin(make_rig: MakeRig) -> None:
    """With a dump in progress the library sends empty messages until its period is over."""
    rig = make_rig(Options(chunk_bytes=64))
    rig.begin()
    rig.clock.step_s = 1e-4
    rig.isolate("n3")
    for number in range(40):
        rig.put("n1", f"{number} of the entries that n3 lacks".ljust(200))
        rig.settle("n1", "n2", rounds=2)
    rig.compact("n1")
    rig.put("n1", "one more")
    rig.settle("n1", "n2")
    rig.begin_compaction("n1")
    rig.connect("n1", "n3")
    rig.pass_time(0.2)
    rig.tick("n1")
    count = rig.waiting("n1", "n3")
    promise(f"a tick sends a few messages to one follower, not {count}", holds=count <= 8)


def test_finding_13_a_leader_without_a_majority_steps_down(make_rig: MakeRig) -> None:
    """By default the library's leads on for 30 s; until then its reads are of the past."""
    rig = make_rig()
    rig.begin()
    rig.isolate("n1")
    for _ in range(60):
        rig.pass_time(0.05)
        rig.tick("n1")
    promise("cut off for 3 s, it leads no more", holds=not rig.leads("n1"))


def test_finding_13_a_node_that_was_cut_off_does_not_depose_a_working_leader(
    make_rig: MakeRig,
) -> None:
    """Without pre-votes, one broken wire between n1 and n3 ends n1's term."""
    rig = make_rig()
    rig.begin()
    term = rig.term("n1")
    rig.disconnect("n1", "n3")
    rig.settle(rounds=80)
    promise(
        f"n1 has its majority, so it leads on in term {term}, not {rig.term('n2')}",
        holds=rig.leads("n1") and rig.term("n1") == rig.term("n2") == term,
    )


def test_finding_13_what_a_client_was_refused_does_not_happen_later(make_rig: MakeRig) -> None:
    """The library's follower forwards, and says LEADER_CHANGED of what is committed after all."""
    rig = make_rig()
    rig.begin()
    rig.put("n2", "maybe")
    rig.tick("n2")
    rig.deliver("n2", "n1")
    rig.tick("n1")
    rig.deliver("n1", "n3")
    rig.tick("n3")
    rig.kill("n1")
    rig.elect("n3")
    rig.settle()
    assert rig.leads("n3")
    happened = [item for item in rig.refused if item in rig.applied("n3")]
    promise(f"refused is not applied: {happened} were", holds=not happened)


def test_finding_13_whoever_asks_is_answered(make_rig: MakeRig) -> None:
    """In the library, a request lost on its way to the leader is never spoken of again."""
    rig = make_rig()
    rig.begin()
    rig.put("n2", "asked")
    rig.tick("n2")
    rig.disconnect("n1", "n2")
    rig.connect("n1", "n2")
    rig.settle(rounds=200)
    answered = rig.acknowledged + rig.refused
    promise("ten seconds later there is an answer", holds="asked" in answered)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["ours", "library"])
def test_the_rig_itself_replicates(make_rig: MakeRig) -> None:
    """Without a fault both kinds of nodes do what they are for: the rig is not what fails."""
    rig = make_rig()
    rig.begin()
    rig.put_all("n1", "abc")
    rig.settle()
    rig.kill("n2")
    rig.put_all("n1", "de")
    rig.settle()
    rig.start("n2")
    rig.connect_all()
    rig.settle(rounds=30)
    for name in rig.running:
        assert rig.applied(name) == list("abcde"), name
        assert [x for x in rig.log(name) if x != LIBRARYS_OWN] == list("abcde")
    assert rig.acknowledged == list("abcde")
    assert rig.raised == []
