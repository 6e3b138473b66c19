"""The durable memory of money spent: an SQLite database and a journal that mend each other, or a PostgreSQL server that kernels share."""
