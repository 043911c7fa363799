"""Training, judging and exporting a classifier, on the workstation. Never installed on a cart."""
