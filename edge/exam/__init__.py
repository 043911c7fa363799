"""What is known about the examination: the signal's state, the ultrasound field, and the evidence so far."""
