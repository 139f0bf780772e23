"""What commands share: one clear line for an error, tables for people, JSON for machines."""

from __future__ import annotations

import importlib
import io
import json
import math
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import Progress
from rich.segment import Segment

from mobile_runtime.ending import ended_by_sigterm
from mobile_runtime.errors import MissingExtraError, SkintriageError


class Terminal(Console):
    """A console on which no name of a file, nor any other text, can move the cursor, change colours or turn the direction of
    writing: characters that are not printed are shown as escapes."""

    def on_broken_pipe(self) -> None:
        """Whoever read the output left: rich exits with 1, which has other meanings here, and a shell says 141 of SIGPIPE."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            sys.exit(141)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(_printable(text), style)


def _printable(text: str) -> str:
    hidden = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")} - {"\n", "\t"}
    return text.translate({ord(char): char.encode("unicode_escape").decode() for char in hidden})


out = Terminal()
err = Terminal(stderr=True)

EXTRAS = {"train": "train", "compress": "export", "export": "export", "benchmarks": "benchmarks"}
"""Package -> the extra that its commands need."""


def print_json(document: Any, indent: int | None = 2) -> None:
    """Write JSON to standard output and nothing else; without an indent in one line. Whoever reads it has it at once.

    Raises:
        OSError: standard output takes no more.
    """
    try:
        # ASCII: a file name may hold what the terminal's encoding, or any, has no character for.
        sys.stdout.write(json.dumps(document, indent=indent, sort_keys=True, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        out.on_broken_pipe()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def print_error(message: object) -> None:
    """Write one line `error: ...` to standard error."""
    err.print(f"[bold red]error:[/] {escape(_one_line(message) or type(message).__name__)}", highlight=False, soft_wrap=True)


def print_warning(message: str) -> None:
    """Write one line `warning: ...` to standard error."""
    err.print(f"[yellow]warning:[/] {escape(_one_line(message))}", highlight=False, soft_wrap=True)


def _one_line(message: object) -> str:
    return "\\n".join(str(message).splitlines())  # a file may be called so


Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar on standard error while they are gone through; none where that is no terminal.

    Unlike rich's own, it starts no thread: whoever goes through the items draws it, and there is no lock to wait for.

    Args:
        items: what is gone through.
        what: stands before the bar.
        total: how many there are; None asks `items`.
    """
    if not err.is_terminal:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(console=err, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(escape(what), total=total)
        drawn = -math.inf
        for item in items:
            if (now := time.monotonic()) - drawn >= 0.1:
                bar.refresh()
                drawn = now
            yield item
            bar.advance(task)


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Named steps on standard error, some seconds each: a bar on a terminal, a line for each step elsewhere.

    Yields:
        The function to call when a step begins.
    """
    begun = 0
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=total)

        def begin(what: str) -> None:
            nonlocal begun
            bar.update(task, completed=begun, description=escape(what))
            begun += 1
            if not err.is_terminal:
                err.print(escape(f"{begun}/{total} {what}"), highlight=False, soft_wrap=True)

        yield begin


def load_app(package: str) -> typer.Typer:
    """The command group of a package.

    Raises:
        MissingExtraError: a library it needs is not installed; the extra to install is named.
    """
    try:
        app = importlib.import_module(f"{package}.commands").app
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(package)
        missing = (error.name or "").split(".")[0]
        if extra is None or missing in {package, "mobile_runtime"}:
            raise
        raise MissingExtraError(
            f"`{package}` needs {missing}, which is not installed; in skintriage's folder, pip install '.[{extra}]'"
        ) from error
    assert isinstance(app, typer.Typer)
    return app


def run(package: str, arguments: list[str] | None = None, prog_name: str | None = None) -> None:
    """Entry point of `python -m PACKAGE`: a user's mistake gives one line and exit status 2, never a traceback."""
    with ended_by_sigterm():
        guard(lambda: load_app(package)(arguments, prog_name=prog_name or f"python -m {package}"))


def guard(command: Any) -> None:
    """Call a command and turn typed errors into one line and exit status 2."""
    if sys.stdout is None:  # closed by the caller; the next file that is opened would get its number
        print_error("standard output is closed; send it to a file, or to /dev/null")
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name must not end a batch
    try:
        command()
    except SkintriageError as error:
        print_error(error)
        sys.exit(2)
    except OSError as error:  # what cannot be written, and whatever else the system refuses
        print_error(f"{error.filename}: {error.strerror}; check the path" if error.filename else error)
        sys.exit(2)
    except KeyboardInterrupt:
        print_error("interrupted")
        sys.exit(130)
