"""The image: build, bill of materials, scan, push, and the stack on a laptop around it."""
