"""The command line."""


def main() -> int:
    """Entry point of ``dettui``."""
    raise NotImplementedError
