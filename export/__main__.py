"""`python -m export`."""

import signal
import sys

from mobile_runtime.console import run

if __name__ == "__main__":
    # What takes minutes may be ended by a scheduler; it then still clears away the folder that it was building.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    run("export")
