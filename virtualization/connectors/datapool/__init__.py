"""The connector `datapool`: tables whose rows are spread over the shards of the data pool."""
