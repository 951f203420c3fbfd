"""Small web sites of this program: who is let in, how long, and how it ends."""
