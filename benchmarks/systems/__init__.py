"""What benchmarks run: our layers and their peers, each in processes of its own.

Lives here, for streams: the events (`events`), servers and processes (`processes`), our system (`ours`), the peers (`peers`)
with their programs (`stock_query`, `quix_app`, `wax_flow`), what sends events (`feeding`) and waits for them (`watching`).
For tables and files: what is drawn (`drawn`), a run with its time and memory (`runs`), runs in turn and whether they made the
same (`comparing`), our program (`batch_ours`) and the peers' (`batch_spark`, `batch_duckdb`, `batch_polars`, `feast_join`,
`rust_delta`).
Does not belong here: what is measured, and how it is told (`benchmarks.freshness`, `benchmarks.features`, ...).
"""
