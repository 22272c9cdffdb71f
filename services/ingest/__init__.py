"""The door: takes events over HTTP and says 202 once Kafka has them for good."""
