"""What streaming benchmarks run: our speed layer and its peers, each in processes of its own, over one broker and store.

Lives here: the events (`events`), servers and processes (`processes`), our system (`ours`), the peers (`peers`) with
their programs (`stock_query`, `quix_app`, `wax_flow`), what sends events (`feeding`) and what waits for them (`watching`).
Does not belong here: what is measured, and how it is compared (`benchmarks.freshness`, `benchmarks.throughput`).
"""
