"""MLflow's tracking server as a service of the cluster: who may ask it, and how it is reached."""
