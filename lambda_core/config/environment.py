"""Where a project runs: addresses, folders and Spark settings. Environment variables win over the file.

Every variable that Mainstem reads is declared here, once:

    MAINSTEM_PROJECT, MAINSTEM_ENVIRONMENT   which of conf/ to load (default: the first project by name, local)
    KAFKA_BOOTSTRAP_SERVERS, REDIS_URL       servers to use instead of the local stack's
    MLFLOW_TRACKING_URI                      registry (default: sqlite below the state folder)
    MAINSTEM_STATE                           folder of one project's tables, checkpoints and registry
    MAINSTEM_DATA                            folder of the sources' files
    MAINSTEM_API_TOKEN                       bearer token that the HTTP server asks for (default: none)
    MAINSTEM_API_TOKEN_FILE                  file that holds it, in place of the variable
    MAINSTEM_LOG                             least level of what is logged (default: INFO)
    MAINSTEM_REPORT                          the demo's report that the notebook looks at
    MAINSTEM_FAIL_AT                         where a process ends by SIGKILL, for crash runs (`fail_points`; default: nowhere)
"""

from pathlib import Path

from pydantic import Field, SecretStr

from lambda_core.config.section import Milliseconds, Section
from lambda_core.errors import ConfigError


class SparkSettings(Section):
    """How Spark is started by `mainstem`; `spark-submit` settings win over these.

    Attributes:
        side_by_side: how many tables a batch stage works on at the same time.
    """

    master: str = "local[2]"
    streaming_master: str = "local[12]"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(default=4, ge=1)
    side_by_side: int = Field(default=3, ge=1, le=64)


class SpeedSettings(Section):
    """How the speed layer runs.

    Attributes:
        trigger: `realtime <duration>` (Real-Time Mode; the duration is the checkpoint interval) or a plain duration
            for micro-batches of that length.
        raw_trigger_ms: how often the raw writer commits.
        max_batch: how many updates the merge worker takes in one round trip at most, which is while it is behind.
        topic_partitions: partitions of the project's own topics where they are made.
        query_metrics_port, merge_metrics_port, score_metrics_port: where the process of the queries and the workers serve
            Prometheus metrics, on loopback; none when unset.
        max_lag_ms: how old the oldest record that waits may be before `mainstem speed status` complains; a query's
            trigger, which lies between its checkpoints, comes on top.
    """

    trigger: str = "realtime 30 seconds"
    raw_trigger_ms: Milliseconds = Field(default=5_000, alias="raw_trigger")
    max_batch: int = Field(default=2_000, ge=1, le=2_000)
    topic_partitions: int = Field(default=2, ge=1)
    query_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    merge_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    score_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    max_lag_ms: Milliseconds = Field(default=60_000, ge=1_000, alias="max_lag")


class ApiSettings(Section):
    """Where the HTTP server listens. Loopback unless told otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=0, le=65535)


class Environment(Section):
    """One environment: addresses, folders, Spark, speed layer, HTTP server.

    Attributes:
        kafka: bootstrap servers. redis: URL, `redis://host:port/0` or, of a cluster,
            `redis+cluster://host:port[,host:port ...]`; secret, since it may hold a password.
        api_token, api_token_file: what the HTTP server asks for, if anything; a secret never stands in the YAML file.
        state: folder of tables (`tables/`), checkpoints (`checkpoints/`), reports (`reports/`) and registry; data: folder of source files.
    """

    kafka: str = "127.0.0.1:9092"
    redis: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    mlflow: str | None = None
    state: Path = Path("build/state")
    data: Path = Path("build/data")
    spark: SparkSettings = SparkSettings()
    speed: SpeedSettings = SpeedSettings()
    api: ApiSettings = ApiSettings()
    api_token: SecretStr | None = None
    api_token_file: Path | None = None

    @property
    def tables(self) -> Path:
        """Return the folder of Delta tables."""
        return self.state.absolute() / "tables"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the streaming queries' checkpoints."""
        return self.state.absolute() / "checkpoints"

    @property
    def reports(self) -> Path:
        """Return the folder of the reports on the sources' condition."""
        return self.state.absolute() / "reports"

    @property
    def registry(self) -> str:
        """Return the MLflow tracking URI."""
        return self.mlflow or f"sqlite:///{self.state.absolute() / 'mlflow.db'}"

    def bearer_token(self) -> str | None:
        """Return the token that the HTTP server asks for; None when it asks for none.

        Raises:
            ConfigError: when its file cannot be read or is empty.
        """
        if self.api_token_file is None:
            return self.api_token.get_secret_value() if self.api_token else None
        try:
            token = self.api_token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"MAINSTEM_API_TOKEN_FILE: expected a file with the token, found {error}") from error
        if not token:
            raise ConfigError(f"MAINSTEM_API_TOKEN_FILE: expected a token in {self.api_token_file}, found nothing")
        return token
