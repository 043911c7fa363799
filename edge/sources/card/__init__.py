"""Capture cards through the kernel's V4L2 interface, without another library."""
