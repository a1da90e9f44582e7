"""The peer: point-in-time rows by Feast's offline join, run from an environment of its own. A program; no code of ours.

`feast_join.py WARM FOLDER` works on the small folder, says `warm`, works on the other, and says how many seconds that took:
the newest amount of each ask's shop in the seven days before it, by `get_historical_features` over the default offline
store of one machine. That store wants a column of timestamps, which is written before. What it makes is in `feast-latest`.
"""

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

os.environ["FEAST_USAGE"] = "False"

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64
from feast.value_type import ValueType
from warmly import work_warmly


def applied(folder: Path) -> FeatureStore:
    """Return a store whose feature view is over the folder's orders."""
    own = folder / "feast"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    orders = pq.read_table(folder / "orders").to_pandas()
    orders["event_timestamp"] = pd.to_datetime(orders.pop("at_ms"), unit="ms", utc=True)
    orders.to_parquet(own / "orders.parquet")
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(own / "registry.db"),
            online_store={"type": "sqlite", "path": str(own / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
    view = FeatureView(
        name="orders",
        entities=[shop],
        ttl=timedelta(days=7),
        schema=[Field(name="amount", dtype=Float64)],
        source=FileSource(path=str(own / "orders.parquet"), timestamp_field="event_timestamp"),
    )
    store.apply([shop, view])
    return store


def join(store: FeatureStore, folder: Path, out: Path) -> None:
    """Make a row an ask."""
    asks = pq.read_table(folder / "asks").to_pandas()
    asks["event_timestamp"] = pd.to_datetime(asks.pop("at_ms"), unit="ms", utc=True)
    found = store.get_historical_features(entity_df=asks, features=["orders:amount"]).to_df()
    # Asks for which nothing was found are left out by that store: who trains on all of them puts them back.
    rows = asks[["number"]].merge(found[["number", "amount"]], "left", "number")
    rows.rename(columns={"amount": "amount_latest_7d"}).to_parquet(out / "rows.parquet")


def main() -> None:
    """Work on the small folder, then on the other."""
    stores = {folder: applied(folder) for folder in map(Path, sys.argv[1:])}
    work_warmly(sys.argv[1:], "feast-latest", lambda folder, out: join(stores[folder], folder, out))


if __name__ == "__main__":
    main()
