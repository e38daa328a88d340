"""What the ingestor keeps in MongoDB: the only modules here that speak to the driver."""
