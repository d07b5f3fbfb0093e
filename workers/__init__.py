"""Places where measurements happen: what a model, a data set, a shard and a store are, and who
measures the shards.
"""
