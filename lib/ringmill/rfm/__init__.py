"""Orders to one row per customer: recency, frequency and monetary value, their scores and segments."""
