"""Data virtualization as a library: SQL in PostgreSQL's dialect over tables that live elsewhere, answered as Arrow.

    import virtualization
    result = virtualization.query("SELECT …", catalog)      # result.columns, result.batches()
    print(virtualization.explain("SELECT …", catalog).text())

Imports neither ``controller`` nor ``pools``.
"""
