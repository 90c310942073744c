"""What a run shows people: its curves, its errors, its worst cases."""
