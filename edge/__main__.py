"""`python -m edge` is the command `sonocart`."""

from edge.cli import entry

if __name__ == "__main__":
    entry()
