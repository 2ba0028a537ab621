"""Apps: a folder with a ``spec.yaml`` becomes a versioned service.

The library, used alike by ``bdc app`` on a developer's machine and by the app pool's proxy. It knows nothing else of ours. What a worker
process imports (``apps.worker.child``, ``apps.runtimes.*.load``, ``apps.types``) needs nothing but the standard library, because it runs in
the app's own environment.
"""
