"""Safe YAML in which nothing gets lost: a key that stands twice is told, as is a value that is none of its type."""

from pathlib import Path
from typing import Any

import yaml

from lambda_core.errors import ConfigError

_MERGE = "tag:yaml.org,2002:merge"
_ODD = (ValueError, LookupError, AttributeError, TypeError)
"""What PyYAML lets through from Python where a text is no value of the type that it looks like, such as 2013-02-30."""


def read_yaml(file: Path) -> Any:
    """Return what a file of YAML says; no object is ever made, and `<<` merges.

    Raises:
        ConfigError: when there is no such file, it cannot be read, or has a key twice; then with one line a key.
    """
    try:
        return _content(file)
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: expected a YAML file, found none") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: expected text in UTF-8, found another ({error}); save it as UTF-8") from error
    except (OSError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{file}: expected YAML, found what cannot be read: {error}") from error


def _content(file: Path) -> Any:
    loader = _Loader(file.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        if loader.twice:
            raise ConfigError("\n".join(f"{file}: {sentence}" for sentence in loader.twice))
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader. `twice` has a sentence for each key that its mapping has already."""

    def __init__(self, text: str) -> None:
        self.twice: list[str] = []
        super().__init__(text)

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Return a mapping as it is written: what `<<` brings, over which its own keys win, is put into it later."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                self.twice.append(
                    f"line {line}: expected each key of a mapping once, found {key.value!r} in line {lines[name]} too"
                )
            lines.setdefault(name, line)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's own
        """Return the value of a node.

        Raises:
            ConstructorError: when it is none of its type, with its place.
        """
        try:
            return super().construct_object(node, deep)
        except _ODD as error:
            said = f"{node.value!r}, which reads as {node.tag.rpartition(':')[2]} and is none ({error}); quote a text"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from error
