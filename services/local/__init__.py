"""Everything on one machine: the embedded brokers, and the supervisor behind `contactpulse up`."""
