"""Substrates: where workloads are carried out. Independent of each other."""
