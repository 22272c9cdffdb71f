"""What-if: another policy over the events that ClickHouse holds."""
