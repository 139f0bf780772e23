"""`python -m export`."""

from mobile_runtime.console import run

if __name__ == "__main__":
    run("export")
