"""Apps called by queries of the compute pool, many rows at a time: ``bdc.score`` and ``predict``.

proxy      what the app proxy is asked: what an app takes, its model, and batches of rows where the app is no model
columns    a query's columns as an app's inputs: types, NULL, NaN; and the outputs' types
process    a model in a process of its own beside the rows; ``helper`` is what runs in it
apps       which apps are known, and how each is called
score      bdc.score: the rows of a query with the outputs
"""
