"""The ClickHouse engine (chDB) as a server of its own: one process, the part of ClickHouse's HTTP interface we need."""
