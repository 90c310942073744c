"""Annotation of whole collections: shards of a job, one after another or all over a cluster."""
