"""Reading a study: its cases, images and tensors, and the split that a bundle remembers."""
