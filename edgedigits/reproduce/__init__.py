"""The five published reference systems: rebuilt, trained, quantised and reported by one command."""
