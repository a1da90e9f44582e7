"""A strategy by its name in a stage's menu, or by the dotted path of a user's own class."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError, MainstemError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.config.origins import Repository
    from lambda_core.config.project import Choice


def build(menu: Mapping[str, Any], choice: Choice | Repository, place: str, method: str = "", /, **given: Any) -> Any:
    """Return the chosen strategy, built with its parameters.

    Args:
        menu: the stage's STRATEGIES, by name.
        choice: a name of the menu, or `package.module.Class`, with the class's keyword arguments.
        place: key path of the choice in the settings; for the error.
        method: what the stage calls; a class of one's own without it is refused.
        given: what the stage itself gives every strategy by name; the settings cannot.

    Raises:
        ConfigError: when there is no such strategy, it does not take these parameters, cannot be made with them, or has
            no such method.
    """
    made = _made(bound(menu, choice, place, **given), choice, place, given)
    _refuse_without(made, method, choice, place)
    return made


def bound(menu: Mapping[str, Any], choice: Choice | Repository, place: str, method: str = "", /, **given: Any) -> Any:
    """Return what makes the chosen strategy, seen to take the parameters; nothing is made yet.

    Raises:
        ConfigError: when there is no such strategy, it does not take these parameters, or is a class without the method.
    """
    made_by = menu[choice.strategy] if choice.strategy in menu else _load(menu, choice.strategy, place)
    signature = inspect.signature(made_by)
    try:
        signature.bind(**given, **choice.parameters)
    except TypeError as error:
        own = [name for name in signature.parameters if name not in given]
        raise ConfigError(
            f"{place}.parameters: expected those of {choice.strategy} ({', '.join(own) or 'none'}), "
            f"found {', '.join(choice.parameters) or 'none'}: {error}"
        ) from error
    if inspect.isclass(made_by):
        _refuse_without(made_by, method, choice, place)
    return made_by


def _refuse_without(made: Any, method: str, choice: Choice | Repository, place: str) -> None:
    if method and not callable(getattr(made, method, None)):
        raise ConfigError(
            f"{place}.strategy: expected a class with a method `{method}`, found {choice.strategy} without it"
        )


def _made(made_by: Any, choice: Choice | Repository, place: str, given: Mapping[str, Any]) -> Any:
    try:
        return made_by(**given, **choice.parameters)
    except MainstemError:
        raise  # its own sentence
    except Exception as error:  # a class of one's own may raise anything
        raise ConfigError(
            f"{place}: expected {choice.strategy} to be made with {', '.join(choice.parameters) or 'no parameters'}, "
            f"found {type(error).__name__}: {error}"
        ) from error


def code_of(strategy: object, place: str) -> str:
    """Return an id of the file that a strategy's class stands in.

    Args:
        strategy: of a user's own class.
        place: key path of the choice in the settings; for the error.

    Raises:
        ConfigError: when Python has no source of that file.
    """
    made_by = type(strategy)
    try:
        return content_id(inspect.getsource(sys.modules[made_by.__module__]))
    except (OSError, TypeError) as error:
        raise ConfigError(
            f"{place}.strategy: expected {made_by.__name__} in a file of Python source, which is part of the vector's id; "
            f"found {made_by.__module__} without one: {error}"
        ) from error


def _load(menu: Mapping[str, Any], path: str, place: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
        inspect.signature(found)  # refuses what cannot be called, and what tells no parameters
    except Exception as error:  # a module of one's own may raise anything while it is imported
        named = f"one of {', '.join(sorted(menu))}, or " if menu else ""
        raise ConfigError(
            f"{place}.strategy: expected {named}the dotted path of a class that Python "
            f"can import here and on Spark's executors; found {path!r}: {type(error).__name__}: {error}"
        ) from error
    return found
