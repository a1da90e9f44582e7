"""The shipped project, seen through: it plays the airports' systems, runs everything, and judges the outcome alone.

Lives here: the sources' files and the replay of their log, the client that measures freshness, the oracle, the report.
Reads:      the data set's package, the raw tables, the scores, the product through its commands and its client.
Writes:     source files and topics as an airport would; the report in `build/demo-report.json`.
Not here:   anything that the product needs: it never imports this folder.
"""
