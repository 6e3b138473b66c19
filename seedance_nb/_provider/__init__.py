"""The only folder that sends the key: one POST, status calls, free calls, the rate limit."""
