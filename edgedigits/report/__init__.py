"""From results to something to read: rows, then terminal tables, JSON, pictures, one HTML file."""
