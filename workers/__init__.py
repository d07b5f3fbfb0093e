"""Places where measurements happen.

They say what a model, a data set, a shard and a store are, and who measures the shards.
"""
