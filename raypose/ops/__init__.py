"""Pure functions on arrays and tensors: geometry, suppression, accuracy, flips, targets and peaks.

One subject to a module, no state and no registry. NumPy works on annotations and results of one
image or data set; torch works on batches of network inputs and outputs, on the device they are on.
"""
