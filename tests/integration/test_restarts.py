"""What a stop, a lost file and a damaged disk leave behind: real processes, real folders.

The evidence is the one of test_crashes.py; in addition, files are taken away or changed while
nobody runs, and what is derived must come back byte for byte.
"""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from oms.client.blocking import Client
from oms.config import VenueConfig
from oms.local.samples import GUEST, demo_config
from oms.local.venue import LocalVenue, VenueError
from oms.messages import link
from oms.replication import journal_format as fmt
from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.segment_maker import segment_path
from tests.support.crash_evidence import (
    ASK_S,
    assert_log_explains_everything,
    event_log,
    newest_snapshot,
    read_stream,
    run,
)
from tests.support.crash_load import PATIENCE_S, Load, new_seed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def seed() -> int:
    """A new one for every run; pytest shows it when the test fails."""
    return new_seed()


@pytest.fixture
def config(seed: int) -> VenueConfig:
    """The demo's instruments and robots."""
    return demo_config(seed)


@pytest.fixture
def venue(config: VenueConfig) -> Iterator[LocalVenue]:
    """Three nodes and two gateways."""
    with LocalVenue.temporary(config, gateway_count=2) as running:
        yield running


async def only_trade(load: Load) -> None:
    """Nothing dies."""
    await load.acknowledged(400)


View = TypeVar("View", link.AccountView, link.BookView, link.Totals)


def unplaced(view: View) -> View:
    """The same without the log index it was read at: a new leader writes an entry of its own."""
    return msgspec.structs.replace(view, applied_index=0)


def state_of(venue: LocalVenue) -> list[object]:
    """Accounts, open orders, streams' ends, books and totals: the same at every node."""
    states: list[list[object]] = []
    ask = venue.requests().ask
    for node_id in (node.node_id for node in venue.nodes):
        directory = ask(node_id, link.GetDirectory(), link.Directory, ASK_S)
        parts: list[object] = [timeless(ask(node_id, link.GetTotals(), link.Totals, ASK_S))]
        for firm in directory.accounts:
            request = link.GetAccount(firm.account_id)
            parts.append(timeless(ask(node_id, request, link.AccountView, ASK_S)))
        for session in directory.sessions:
            orders = ask(node_id, link.GetOpenOrders(session.session_id), link.Orders, ASK_S)
            parts.append((orders.orders, session.out_seq, session.last_user_ref_num))
        for instrument in directory.instruments:
            book = ask(node_id, link.GetBook(instrument.instrument_id, 100), link.BookView, ASK_S)
            parts.append(timeless(book))
        states.append(parts)
    assert states[0] == states[1] == states[2]
    return states[0]


def timeless(view: link.Totals | link.AccountView | link.BookView) -> object:
    """A view without the log index at which it was read."""
    return msgspec.structs.replace(view, applied_index=0)


def outputs_of(venue: LocalVenue) -> dict[str, bytes]:
    """Every node's retained outputs, as they are on disk."""
    return {n.node_id: event_log(venue, n.node_id).read_bytes() for n in venue.nodes}


def restart(venue: LocalVenue) -> None:
    """As `oms up` after `oms down`."""
    venue.start(PATIENCE_S)
    venue.wait_equal(ASK_S)


def assert_unchanged(venue: LocalVenue, before: dict[str, bytes]) -> None:
    """Stop; what was written before stands at the beginning of what is written now."""
    venue.stop()
    for node_id, data in outputs_of(venue).items():
        assert data[: len(before[node_id])] == before[node_id], f"{node_id} remembers otherwise"
    assert_log_explains_everything(venue)


