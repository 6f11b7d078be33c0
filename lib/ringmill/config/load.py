"""YAML file + `section.key=value` settings → a frozen `Config`, or a `ConfigError` that names the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ringmill.config.models import Config
from ringmill.errors import ConfigError
from ringmill.errors.configuration import Unsaid
from ringmill.errors.credentials import HIDDEN, without_credentials

_ADDRESS = re.compile(r"\s*[\w+.:-]+://")
# Of images: what a folder from the command replaces.
PATHS = ("path", "label_path", "test_path", "test_label_path")
INPUTS = (("raw", "path"), ("texts", "path"), ("table", "path"), *(("images", path) for path in PATHS))
# Spark's settings may be keys of stores; no value below it is said.
SECRET = ["spark", "settings"]


def load(
    path: str | Path, settings: Iterable[str] = (), *, warehouse: str | None = None, raw: str | None = None
) -> Config:
    """Read `path`, lay each 'section.key=value' (value in YAML) over it, and check the whole.

    Raises:
        ConfigError: no such file, not YAML, unknown key (the nearest is named), or a value out of its range.
    """
    tree = _read(Path(path))
    for setting in settings:
        _lay_over(tree, setting)
    if warehouse is not None:
        tree["warehouse"] = warehouse
    if raw is not None:
        _lay_raw_over(tree, raw)
    else:
        _fill_in_warehouse(tree)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise _named(str(path), error) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError.unreadable(str(path), error.strerror or str(error)) from error
    except yaml.YAMLError as error:
        raise ConfigError.unreadable(str(path), _problem(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError.unreadable(str(path), str(error)) from error
    if not isinstance(tree, dict):
        raise ConfigError.unreadable(str(path), f"a {type(tree).__name__}, not a mapping")
    return tree


def _problem(error: yaml.YAMLError) -> str:
    """What YAML says and where, without its excerpt of the file or words of it: they may be a key."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return "what YAML does not allow"
    said = re.sub(r"'(?!<)[^']{2,}'", "'…'", error.problem or "not YAML")
    mark = error.problem_mark
    return said if mark is None else f"{said}, in line {mark.line + 1}, column {mark.column + 1}"


def _lay_over(tree: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError.bad_value("--set", "--set", "section.key=value", _sayable(setting, [key[:5]]))
    *parents, leaf = key.split(".")
    node = tree
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError.bad_value("--set", key, f"'{name}' to be a section", _sayable(child, parents))
        node = child
    try:
        node[leaf] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError.bad_value("--set", key, "a value in YAML", _sayable(text, [*parents, leaf])) from None


def _lay_raw_over(tree: dict[str, Any], raw: str) -> None:
    """Input of one's own takes the place of what is generated: a path, of idx files the folder that they lie in."""
    images, texts, table = tree.get("images"), tree.get("texts"), tree.get("table")
    if "raw" not in tree and isinstance(table, dict):
        table["path"] = raw
        table.pop("generate", None)
        return
    if "raw" not in tree and isinstance(texts, dict):
        texts["path"] = raw
        texts.pop("generate", None)
        return
    if "raw" in tree or not isinstance(images, dict):
        tree["raw"] = {**tree.get("raw", {}), "path": raw}
        tree.pop("generate", None)
        return
    given = {key: name for key, name in images.items() if key in PATHS and isinstance(name, str)}
    if images.get("format") == "idx":
        images |= {key: f"{raw.rstrip('/')}/{name.rpartition('/')[2]}" for key, name in given.items()}
    else:
        images["path"] = raw
    images.pop("generate", None)


def _fill_in_warehouse(tree: dict[str, Any]) -> None:
    """A raw path may begin with '{warehouse}', so that --warehouse moves what is generated too."""
    for section, key in INPUTS:
        found = tree.get(section)
        if isinstance(found, dict) and isinstance(found.get(key), str):
            found[key] = found[key].replace("{warehouse}", str(tree.get("warehouse", "")))


def _named(path: str, error: ValidationError) -> ConfigError:
    # A key that is misspelt is missing too: its wrong name says more.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    steps = [step for step in first["loc"] if step != "[key]"]
    key = ".".join(str(step) for step in steps)
    if first["type"] == "extra_forbidden":
        return ConfigError.unknown_key(path, key, _keys_at(steps[:-1]))
    if first["type"] == "missing":
        return ConfigError.bad_value(path, key, "a value; the key is required", None)
    expected = first["msg"].removeprefix("Value error, ")
    return ConfigError.bad_value(path, key or "the file", expected, _sayable(first["input"], steps))


def _sayable(value: Any, steps: Sequence[str | int]) -> Any:
    """A value as an error may say it: a mapping by its keys alone, and nothing of what lies below `SECRET`.

    A text in the place of all of `spark` may hold them, and is not said either.
    """
    if list(steps[:2]) == SECRET or (isinstance(value, str) and list(steps) == SECRET[:1]):
        return Unsaid(HIDDEN)
    if isinstance(value, dict):
        return Unsaid("{" + ", ".join(f"{name}: …" for name in value) + "}")
    return [_sayable(each, steps) for each in value] if isinstance(value, list) else value


def _keys_at(steps: Iterable[str | int]) -> list[str]:
    """The names a section may hold, found by walking the models along `steps`."""
    models: list[type[BaseModel]] = [Config]
    for step in steps:
        if step in (fields := _fields_of(models[0])):
            models = _sections_in(fields[str(step)].annotation) or models
        else:  # a place in a list, a name that the file chose, or the kind that picks one of several sections
            models = [model for model in models if step in _kinds_of(model)] or models
    return list(_fields_of(models[0]))


def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields by the names that a file gives them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]


def _kinds_of(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def dump_whole(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values that `Config.model_validate` reads again, without what may be secret:
    Spark's settings, a user's name and password in a URI, and the values of a query of the web."""
    tree = config.model_dump(mode="json", by_alias=True, exclude={"spark": {"settings"}})
    shown: dict[str, Any] = _shown(tree, without_credentials)
    return shown


def recorded(config: Config) -> dict[str, Any]:
    """As `dump_whole`, and input is named from the root, wherever who reads it again may stand.

    Tables that a section refers to stay as written: by their names a stage knows its configuration again.
    """
    tree = dump_whole(config)
    for section, key in INPUTS:
        found = tree.get(section)
        if isinstance(found, dict) and isinstance(path := found.get(key), str) and not _ADDRESS.match(path):
            tree[section] = found | {key: str(Path(path).absolute())}
    return tree


def dump(section: BaseModel) -> Mapping[str, Any]:
    """A section as plain JSON values, for the ledger and for keys; addresses without what may be secret.

    Other texts stay as they are: a rule's pattern may look like an address, and two patterns must not be one key.
    """
    shown: Mapping[str, Any] = _shown(section.model_dump(mode="json"), _address_without_credentials)
    return shown


def _address_without_credentials(text: str) -> str:
    return without_credentials(text) if _ADDRESS.match(text) else text


def _shown(value: Any, show: Callable[[str], str]) -> Any:
    """The same tree, each text in it as `show` says it."""
    if isinstance(value, str):
        return show(value)
    if isinstance(value, dict):
        return {name: _shown(inner, show) for name, inner in value.items()}
    return [_shown(inner, show) for inner in value] if isinstance(value, list) else value
