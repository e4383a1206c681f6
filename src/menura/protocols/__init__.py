"""One folder per protocol. None imports another; each turns bytes into calls of the core and back."""
