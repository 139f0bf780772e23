"""`python -m mobile_runtime`."""

from mobile_runtime.console import run

if __name__ == "__main__":
    run("mobile_runtime")
