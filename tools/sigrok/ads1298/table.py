"""What an ADS1298 says and hears. Written by python -m tools.sigrok_table: do not edit.

REGISTERS : (name, reset, ((field, high bit, low bit, {value: meaning}), ...)) by address
STATUS : bit of the status word -> electrode of a 12-lead ECG wired as TI's reference design
ALL_BUT_RA : its pattern when RL is off, and with it the hold of the body
"""

# fmt: off
OPCODES = {
    0x02: 'WAKEUP',
    0x04: 'STANDBY',
    0x06: 'RESET',
    0x08: 'START',
    0x0A: 'STOP',
    0x10: 'RDATAC',
    0x11: 'SDATAC',
    0x12: 'RDATA',
    0x20: 'RREG',
    0x40: 'WREG',
}

REGISTERS = (
    ('ID', 0x92, (
        ('DEV_ID', 7, 5, {
            4: 'ADS129x',
            6: 'ADS129xR',
        }),
        ('CH_ID', 2, 0, {
            0: '4 channels',
            1: '6 channels',
            2: '8 channels',
        }),
    )),
    ('CONFIG1', 0x06, (
        ('HR', 7, 7, {
            0: 'low power',
            1: 'high resolution',
        }),
        ('DAISY_EN', 6, 6, {
            0: 'daisy chain',
            1: 'multiple read-back',
        }),
        ('CLK_EN', 5, 5, {
        }),
        ('DR', 2, 0, {
            6: 'HR: 500 SPS, low power: 250 SPS',
            7: 'reserved',
        }),
    )),
    ('CONFIG2', 0x40, (
        ('WCT_CHOP', 5, 5, {
        }),
        ('INT_TEST', 4, 4, {
            0: 'external',
            1: 'internal test signal',
        }),
        ('TEST_AMP', 2, 2, {
            0: 'VREF/2400',
            1: '2 VREF/2400',
        }),
        ('TEST_FREQ', 1, 0, {
            0: '0.977 Hz',
            1: '1.953 Hz',
            2: 'not used',
            3: 'DC',
        }),
    )),
    ('CONFIG3', 0x40, (
        ('PD_REFBUF', 7, 7, {
            0: 'external reference',
            1: 'internal reference',
        }),
        ('VREF_4V', 5, 5, {
            0: '2.4 V',
            1: '4 V',
        }),
        ('RLD_MEAS', 4, 4, {
        }),
        ('RLDREF_INT', 3, 3, {
            0: 'external',
            1: '(AVDD + AVSS)/2',
        }),
        ('PD_RLD', 2, 2, {
            0: 'RLD off',
            1: 'RLD on',
        }),
        ('RLD_LOFF_SENS', 1, 1, {
        }),
        ('RLD_STAT', 0, 0, {
            0: 'RL connected',
            1: 'RL off',
        }),
    )),
    ('LOFF', 0x00, (
        ('COMP_TH', 7, 5, {
            0: '95 % / 5 %',
            1: '92.5 % / 7.5 %',
            2: '90 % / 10 %',
            3: '87.5 % / 12.5 %',
            4: '85 % / 15 %',
            5: '80 % / 20 %',
            6: '75 % / 25 %',
            7: '70 % / 30 %',
        }),
        ('VLEAD_OFF_EN', 4, 4, {
            0: 'current source',
            1: 'pull-up/down resistor',
        }),
        ('ILEAD_OFF', 3, 2, {
            0: '6 nA',
            1: '12 nA',
            2: '18 nA',
            3: '24 nA',
        }),
        ('FLEAD_OFF', 1, 0, {
            0: 'unset',
            1: 'AC, fDR/4',
            2: 'not used',
            3: 'DC',
        }),
    )),
    ('CH1SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH2SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH3SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH4SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH5SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH6SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH7SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('CH8SET', 0x00, (
        ('PD', 7, 7, {
            0: 'on',
            1: 'powered down',
        }),
        ('GAIN', 6, 4, {
            0: '6',
            1: '1',
            2: '2',
            3: '3',
            4: '4',
            5: '8',
            6: '12',
            7: 'undefined',
        }),
        ('MUX', 2, 0, {
            0: 'electrode',
            1: 'shorted',
            2: 'rld_meas',
            3: 'mvdd',
            4: 'temperature',
            5: 'test',
            6: 'rld_drp',
            7: 'rld_drn',
        }),
    )),
    ('RLD_SENSP', 0x00, (
        ('RLD8', 7, 7, {
        }),
        ('RLD7', 6, 6, {
        }),
        ('RLD6', 5, 5, {
        }),
        ('RLD5', 4, 4, {
        }),
        ('RLD4', 3, 3, {
        }),
        ('RLD3', 2, 2, {
        }),
        ('RLD2', 1, 1, {
        }),
        ('RLD1', 0, 0, {
        }),
    )),
    ('RLD_SENSN', 0x00, (
        ('RLD8', 7, 7, {
        }),
        ('RLD7', 6, 6, {
        }),
        ('RLD6', 5, 5, {
        }),
        ('RLD5', 4, 4, {
        }),
        ('RLD4', 3, 3, {
        }),
        ('RLD3', 2, 2, {
        }),
        ('RLD2', 1, 1, {
        }),
        ('RLD1', 0, 0, {
        }),
    )),
    ('LOFF_SENSP', 0x00, (
        ('LOFF8', 7, 7, {
        }),
        ('LOFF7', 6, 6, {
        }),
        ('LOFF6', 5, 5, {
        }),
        ('LOFF5', 4, 4, {
        }),
        ('LOFF4', 3, 3, {
        }),
        ('LOFF3', 2, 2, {
        }),
        ('LOFF2', 1, 1, {
        }),
        ('LOFF1', 0, 0, {
        }),
    )),
    ('LOFF_SENSN', 0x00, (
        ('LOFF8', 7, 7, {
        }),
        ('LOFF7', 6, 6, {
        }),
        ('LOFF6', 5, 5, {
        }),
        ('LOFF5', 4, 4, {
        }),
        ('LOFF4', 3, 3, {
        }),
        ('LOFF3', 2, 2, {
        }),
        ('LOFF2', 1, 1, {
        }),
        ('LOFF1', 0, 0, {
        }),
    )),
    ('LOFF_FLIP', 0x00, (
        ('FLIP8', 7, 7, {
        }),
        ('FLIP7', 6, 6, {
        }),
        ('FLIP6', 5, 5, {
        }),
        ('FLIP5', 4, 4, {
        }),
        ('FLIP4', 3, 3, {
        }),
        ('FLIP3', 2, 2, {
        }),
        ('FLIP2', 1, 1, {
        }),
        ('FLIP1', 0, 0, {
        }),
    )),
    ('LOFF_STATP', 0x00, (
        ('OFF8', 7, 7, {
        }),
        ('OFF7', 6, 6, {
        }),
        ('OFF6', 5, 5, {
        }),
        ('OFF5', 4, 4, {
        }),
        ('OFF4', 3, 3, {
        }),
        ('OFF3', 2, 2, {
        }),
        ('OFF2', 1, 1, {
        }),
        ('OFF1', 0, 0, {
        }),
    )),
    ('LOFF_STATN', 0x00, (
        ('OFF8', 7, 7, {
        }),
        ('OFF7', 6, 6, {
        }),
        ('OFF6', 5, 5, {
        }),
        ('OFF5', 4, 4, {
        }),
        ('OFF4', 3, 3, {
        }),
        ('OFF3', 2, 2, {
        }),
        ('OFF2', 1, 1, {
        }),
        ('OFF1', 0, 0, {
        }),
    )),
    ('GPIO', 0x0F, (
        ('GPIOD', 7, 4, {
        }),
        ('GPIOC', 3, 0, {
            0: 'all outputs',
            15: 'all inputs',
        }),
    )),
    ('PACE', 0x00, (
        ('PACEE', 4, 3, {
            0: 'ch2',
            1: 'ch4',
            2: 'ch6',
            3: 'ch8',
        }),
        ('PACEO', 2, 1, {
            0: 'ch1',
            1: 'ch3',
            2: 'ch5',
            3: 'ch7',
        }),
        ('PD_PACE', 0, 0, {
            0: 'pace buffer off',
            1: 'pace buffer on',
        }),
    )),
    ('RESP', 0x00, (
        ('RESP_DEMOD_EN1', 7, 7, {
        }),
        ('RESP_MOD_EN1', 6, 6, {
        }),
        ('RESP_PH', 4, 2, {
        }),
        ('RESP_CTRL', 1, 0, {
        }),
    )),
    ('CONFIG4', 0x00, (
        ('RESP_FREQ', 7, 5, {
        }),
        ('SINGLE_SHOT', 3, 3, {
        }),
        ('WCT_TO_RLD', 2, 2, {
        }),
        ('PD_LOFF_COMP', 1, 1, {
            0: 'comparators off',
            1: 'comparators on',
        }),
    )),
    ('WCT1', 0x00, (
        ('AVF_CH6', 7, 7, {
        }),
        ('AVL_CH5', 6, 6, {
        }),
        ('AVR_CH7', 5, 5, {
        }),
        ('AVR_CH4', 4, 4, {
        }),
        ('PD_WCTA', 3, 3, {
            0: 'off',
            1: 'on',
        }),
        ('WCTA', 2, 0, {
            0: 'IN1P',
            1: 'IN1N',
            2: 'IN2P',
            3: 'IN2N',
            4: 'IN3P',
            5: 'IN3N',
            6: 'IN4P',
            7: 'IN4N',
        }),
    )),
    ('WCT2', 0x00, (
        ('PD_WCTC', 7, 7, {
            0: 'off',
            1: 'on',
        }),
        ('PD_WCTB', 6, 6, {
            0: 'off',
            1: 'on',
        }),
        ('WCTB', 5, 3, {
            0: 'IN1P',
            1: 'IN1N',
            2: 'IN2P',
            3: 'IN2N',
            4: 'IN3P',
            5: 'IN3N',
            6: 'IN4P',
            7: 'IN4N',
        }),
        ('WCTC', 2, 0, {
            0: 'IN1P',
            1: 'IN1N',
            2: 'IN2P',
            3: 'IN2N',
            4: 'IN3P',
            5: 'IN3N',
            6: 'IN4P',
            7: 'IN4N',
        }),
    )),
)

STATUS = {
    12: 'V6',
    13: 'LA',
    14: 'LL',
    15: 'V2',
    16: 'V3',
    17: 'V4',
    18: 'V5',
    19: 'V1',
    5: 'RA',
}
ALL_BUT_RA = 0x0FF000

LEADS = ('V6', 'I', 'II', 'V2', 'V3', 'V4', 'V5', 'V1')
GAINS = {0: 6, 1: 1, 2: 2, 3: 3, 4: 4, 5: 8, 6: 12}
VREF_V = (2.4, 4.0)  # by CONFIG3.VREF_4V
FULL_SCALE = 8388607
FRAME_BYTES = 27
STATUS_BITS = 24
PREFIX = 0b1100  # the first four bits of every frame
# fmt: on
