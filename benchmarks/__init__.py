"""Measurements with one command each: ``python -m benchmarks NAME``. Results as measured are kept in RESULTS.md."""
