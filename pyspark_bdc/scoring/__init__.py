"""Rows of a DataFrame through an app, in Spark's Python workers. The driver's side is ``bdc.spark`` of the client, which sends no code but
a name: ``task.scored``.

task      what a worker is told, and its rows with the outputs
columns   columns as inputs: NULL, NaN; and the outputs' types
model     runtime onnx: the model runs here, many rows at a time
proxy     all other runtimes: batches over HTTP to the app proxy

NULL, NaN and types are treated as by REST and SQL (docs/guide/predict.md), so that the three agree row by row.
"""
