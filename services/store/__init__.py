"""The store: Kafka to ClickHouse. Commits after the insert; an insert done twice shows nowhere."""
