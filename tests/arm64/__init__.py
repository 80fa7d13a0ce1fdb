"""The product on emulated 64-bit Arm: a Debian root, the wheel in it, its results and its tests."""
