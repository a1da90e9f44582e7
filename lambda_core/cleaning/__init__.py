"""What a record becomes: read as text, typed, repaired, looked up, derived, timed, ruled; or why it cannot be used.

Lives here: `reading` (CSV and JSON to texts), `clean` (the one function that batch and stream share, with its steps
`conversions`, `repairs`, `looking_up`, `deriving`, `sizes`, `reasons`), `references` (the tables that lookups join, and their hash),
`expressions` and `check` (the project's Spark SQL, refused before it runs).
Reads: prepared references. Writes nothing.
Does not belong here: rules over more rows than one (preparation, the store), where records come from (ingestion).
"""

from lambda_core.cleaning.check import check_expressions
from lambda_core.cleaning.clean import clean
from lambda_core.cleaning.reading import read_fields
from lambda_core.cleaning.references import read_references, reference_hashes

__all__ = ["check_expressions", "clean", "read_fields", "read_references", "reference_hashes"]
