"""`python -m train`."""

from mobile_runtime.console import run

if __name__ == "__main__":
    run("train")
