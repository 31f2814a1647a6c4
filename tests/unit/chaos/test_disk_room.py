"""Which blocks a file has, and what is left of a disk."""

import random

import pytest

from oms.chaos.disk_room import BLOCK_BYTES, DiskRoom, Extents

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_file_has_the_blocks_it_was_given_and_not_cut_off(seed: int) -> None:
    """Against a set of block numbers."""
    draw = random.Random(seed)
    extents, plain = Extents(), set[int]()
    for _ in range(60):
        offset, length = draw.randrange(90_000), draw.randrange(30_000)
        blocks = set(range(offset // BLOCK_BYTES, -(-(offset + length) // BLOCK_BYTES)))
        assert extents.missing(offset, length) == len(blocks - plain)
        if draw.random() < 0.3:
            gone = {block for block in plain if block * BLOCK_BYTES >= offset}
            assert extents.remove(offset) == len(gone)
            plain -= gone
        else:
            assert extents.add(offset, length) == len(blocks - plain)
            plain |= blocks
        assert extents.blocks == len(plain)


def test_a_disk_gives_what_it_has_and_no_block_more() -> None:
    """What is refused takes nothing."""
    room = DiskRoom()
    room.take(1_000_000)
    room.left = 3
    with pytest.raises(OSError, match="No space"):
        room.take(4)
    room.take(3)
    room.give(1)
    room.take(1)
    assert room.left == 0
