"""Where pictures and risks go: the drawn overlay, the page, the recording and the log."""
