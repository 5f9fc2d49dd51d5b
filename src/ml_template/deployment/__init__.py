"""From an exported model to something that runs elsewhere: the image, what is in it, and the stack on a laptop."""
