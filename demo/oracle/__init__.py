"""The oracle: it recomputes every answer from the raw records alone, and says where the product is wrong.

Lives here: a second, plain reading of the shipped project: parsing, UTC, bounds, duplicates, windows, accounts.
Reads:      source files, raw Delta tables (log and Parquet, by itself), the project's YAML as declarations, scores.
Writes:     nothing; its findings go to the report.
Not here:   a single import of the product. Where it and the product agree, two programs have agreed.
"""
