"""Turns a study into a bundle: train, judge, export. Runs on a workstation."""
