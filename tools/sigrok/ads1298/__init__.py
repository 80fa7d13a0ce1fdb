"""Stacks on top of the 'spi' PD and decodes the Texas Instruments ADS1298, the
8-channel 24-bit front end of 12-lead ECG monitors: commands, registers field by
field, and data frames with the electrodes that are off and the channels in
counts and millivolts.

SPI mode 1 (cpol=0, cpha=1). CS# is needed: one low pulse is one command or frame.
"""

from .pd import Decoder as Decoder
