"""The tree of errors. Each class says what went wrong for whom, and what an operator does about it.

MainstemError
  ├── ConfigError            a setting is wrong: nothing has run
  ├── DataError              data does not keep its promise
  │     ├── SchemaError      a column or table is missing, or has another type
  │     ├── GateError        an expectation of the quality gate failed
  │     └── OverflowStateError  a state left the range that its type promises
  ├── ServerError            a server is away or is not what it should be
  │     ├── KafkaError
  │     └── StoreError
  │           ├── EpochError     the speed view is of another epoch, or was lost
  │           ├── BehindError    the speed view went back in time, and is being caught up
  │           └── PointerMovedError  somebody else flipped the pointer first
  ├── PositionError          a source position is gone, past the end, or of another topic
  ├── ArtefactError          a model artefact is not what its manifest says
  └── GuardError             a rule of the project forbids the step (split leak, gate, incomplete view)
"""


class MainstemError(Exception):
    """Base of every error that Mainstem raises on purpose.

    Operator action: read the sentence; it names what, where, expected, found, and what to do.
    """


class ConfigError(MainstemError):
    """A setting is wrong. Nothing has run.

    Operator action: edit the file and the key path that the message names, then `mainstem config check`.
    """


class DataError(MainstemError):
    """Data does not keep its promise.

    Operator action: fix the producer or the source's definition that the message names.
    """


class SchemaError(DataError):
    """A table or record lacks a column its definition promises, or has it in another type.

    Operator action: correct the definition, or the source that the message names.
    """


class GateError(DataError):
    """An expectation of the quality gate failed; nothing was published.

    Operator action: look at the named expectation and rows, fix the source or the expectation, run again.
    """


class OverflowStateError(DataError):
    """A state left the range of its declared type (64-bit integers, finite floats).

    Operator action: declare a smaller scale or a float for the column, under a new definition.
    """


class ServerError(MainstemError):
    """A server is away, or is not what it should be.

    Operator action: start it (`mainstem up`), or correct the address that the message names.
    """


class KafkaError(ServerError):
    """The broker cannot be reached or refuses.

    Operator action: check `KAFKA_BOOTSTRAP_SERVERS`; on one machine, `mainstem up`.
    """


class StoreError(ServerError):
    """Redis cannot be reached or refuses.

    Operator action: check `REDIS_URL`; on one machine, `mainstem up`.
    """


class EpochError(StoreError):
    """The speed view in Redis is of another epoch, or was lost.

    Operator action: none for a moving epoch; after a loss, publish the batch view again and rebuild.
    """


class BehindError(StoreError):
    """Redis was started again, and may hold an older speed view than it did; the workers are catching up.

    Operator action: none while merge workers run; `mainstem speed status` shows how far they are.
    """


class PointerMovedError(StoreError):
    """The pointer was moved by somebody else between reading and flipping it.

    Operator action: run the publication again; it starts from the new pointer.
    """


class PositionError(MainstemError):
    """A source position is gone, past the log's end, or belongs to another topic of the same name.

    Operator action: never skip; rebuild from the raw table, or restore the topic.
    """


class ArtefactError(MainstemError):
    """A model artefact is not what its manifest says. The model that served before keeps serving.

    Operator action: deploy the version again from the model registry.
    """


class GuardError(MainstemError):
    """A rule of the project forbids the step.

    Operator action: the message names the rule and its figures; change the data or the rule, not the guard.
    """
