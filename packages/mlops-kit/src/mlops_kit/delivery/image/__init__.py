"""The image: build, what is in it, scan, push, and the stack on a laptop around it."""
