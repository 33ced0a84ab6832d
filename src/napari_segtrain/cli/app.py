"""The ``segtrain`` command: parser, errors and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from napari_segtrain.cli import demo, evaluate, models, predict, train

app = typer.Typer(
    name="segtrain",
    help="Train a segmentation network on microscopy images, apply it and judge it.",
    no_args_is_help=True,
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
    ("info", models.info),
    ("demo", demo.demo),
)
for _name, _command in _COMMANDS:
    app.command(_name)(_command)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; errors that a user can mend end in one sentence."""
    from napari_segtrain.errors import SegtrainError

    try:
        app()
    except SegtrainError as error:
        sys.stderr.write(f"segtrain: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("segtrain: interrupted\n")
        sys.exit(INTERRUPTED)
