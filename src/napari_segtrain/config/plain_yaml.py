"""YAML without what makes YAML dangerous: tags, anchors, aliases and deep nesting.

Configs and model descriptions come from strangers. A few lines of aliases can stand
for gigabytes, deep nesting overflows the parser's stack, and old number formats
(``1:30``, ``010``) mean what nobody meant; none of them is needed here.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

MAX_DEPTH = 32
"""Lists and mappings inside each other, at most."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class PlainYamlError(ValueError):
    """Text that is not plain YAML; says why, and in which line."""


def load_plain_yaml(text: str) -> Any:
    """Parse YAML into dicts, lists, strings, numbers, booleans and ``None``.

    Numbers and booleans are those of YAML 1.2 (so ``yes``, ``010``, ``1:30`` and dates
    are strings).

    Raises
    ------
    PlainYamlError
        When the text is no YAML, or uses tags, anchors, aliases or deep nesting.
    """
    try:
        _check_events(text)
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise PlainYamlError(_explain(error)) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise PlainYamlError(str(error)) from error


def dump_plain_yaml(values: Any, *, is_flow: bool = False) -> str:
    """Write plain values as YAML, in their order; one line with ``is_flow``."""
    return str(
        yaml.dump(
            values,
            Dumper=_PlainDumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=is_flow,
            width=1_000_000 if is_flow else 80,
        )
    )


class _PlainLoader(_Loader):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


class _PlainDumper(_Dumper):  # type: ignore[misc]
    """Quotes every string that a reader of YAML 1.1 or 1.2 could take for a number."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


for _kind, _first, _pattern in (
    ("null", ["~", "n", "N", ""], r"~|null|Null|NULL|"),
    ("bool", list("tTfF"), r"true|True|TRUE|false|False|FALSE"),
    ("int", list("-+0123456789"), r"[-+]?(?:0|[1-9][0-9]{0,39})"),
    (
        "float",
        list("-+.0123456789"),
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    ),
):
    for _class in (_PlainLoader, _PlainDumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first
        )


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PlainYamlError(f"anchors and aliases are not taken{_line(event)}")
        if getattr(event, "tag", None):
            raise PlainYamlError(f"tags are not taken{_line(event)}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise PlainYamlError(f"it is nested too deeply{_line(event)}")


def _line(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})" if event.start_mark else ""


def _explain(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)
