"""One file a bench: its arguments, and what it does with them."""
