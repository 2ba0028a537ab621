"""Arrow record batches as the bytes that PostgreSQL would send: DataRow messages (text, binary) and COPY BINARY tuples.

Everything is vectorised with numpy and pyarrow: a row is interleaved from whole columns, never built in Python.
"""

from virtualization.encoding.binary import has_binary
from virtualization.encoding.rows import COPY_HEADER, COPY_TRAILER, binary_rows, copy_rows, text_rows

__all__ = ["COPY_HEADER", "COPY_TRAILER", "binary_rows", "copy_rows", "has_binary", "text_rows"]
