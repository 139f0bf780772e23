"""`python -m export`."""

from export.ending import ended_by_sigterm
from mobile_runtime.console import run

if __name__ == "__main__":
    with ended_by_sigterm():
        run("export")
