"""What runs on the device by its own Python, before edgedigits is installed there.

These modules need the standard library alone and are sent with each connection; ``checking.py``
runs by any Python 3.5 or newer, the others by 3.10.
"""
