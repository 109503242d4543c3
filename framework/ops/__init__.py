"""The operations, one family a file: checks, forward, gradient rule and docstring together."""
