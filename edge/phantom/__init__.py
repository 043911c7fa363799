"""Synthetic ultrasound of salivary glands: patients, a B-mode scanner, studies and clips."""
