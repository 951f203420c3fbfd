"""The models that edgedigits can build by name: architecture as data, Keras only when built."""
