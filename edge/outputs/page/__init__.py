"""The live picture and risk in a browser: a page without external assets, served on loopback."""
