"""The model registry: runs, versions and the alias `champion`. MLflow, and an honest fake."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock

from lambda_core.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

CHAMPION = "champion"
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Version:
    """One registered version of a model, made by one training run."""

    version: str
    run_id: str


class Registry(Protocol):
    """Where runs and versions are kept for people to look at."""

    def begin(self, model: str, parameters: Mapping[str, Any]) -> str:
        """Begin a training run; return its id."""
        ...

    def record(self, run_id: str, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> None:
        """Add metrics and files (by their path below the run) to a run."""
        ...

    def finish(self, run_id: str, *, succeeded: bool) -> None:
        """End a run."""
        ...

    def register(self, model: str, run_id: str) -> Version:
        """Return the version of a run; made at the first call."""
        ...

    def versions(self, model: str) -> list[Version]:
        """Return every version of a model, oldest first."""
        ...

    def champion(self, model: str) -> Version | None:
        """Return the version that bears the alias `champion`; None when none does."""
        ...

    def crown(self, model: str, version: str) -> None:
        """Move the alias `champion` to a version."""
        ...


class MlflowRegistry:
    """MLflow behind the port, by its client alone: nothing global is set.

    Args:
        uri: tracking server, or `sqlite:///<absolute path>`; artefacts then lie beside the file.
        project: name of the experiment, and prefix of the models' names.
    """

    def __init__(self, uri: str, project: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._project = project
        self._uri = uri
        self._client = self._connect()

    def begin(self, model: str, parameters: Mapping[str, Any]) -> str:
        """Begin a training run; return its id."""
        run_id = str(self._client.create_run(self._experiment(), run_name=model, tags={"model": model}).info.run_id)
        for name, value in parameters.items():
            self._client.log_param(run_id, name, value)
        return run_id

    def record(self, run_id: str, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> None:
        """Add metrics and files (by their path below the run) to a run."""
        for name, value in metrics.items():
            self._client.log_metric(run_id, name, value)
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            if files:
                self._client.log_artifacts(run_id, folder)

    def finish(self, run_id: str, *, succeeded: bool) -> None:
        """End a run."""
        self._client.set_terminated(run_id, "FINISHED" if succeeded else "FAILED")

    def register(self, model: str, run_id: str) -> Version:
        """Return the version of a run; made at the first call."""
        for known in self.versions(model):
            if known.run_id == run_id:
                return known
        name = self._name(model)
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
        made = self._client.create_model_version(name, source, run_id)
        return Version(str(made.version), run_id)

    def versions(self, model: str) -> list[Version]:
        """Return every version of a model, oldest first."""
        found = self._client.search_model_versions(f"name = '{self._name(model)}'")
        return sorted((Version(str(v.version), str(v.run_id)) for v in found), key=lambda v: int(v.version))

    def champion(self, model: str) -> Version | None:
        """Return the version that bears the alias `champion`; None when none does."""
        found = self._client.search_registered_models(f"name = '{self._name(model)}'")
        version = found[0].aliases.get(CHAMPION) if found else None
        return next((known for known in self.versions(model) if known.version == str(version)), None)

    def crown(self, model: str, version: str) -> None:
        """Move the alias `champion` to a version."""
        self._client.set_registered_model_alias(self._name(model), CHAMPION, version)

    def _name(self, model: str) -> str:
        return f"{self._project}.{model}"

    def _connect(self) -> MlflowClient:
        """Return a client; a new file's tables are made by one process at a time."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            if not self._uri.startswith(_SQLITE):
                return MlflowClient(self._uri, self._uri)
            file = Path(self._uri.removeprefix(_SQLITE))
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(file.parent / f".{file.name}.lock"):
                client = MlflowClient(self._uri, self._uri)
                client.search_experiments(max_results=1)
                return client
        except (MlflowException, OSError) as error:
            raise ServerError(
                f"registry {self._uri}: cannot be opened: {error}; check MLFLOW_TRACKING_URI and its folder"
            ) from error

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._project)
        if found is not None:
            return str(found.experiment_id)
        beside = None
        if self._uri.startswith(_SQLITE):
            file = Path(self._uri.removeprefix(_SQLITE))
            beside = (file.parent / "artefacts").as_uri()
        return str(self._client.create_experiment(self._project, artifact_location=beside))


@dataclass
class MemoryRun:
    """What a run of the fake was told."""

    model: str
    parameters: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    succeeded: bool | None = None


class MemoryRegistry:
    """The registry in memory; for tests."""

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self._versions: dict[str, list[Version]] = {}
        self._champions: dict[str, str] = {}

    def begin(self, model: str, parameters: Mapping[str, Any]) -> str:
        """Begin a training run; return its id."""
        run_id = f"run{len(self.runs) + 1}"
        self.runs[run_id] = MemoryRun(model, dict(parameters))
        return run_id

    def record(self, run_id: str, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> None:
        """Add metrics and files to a run."""
        self.runs[run_id].metrics.update(metrics)
        self.runs[run_id].files.update(files)

    def finish(self, run_id: str, *, succeeded: bool) -> None:
        """End a run."""
        self.runs[run_id].succeeded = succeeded

    def register(self, model: str, run_id: str) -> Version:
        """Return the version of a run; made at the first call."""
        known = self._versions.setdefault(model, [])
        for version in known:
            if version.run_id == run_id:
                return version
        known.append(Version(str(len(known) + 1), run_id))
        return known[-1]

    def versions(self, model: str) -> list[Version]:
        """Return every version of a model, oldest first."""
        return list(self._versions.get(model, []))

    def champion(self, model: str) -> Version | None:
        """Return the version that bears the alias `champion`; None when none does."""
        return next((v for v in self.versions(model) if v.version == self._champions.get(model)), None)

    def crown(self, model: str, version: str) -> None:
        """Move the alias `champion` to a version."""
        self._champions[model] = version
