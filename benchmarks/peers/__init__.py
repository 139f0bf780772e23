"""The same network in other runtimes, each in an environment of its own, timed in alternation on one core."""
