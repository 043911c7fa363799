"""What each verb is told on the command line: light, so that help and slips of the keys are told at once."""
