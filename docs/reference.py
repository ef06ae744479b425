"""Writes docs/configuration.md out of the options' own descriptions: python docs/reference.py"""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leser.config.tables import PluginTable, RulesTable, RunConfig
from leser.plugins import Registry, load_plugins

INTRO = """# Configuration

Every option of a run, by table. A file given with `--config` holds any of them; a flag overrides the file, and `-o`
sets any option by its dotted path (`-o policy.lora_rank=8`), or without a table an option of the backend
(`-o index=my-index`). `leser run --dry-run` prints the configuration that results. This page is made from the options
themselves: `make docs`.

    seed = 1
    out = "runs/first"

    [task]
    name = "data/my-shop"        # a folder or file in a known format, or a reader's name

    [backend]
    name = "pyserini"
    index = "runs/my-index"      # the backend's own options stand beside its name

Relative paths are meant from where the command is run, those of a platform profile from its file. A file that says
`paths_from = "FOLDER"` at its top has its relative paths start there, seen from the file itself (`"."` is its own folder); a
run's config.toml says so, and is therefore opened and resumed from any folder. What it holds of a plugin's options that nobody
gave is listed in `not_given`: the values stay those of the run, and count as defaults. Secrets are never values: an option
such as `api_key_env` holds the name of an environment variable.
"""


def main() -> None:
    """Write the page next to this file."""
    Path(__file__).with_name("configuration.md").write_text(page(load_plugins()), encoding="utf-8")


def page(registry: Registry) -> str:
    """The whole page, for the plugins that come with LESER."""
    parts = [INTRO, "\n## Top level\n", *_rows(RunConfig, skip_tables=True)]
    for name, field in RunConfig.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            parts += [f"\n## [{name}]\n", f"{_first_line(model)}\n", *_rows(model)]
    own = {offer.name for offer in registry.offers() if offer.origin.distribution == "leser"}
    for kind, table in (("backend", "backend"), ("reader", "task"), ("rollout", "rollout")):
        for name, cls in registry.all(kind).items():
            if name in own and (cls.Options.model_fields or kind != "rollout"):
                parts += [f"\n## [{table}] of the {kind} `{name}`\n", f"{_first_line(cls)}\n", *_rows(cls.Options)]
    for kind, table in (("rule", "rules"), ("baseline", "evaluation.baseline_options")):
        for name, cls in registry.all(kind).items():
            if name in own and cls.Options.model_fields:
                parts += [f"\n## [{table}.{name}]\n", f"{_first_line(cls)}\n", *_rows(cls.Options)]
    return "\n".join(parts) + "\n"


def _rows(model: type[BaseModel], prefix: str = "", *, skip_tables: bool = False) -> list[str]:
    rows = [] if prefix else ["| option | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        inner = field.annotation
        if issubclass(model, PluginTable | RulesTable) and name == "options":
            continue  # their plugins' own rows follow below
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += [] if skip_tables else _rows(inner, f"{prefix}{name}.")
        elif not field.exclude:
            cells = (f"`{prefix}{name}`", _type(field), _default(field), field.description or "")
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _type(field: FieldInfo) -> str:
    bare = _without_metadata(field.annotation)
    shown = bare.__name__ if isinstance(bare, type) and not get_args(bare) else str(bare)
    for noise in ("typing.", "pathlib.", "collections.abc."):
        shown = shown.replace(noise, "")
    return shown


def _without_metadata(annotation: Any) -> Any:
    """The type alone: what validates it reads as code, and holds addresses that differ from run to run."""
    if get_origin(annotation) is Annotated:
        return _without_metadata(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return reduce(or_, map(_without_metadata, get_args(annotation)))
    if get_origin(annotation) is dict:
        return dict[tuple(map(_without_metadata, get_args(annotation)))]  # type: ignore[misc]
    return annotation


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return ""
    return "" if field.default is None else f"`{_plain(field.default)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def _first_line(described: object) -> str:
    return (described.__doc__ or "").strip().partition("\n")[0]


if __name__ == "__main__":
    main()
