"""Everything that knows Ray: sessions, Ray Data feeds, Ray Train runs, annotation, serving."""
