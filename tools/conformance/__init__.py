"""The software-testable part of IEC 60601-2-25/-27 and AAMI EC11/EC57, clause by clause.

Every figure is measured end to end: millivolts at the electrodes, simulated chip, driver, frames,
pipeline, and then the leads, beats, rates and calls that a user would see.
"""
