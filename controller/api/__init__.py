"""The REST API of the controller: ``create_app`` in ``controller.api.app``; ``python -m controller.api`` prints its OpenAPI."""
