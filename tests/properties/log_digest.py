"""One log's digests, for a run in a process of its own.

Called by test_determinism.py as `python -m tests.properties.log_digest MODULE SEED`. Promises:
prints the chain digest, the state digest and a hash of the snapshot.
"""

import hashlib
import random
import sys

from oms.reference.engine import Engine
from tests.properties.compare import engine_factory
from tests.properties.generator import Generator
from tests.properties.steps import pack

ENTRIES = 600


def digests(module: str, seed: str) -> str:
    """What the engine comes to after a random log."""
    generator, oracle = Generator(random.Random(seed)), Engine()
    engine = engine_factory(module)()
    for index in range(1, ENTRIES + 1):
        entry = pack(generator.next_step(oracle._venue), oracle._venue)
        oracle.apply(index, entry)
        engine.apply(index, entry)
    snapshot = hashlib.sha256(engine.snapshot()).hexdigest()
    return f"{engine.digest():016x} {engine.state_digest():016x} {snapshot}"


if __name__ == "__main__":
    print(digests(sys.argv[1], sys.argv[2]))
