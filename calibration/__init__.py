"""Turns a bundle's FP32 network into the precisions of an engine, and proves that they agree."""
