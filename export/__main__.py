"""`python -m export`."""

from mobile_runtime.console import run
from mobile_runtime.ending import ended_by_sigterm

if __name__ == "__main__":
    with ended_by_sigterm():
        run("export")
