"""Engines that run residual SQL over fragments. Each is one folder, independent of the others."""
