"""The ``bdc`` command. It knows the SDK ``bdc`` and nothing else of the project."""
