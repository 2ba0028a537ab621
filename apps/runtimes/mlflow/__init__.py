"""The runtime ``mlflow``: a model folder of MLflow."""
