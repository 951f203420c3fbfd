"""Choose, record and check the calibration set. NumPy only; nothing here needs TensorFlow."""
