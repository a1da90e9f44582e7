"""Local stack: a real broker and a real store on this machine, for the demo, development and the tests.

Lives here: fetching the jars (`jars`), one Kafka broker (`broker`), one Redis server (`store`), several that are a
cluster (`cluster`), free ports (`ports`), and the stack that starts broker and store, remembers every process, and ends
them again (`stack`, `state`).
Reads: `jars.lock`, `KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL`. Writes: `.jars/`, `build/stack/`.
Does not belong here: anything that a deployed system needs; of the other packages only jobs (for the
addresses), demo and tests import this one.
"""
