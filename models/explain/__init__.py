"""What in its input a float network looks at: for training tools, in Keras on TensorFlow.

The device explains its int8 network by occlusion alone (``firmware.explain``).
"""
