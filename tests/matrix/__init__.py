"""Who gets in where: every endpoint × every kind of caller, beside what is declared.

    test_http.py        the controller's REST API: the OpenAPI document × every verb × callers, in process
    test_flight.py      Flight of the compute pool and of the shards: actions, descriptors, tickets × callers
    test_sql.py         PostgreSQL logins at the master and at the compute pool, by role
    test_supervisor.py  the supervisor's socket: operations × OS users

``python -m benchmarks matrix`` runs them and prints ``cells`` and ``wrong``.
"""
