"""What is wrong with a device, and the command that puts it right.

Needs neither NumPy nor OpenCV nor the runtime: that they are missing is one of its findings.
"""