def test_a_stopped_venue_goes_on_where_it_stood(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Orders, positions, cash and every stream: nothing is only in memory."""
    state: list[object] = []

    async def script(load: Load) -> None:
        nonlocal state
        await only_trade(load)
        await load.settle()
        state = await load.blocking(lambda: state_of(venue))

    load = run(venue, config, seed, script)
    before = outputs_of(venue)
    restart(venue)
    assert state_of(venue) == state
    for name, client in load.clients.items():
        tape = client.taped.tape
        address = load.draw.choice(venue.gateway_addresses)
        for first in {1, load.draw.randint(2, len(tape) - 1), len(tape)}:
            told = read_stream(
                address, name, load.passwords[name], from_seq=first, count=len(tape) - first + 1
            )
            assert told == tape[first - 1 :], f"{name} from {first}"
    with Client.connect(venue.gateway_addresses, GUEST, load.passwords[GUEST]) as guest:
        oak = config.instruments[6]
        guest.enter(oak.symbol, "BUY", 1, oak.reference_price).outcome(ASK_S)
    assert_unchanged(venue, before)


def test_lost_outputs_and_snapshots_are_made_again_from_the_log(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """They are derived: losing them costs a longer start, and not one byte."""
    load = run(venue, config, seed, only_trade)
    restart(venue)
    state = state_of(venue)
    venue.stop()
    before = outputs_of(venue)

    for number, path in enumerate(event_log(venue, node_id) for node_id in before):
        if number:
            path.unlink()
        else:
            flip(path, load.draw.randrange(path.stat().st_size), 1 << load.draw.randrange(8))
    restart(venue)
    assert state_of(venue) == state
    assert_unchanged(venue, before)

    for node in venue.nodes:
        assert len(snapshot_file.newest_first(newest_snapshot(venue, node.node_id).parent)) > 1
        newest_snapshot(venue, node.node_id).unlink()
    restart(venue)
    assert state_of(venue) == state
    name, client = load.draw.choice(list(load.clients.items()))
    tape = client.taped.tape
    for address in venue.gateway_addresses:
        read = read_stream(address, name, load.passwords[name], from_seq=1, count=len(tape))
        assert read == tape
    assert_unchanged(venue, before)


def test_a_damaged_journal_is_refused_and_the_others_go_on(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """One flipped bit anywhere: better a node less than a node that tells something else."""

    async def script(load: Load) -> None:
        node_id = load.draw.choice([node.node_id for node in venue.nodes])
        await load.kill(node_id)
        await load.acknowledged(50)
        path = segment_path(venue.folder.path / node_id / "journal", 1)
        used = len(path.read_bytes().rstrip(b"\0"))
        at = load.draw.randrange(fmt.SEGMENT_HEADER_BYTES, used * 9 // 10)
        bit = 1 << load.draw.randrange(8)
        print(f"{node_id}: bit {bit:08b} of byte {at} of {used}")
        flip(path, at, bit)
        venue.start_node(node_id)
        assert await load.blocking(lambda: venue.wait_gone(node_id, PATIENCE_S))
        refusal = last_words(venue, node_id)
        assert refusal["event"] == "cannot_start"
        assert str(refusal["reason"]).startswith("what: journal damaged at log index ")
        assert "do:   delete nothing" in str(refusal["reason"])
        await load.acknowledged(50)
        flip(path, at, bit)
        venue.start_node(node_id)

    run(venue, config, seed, script)


def test_a_venue_starts_without_a_damaged_node_and_says_so(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Whoever starts it must hear of the node that refuses, and orders must not wait for it."""
    venue.stop()
    node_id = random.Random(seed).choice([node.node_id for node in venue.nodes])
    path = segment_path(venue.folder.path / node_id / "journal", 1)
    flip(path, fmt.SEGMENT_HEADER_BYTES + 100, 1)
    with pytest.raises(VenueError, match=f"{node_id} does not run; .* without it") as refused:
        venue.start(PATIENCE_S)
    assert "journal damaged at log index " in str(refused.value)
    password = next(user.password for user in config.users if user.name == GUEST)
    with Client.connect(venue.gateway_addresses, GUEST, password) as guest:
        oak = config.instruments[6]
        guest.enter(oak.symbol, "BUY", 1, oak.reference_price).outcome(ASK_S)
    flip(path, fmt.SEGMENT_HEADER_BYTES + 100, 1)
    restart(venue)


def flip(path: Path, at: int, bit: int) -> None:
    """Change a bit of a file in place."""
    with path.open("r+b") as file:
        file.seek(at)
        (value,) = file.read(1)
        file.seek(at)
        file.write(bytes([value ^ bit]))


def last_words(venue: LocalVenue, node_id: str) -> dict[str, str | int]:
    """Why a node ended, in its own words."""
    line = venue.log_file(node_id).read_text().splitlines()[-1]
    return msgspec.convert(json.loads(line), dict[str, str | int])


def test_a_torn_tail_is_cut_and_the_node_catches_up(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """What a power cut leaves of a write that was never acknowledged is nobody's loss."""

    async def script(load: Load) -> None:
        for is_header_whole in (True, False):
            node_id = load.draw.choice([node.node_id for node in venue.nodes])
            await load.kill(node_id)
            await load.acknowledged(50)
            tear(venue, node_id, load, is_header_whole=is_header_whole)
            await load.restart(node_id)

    run(venue, config, seed, script)


def tear(venue: LocalVenue, node_id: str, load: Load, *, is_header_whole: bool) -> None:
    """Leave the beginning of one more record behind the last one."""
    folder = venue.folder.path / node_id / "journal"
    cluster_id = int(venue.folder.venue.cluster_id, 16)
    journal = DiskJournal(folder, cluster_id=cluster_id, node_id=node_id)
    payload = load.draw.randbytes(400)
    header, _ = fmt.pack_record_header(
        journal._writer.chain,
        log_index=journal.last_index + 1,
        term=journal.term_at(journal.last_index),
        synced_records=journal._writer.records,
        kind=fmt.KIND_ENTRY,
        payload=payload,
    )
    number, offset = journal.position
    path = segment_path(folder, number)
    journal.close(clean=False)
    record = header + payload
    least = len(header) if is_header_whole else 1
    most = len(record) - 1 if is_header_whole else len(header) - 1
    fd = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(fd, record[: load.draw.randint(least, most)], offset)
    finally:
        os.close(fd)
