"""The read side over HTTP: SLA compliance, metrics, cases, the live board. Reads ClickHouse only."""
