"""From Keras models to ``.tflite`` files, and what is inside such a file."""
