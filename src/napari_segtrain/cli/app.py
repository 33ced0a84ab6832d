"""The ``segtrain`` command: parser, errors and exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, cast

import typer

from napari_segtrain.cli import (
    demo,
    evaluate,
    failures,
    models,
    objects,
    predict,
    train,
)

app = typer.Typer(
    name="segtrain",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("init", models.init),
    ("train", train.train),
    ("resume", train.resume),
    ("predict", predict.predict),
    ("evaluate", evaluate.evaluate),
    ("objects", objects.objects),
    ("info", models.info),
    ("models", models.models),
    ("demo", demo.demo),
)
for _name, _command in _COMMANDS:
    app.command(_name)(_command)

_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
"""click's UsageError, which newer releases of typer carry inside."""


@app.callback(invoke_without_command=True)
def show_general_help(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
) -> None:
    """Train a segmentation network on microscopy images, apply it and judge it."""
    if version:
        import napari_segtrain

        typer.echo(napari_segtrain.__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what a user can mend ends in one sentence.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process without it.

    Returns
    -------
    int
        Exit code: 0, that of the error, or 128 and the number of a signal.
    """
    _replace_unknown_characters()
    try:
        code = app(args=arguments, prog_name="segtrain", standalone_mode=False)
    except _UsageError as error:
        failure = failures.usage(error)
    except (KeyboardInterrupt, typer.Abort):
        failure = failures.INTERRUPTED
    except Exception as error:
        found = failures.explain(error)
        if found is None:
            raise
        failure = found
    else:
        return code if isinstance(code, int) else 0
    if failure.sentence:
        sys.stderr.write(f"segtrain: {failure.sentence}\n")
    return failure.exit_code


def _replace_unknown_characters() -> None:
    """Let × and µ not end a command whose log has an old encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
