"""The supervisor: to one machine what a kubelet is to a node. Standard library only, small, and the parent of all pool processes.

It knows nothing of pools: it is given rendered workloads (``rendered.py``) over a socket (``server.py``) and keeps them running
(``runner.py``), also when the controller is gone, also after it was itself killed (``record.py`` says what to adopt).
"""
