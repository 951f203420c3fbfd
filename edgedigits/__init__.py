"""Train, prune, quantise and measure small image classifiers, and run them on a Raspberry Pi."""

__version__ = "0.1.0"
