"""The whole system on one machine without Docker: real Kafka and MongoDB, and the four services."""
