"""From YAML files to frozen settings; mistakes are told before anything runs, all of one kind in one go.

First what cannot be read as YAML, then what is not of the form that a section has, then names that stand for nothing.
A project is the union of the files of its folder: each top-level key stands in one file. An error names the file, the
path of the key, what was expected, what was found, and the nearest valid name.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lambda_core.config.environment import Environment
from lambda_core.config.names import dangling_names
from lambda_core.config.project import Project
from lambda_core.config.safe_yaml import read_yaml
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest

VARIABLES = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "REDIS_URL": "redis",
    "MLFLOW_TRACKING_URI": "mlflow",
    "MAINSTEM_STATE": "state",
    "MAINSTEM_DATA": "data",
    "MAINSTEM_API_TOKEN": "api_token",
    "MAINSTEM_API_TOKEN_FILE": "api_token_file",
}
"""Environment variable -> the setting it wins over."""


def load_project(folder: Path) -> Project:
    """Return the project that a folder of YAML declares, validated as a whole.

    Raises:
        ConfigError: with one line a mistake.
    """
    declared, files = _read_folder(folder)
    try:
        project = Project.model_validate(declared)
    except ValidationError as error:
        raise ConfigError(_sentences(Project, error, files)) from error
    mistakes = [f"{files.get(path.split('.')[0], folder)}: {path}: {what}" for path, what in dangling_names(project)]
    if mistakes:
        raise ConfigError("\n".join(dict.fromkeys(mistakes)))
    return project


def load_environment(file: Path, variables: Mapping[str, str] | None = None) -> Environment:
    """Return the environment that a YAML file declares, with the variables of `VARIABLES` winning over it."""
    declared = _read_file(file)
    variables = os.environ if variables is None else variables
    for variable, key in VARIABLES.items():
        if variables.get(variable):
            declared[key] = variables[variable]
    try:
        return Environment.model_validate(declared)
    except ValidationError as error:
        files = dict.fromkeys(declared, file)
        raise ConfigError(_sentences(Environment, error, files)) from error


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in folder.parent.glob("*") if (path / "project.yaml").is_file()))
        raise ConfigError(
            f"{folder}: expected the folder of a project, found none; there are: {known or 'none'}; MAINSTEM_PROJECT "
            "names one, else it is the first by name"
        )
    declared: dict[str, Any] = {}
    files: dict[str, Path] = {}
    mistakes: list[str] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            content = _read_file(file)
        except ConfigError as error:
            mistakes.append(str(error))
            continue
        for key, value in content.items():
            if key in declared:
                mistakes.append(f"{file}: {key}: expected each key in one file, found it in {files[key]} too")
            declared[key], files[key] = value, file
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return declared, files


def _read_file(file: Path) -> dict[str, Any]:
    content = read_yaml(file)
    if not isinstance(content or {}, dict):
        raise ConfigError(f"{file}: expected keys and values, found {type(content).__name__}")
    return content or {}


def _sentences(model: type[BaseModel], error: ValidationError, files: Mapping[str, Path]) -> str:
    details = error.errors()
    own = [detail for detail in details if not any(_is_inside(other, detail) for other in details)]
    return "\n".join(dict.fromkeys(_sentence(model, detail, files) for detail in own))


def _is_inside(inner: Any, outer: Any) -> bool:
    """Tell whether a mistake lies below another one's key, which then only repeats it."""
    return len(inner["loc"]) > len(outer["loc"]) and inner["loc"][: len(outer["loc"])] == outer["loc"]


def _sentence(model: type[BaseModel], detail: Any, files: Mapping[str, Path]) -> str:
    path = [part for part in detail["loc"] if part != "[key]"]
    where = f"{files.get(str(path[0]), '') if path else ''}: {'.'.join(str(part) for part in path)}"
    found = detail.get("input")
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(model, path[:-1])
        key = str(path[-1])
        return (
            f"{where}: expected one of {', '.join(sorted(valid))}; found the unknown key {key!r}{nearest(key, valid)}"
        )
    if detail["type"] == "missing":
        return f"{where}: expected a value, found none"
    message = detail["msg"].removeprefix("Value error, ")
    shown = "" if "found" in message or isinstance(found, dict) else f"; found {found!r}"
    return f"{where}: {message}{shown}"


def _valid_keys(model: Any, path: list[Any]) -> list[str]:
    """Return the keys that are valid at a path below a model, following models inside dicts, tuples and unions."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            if part in fields:  # else a name inside a mapping, or a place in a list: the model stays the same
                current = next(_models_in(fields[part].annotation), None)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
