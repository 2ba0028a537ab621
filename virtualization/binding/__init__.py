"""Names and types: from a parsed query to one where every table, column and output is resolved against the catalog."""
