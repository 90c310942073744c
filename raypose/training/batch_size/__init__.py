"""`train.batch_size: auto`: how many samples a worker should have."""
