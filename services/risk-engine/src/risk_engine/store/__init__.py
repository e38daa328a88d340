"""Where the risk engine keeps what it knows: MongoDB, database `risk_engine`."""
