"""Delta tables by name, with their grain. Paths are the table repository's business.

    raw_<source>        one row a record as it came: RAW_SCHEMA
    prepared_<source>   one row an accepted record or declared duplicate: the source's typed and derived columns, and
                        PREPARED_COLUMNS
    quarantine_<source> one row a record that cannot be used: QUARANTINE_SCHEMA
    profile_<source>    one row a (batch, part) of records: what they look like, PROFILE_SCHEMA
    tiles_<group>       one row a (entity, hop_ms, tile_start_ms): `row array<string>` (components of all slots),
                        `last_event_ms`
    training_<set>      one row an asking event: `prediction_key`, t_ms, entities, the vector's columns, `label`; the
                        commit's note is the vector's id
    split_<model>       one row an asking event: `prediction_key`, split (train, test, embargo), `row_hash` (of the training
                        row), split_id; the commit's note names the split, and each part's rows and hash
    candidates_<model>  one row a (training run, partition, attempt): CANDIDATES_SCHEMA
    verdicts_<model>    one row a (training run, partition) that was judged: VERDICTS_SCHEMA
    scores_<model>      one row a score (schemas.messages.Score)
    publications        one row a published batch view: PUBLICATIONS_SCHEMA

All times are bigint milliseconds since 1970-01-01 UTC.
"""

RAW_SCHEMA = (
    "value binary, format string, header string, fingerprint string, origin string, place string, batch_id string, "
    "`partition` int, `offset` bigint, append_time_ms bigint, ingest_time_ms bigint"
)
"""`origin` is `file` or `log`; `place` the file's name or the topic; files have partition -1 and a running row number
as offset; their append time is their ingest time. `header` is a CSV file's first line, null elsewhere."""

PREPARED_COLUMNS = (
    "event_time_ms bigint, period bigint, `partition` int, `offset` bigint, append_time_ms bigint, "
    "batch_id string, unique_id string, duplicate string"
)
"""`period` is null for files, whose partition is -1 (always on the batch side); `duplicate` is null for a record that
counts, else the rule by which it is a declared duplicate: `unique_key` or `log_from`. They stand beside the columns of
the source, so no source may declare one of `RESERVED_COLUMNS`; `field` gives such a field of a record another name."""

RESERVED_COLUMNS = (
    "event_time_ms", "period", "partition", "offset", "append_time_ms", "batch_id", "unique_id", "duplicate", "reasons",
)  # fmt: skip

TRAINING_COLUMNS = (
    "prediction_key", "t_ms", "append_ms", "entities", "label", "label_known_ms",
    "partition_key", "split", "partition", "offset",
)  # fmt: skip
"""What training rows have beside the vector, and what stages put beside them."""

QUARANTINE_SCHEMA = (
    "source string, origin string, `partition` int, `offset` bigint, append_time_ms bigint, batch_id string, "
    "reasons array<string>, excerpt string"
)

PROFILE_SCHEMA = (
    "batch_id string, part string, `rows` bigint, accepted bigint, quarantined bigint, first_ms bigint, last_ms bigint, "
    "begin_ms bigint, end_ms bigint, state string"
)
"""`batch_id` is that of a file's records, or `log` and the day on which a topic appended them; `first_ms` and `last_ms` are
append times, `begin_ms` and `end_ms` event times; `state` is the JSON of the preparation's `Profile`."""

CANDIDATES_SCHEMA = (
    "run_id string, made_ms bigint, model string, partition_key string, attempt int, error string, feature_set_id string, "
    "definition_id string, split_id string, inputs array<string>, rows bigint, seconds double, sha256 string, "
    "content binary, baseline_sha256 string, baseline binary, reference string"
)
"""`error` is null for a partition that was fitted, else why it was not; `content` and `baseline` are ONNX; `inputs`
are the vector's values that the candidate takes, in order (the baseline is given all of them); `reference` is the JSON of some
training rows' whole vectors (`inputs`), of the library's own `predictions` for them and, where values were selected, of
their `scores` by step."""

VERDICTS_SCHEMA = (
    "run_id string, model string, partition_key string, version string, champion string, split_id string, "
    "promoted boolean, reasons array<string>, rows bigint, figures string, judged_ms bigint"
)
"""`promoted` is the whole version's, `reasons` the partition's own; `champion` is the version it was compared with;
`figures` is a JSON object of metrics by name."""

SCORES_SCHEMA = (
    "prediction_id string, model string, model_version string, partition_key string, score double, append_ms bigint, "
    "scored_ms bigint, answer string"
)
"""`answer` is the JSON of schemas.messages.Answer."""

PUBLICATIONS = "publications"
PUBLICATIONS_SCHEMA = (
    "generation string, horizon bigint, epoch string, definition_id string, rebuild int, raw_versions map<string,bigint>, "
    "prepared_versions map<string,bigint>, tile_versions map<string,bigint>, lookback_from_ms bigint, "
    "`keys` map<string,bigint>, run_id string, at_ms bigint"
)
"""One row a batch view that was loaded and verified, written just before its flip; `keys` counts batch values a group."""


def raw(source: str) -> str:
    """Return the name of a source's raw table."""
    return f"raw_{source}"


def prepared(source: str) -> str:
    """Return the name of a source's prepared table."""
    return f"prepared_{source}"


def quarantine(source: str) -> str:
    """Return the name of a source's quarantine."""
    return f"quarantine_{source}"


def profile(source: str) -> str:
    """Return the name of the profiles of a source's batches."""
    return f"profile_{source}"


def tiles(group: str) -> str:
    """Return the name of a feature group's tiles."""
    return f"tiles_{group}"


def training(feature_set: str) -> str:
    """Return the name of a feature set's training rows."""
    return f"training_{feature_set}"


def split(model: str) -> str:
    """Return the name of a model's recorded split."""
    return f"split_{model}"


def candidates(model: str) -> str:
    """Return the name of a model's trained candidates."""
    return f"candidates_{model}"


def verdicts(model: str) -> str:
    """Return the name of a model's verdicts."""
    return f"verdicts_{model}"


def scores(model: str) -> str:
    """Return the name of a model's long-term scores."""
    return f"scores_{model}"
