"""The pools of a cluster: each folder holds one pool's workload descriptions and, where the pool is our code, its service."""
