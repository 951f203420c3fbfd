"""What runs on the device: the interpreter, the classifier, what a model file says of itself.

Nothing here, nor anything it imports, needs TensorFlow.
"""
