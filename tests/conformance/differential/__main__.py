"""Random operations said to RabbitMQ and to Menura in lockstep; the first answer that differs ends a sequence.

    python -m tests.conformance.differential --cases 1000 --seed 1

needs RabbitMQ and its `rabbitmqctl` on this machine, and starts a broker of our own beside it. A sequence that differs
is run again, and shortened by leaving out whatever it differs without, so that what is printed can be made a test.

`stories` makes the sequences out of `operations`, `peers` says them to a broker and collects what that answers, `told`
makes it comparable, and `lockstep` compares.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter

from tests.conformance.differential.lockstep import find, open_lockstep
from tests.conformance.differential.stories import FLAVOURS

import menura


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first case; the others are the next")
    parser.add_argument("--flavour", choices=FLAVOURS, default="", help="of all sequences")
    options = parser.parse_args()
    logging.getLogger("menura").setLevel(logging.CRITICAL)
    counts: Counter[str] = Counter()
    try:
        with menura.Broker() as broker, open_lockstep(broker) as lockstep:
            for seed in range(options.seed, options.seed + options.cases):
                outcome, text = find(lockstep, seed, options.flavour)
                counts["cases"] += 1
                counts["operations"] += outcome.steps
                counts["order left open"] += outcome.open_order
                counts["RabbitMQ broken down"] += outcome.broken_down
                counts["different"] += bool(text)
                counts["different once"] += outcome.differs and not text
                if text:
                    print(text, end="\n\n", flush=True)
    finally:
        print(", ".join(f"{name} {count}" for name, count in counts.items()), flush=True)


if __name__ == "__main__":
    main()
