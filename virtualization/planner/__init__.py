"""From a bound query to fragments and residual SQL: which part of a query runs at which source, and why the rest does not."""
