"""Claims of speed, measured side by side: ours and a peer or a floor, interleaved in the same run, results compared.

Lives here: one module a benchmark, each `python -m benchmarks.NAME [--quick] --json FILE`; `harness` interleaves,
prints the table and writes the rows; `systems` are the streaming systems that are measured. `python -m benchmarks` runs all.
Does not belong here: tests; nothing here fails on a slow machine.
"""
