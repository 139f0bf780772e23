"""The `skintriage` command: the runtime's verbs directly, every other package as a sub-command loaded when asked for."""

from __future__ import annotations

import sys

from mobile_runtime.commands import app
from mobile_runtime.console import EXTRAS, guard, run
from mobile_runtime.ending import ended_by_sigterm

HELP = {
    "train": "Read data sets, fit and evaluate classifiers (extra: train).",
    "compress": "Distil, prune and quantize networks, and measure what that costs (extra: export).",
    "export": "Write, check and rebuild bundles (extra: export).",
    "benchmarks": "Measure drift, decisions, robustness and latency; say whether a build may ship (extra: benchmarks).",
}

for _package, _help in HELP.items():
    # Placeholders for --help; `main` takes these words before the parser sees them, so nothing heavy is imported.
    app.command(_package, help=_help, rich_help_panel="Packages", add_help_option=False)(lambda: None)


def main() -> None:
    """Entry point of the wheel's one command."""
    words = sys.argv[1:]
    if words and words[0] in EXTRAS:
        run(words[0], words[1:], prog_name=f"skintriage {words[0]}")
    else:
        with ended_by_sigterm():
            guard(lambda: app(prog_name="skintriage"))


if __name__ == "__main__":
    main()
