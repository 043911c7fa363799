"""The last minute with all that was computed from it, and its replay."""
