"""The verifier: proof that pushdown never changes an answer.

    python -m virtualization.verify catalog.json --scratch "host=… dbname=…" --queries 3000
    bdc source verify NAME

Random typed SELECTs over given virtual tables run three times: with pushdown, without, and on PostgreSQL over a local copy of the rows.

    statements (joins, expressions, predicates) --> judge: sides, answers, promises --> shrink --> report
    tables, copies: what is asked about                     verifier: the run
"""
