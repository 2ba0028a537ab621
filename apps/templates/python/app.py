"""The app: what is loaded once is loaded here, not in the function."""


def run(x: float, y: float) -> float:
    """Gets the inputs of spec.yaml by name; gives its output, or a dict of its outputs."""
    return x + y
