#!/usr/bin/env bash
# Hand a job to Spark with what every job of this project needs; `./spark-submit.sh --help` tells the rest.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'TEXT'
./spark-submit.sh [options of spark-submit] jobs/<job>.py [arguments of the job]

Runs the spark-submit of .venv with the settings that every job here needs:
  jars             all of .jars/spark (Delta Lake, the Kafka connector), as `make setup` fetched them
  Delta Lake       its session extension and its catalogue
  time             UTC, whatever the machine's zone
  local defaults   master local[*] (jobs/speed.py: local[12], a slot for each partition of the topics),
                   3 GiB of driver memory, loopback only, no UI, no progress bar

Anything given on the command line comes later and wins:
  ./spark-submit.sh jobs/batch.py --help                                 what the batch job takes
  ./spark-submit.sh --driver-memory 8g jobs/batch.py ...                 more memory
  ./spark-submit.sh --master spark://host:7077 jobs/batch.py ...         a cluster
  ./spark-submit.sh --conf spark.ui.enabled=true jobs/speed.py ...       with Spark's UI, on loopback

From the environment:
  SPARK_LOCAL_IP        the address to bind to (127.0.0.1; on a cluster, this machine's own)
  SPARK_DRIVER_MEMORY   memory of the driver (3g)
  SPARK_MASTER          where to run (local[*]; jobs/speed.py: local[12])
TEXT
}

fail() {
    printf 'spark-submit.sh: %s\n' "$*" >&2
    exit 1
}

case "${1:-}" in
"" | -h | --help) usage && exit 0 ;;
esac

SUBMIT=$ROOT/.venv/bin/spark-submit
[ -x "$SUBMIT" ] || fail "expected Spark in $ROOT/.venv, found none. Run: make setup"
jars=("$ROOT"/.jars/spark/*.jar)
[ -e "${jars[0]}" ] || fail "expected jars in $ROOT/.jars/spark, found none. Run: make setup"

export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$ROOT/.venv/bin/python}
export PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH}
export MLFLOW_DISABLE_TELEMETRY=true GX_ANALYTICS_ENABLED=false

# In Real-Time Mode every partition of a topic keeps a task slot, however few cores there are.
master='local[*]'
for word in "$@"; do
    case $word in *jobs/speed.py) master='local[12]' ;; esac
done

exec "$SUBMIT" \
    --master "${SPARK_MASTER:-$master}" \
    --driver-memory "${SPARK_DRIVER_MEMORY:-3g}" \
    --jars "$(IFS=, && echo "${jars[*]}")" \
    --conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension \
    --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog \
    --conf spark.sql.session.timeZone=UTC \
    --conf spark.hadoop.parquet.dictionary.page.size=65536 \
    --conf spark.sql.parquet.compression.codec=zstd \
    --conf spark.python.sql.dataFrameDebugging.enabled=false \
    --conf spark.sql.execution.arrow.maxBytesPerBatch=2147483647 \
    --conf spark.sql.execution.arrow.maxRecordsPerBatch=1000 \
    --conf spark.executorEnv.ARROW_DEFAULT_MEMORY_POOL=system \
    --conf spark.executorEnv.MALLOC_MMAP_THRESHOLD_=1073741824 \
    --conf spark.executorEnv.MALLOC_TRIM_THRESHOLD_=268435456 \
    --conf spark.hadoop.fs.AbstractFileSystem.file.impl=org.apache.hadoop.fs.local.RawLocalFs \
    --conf "spark.driver.extraJavaOptions=-Duser.timezone=UTC -Djdk.lang.Process.launchMechanism=VFORK" \
    --conf "spark.executor.extraJavaOptions=-Duser.timezone=UTC" \
    --conf spark.ui.enabled=false \
    --conf spark.ui.showConsoleProgress=false \
    "$@"
