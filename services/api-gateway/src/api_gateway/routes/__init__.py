"""What comes in and goes out, route by route; each function builds one router from its ports."""
