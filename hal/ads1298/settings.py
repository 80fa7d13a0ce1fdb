"""From what the instrument asks to what the registers must hold."""

from __future__ import annotations

from hal.ads1298 import registers as reg
from hal.ads1298 import wiring
from hal.errors import FrontendError, Reason
from hal.frontend import FrontendConfig

GAIN_MAX = 6  # above it 2.4 V / gain leaves no room for +-300 mV of electrode offset


def settings_for(config: FrontendConfig) -> dict[str, int]:
    """Every writable register's value for ``config``; FrontendError(BAD_CONFIG) if impossible."""
    if config.gain not in reg.GAIN_CODES or config.gain > GAIN_MAX:
        raise FrontendError(
            Reason.BAD_CONFIG,
            f"gain {config.gain} is not 1, 2, 3, 4 or 6",
            act="use 6; more would saturate at 300 mV of electrode offset",
        )
    if config.lead_off_current_na not in reg.LEAD_OFF_CURRENTS_NA:
        raise FrontendError(
            Reason.BAD_CONFIG,
            f"lead-off current {config.lead_off_current_na} nA is not one the chip has",
            act=f"use one of {reg.LEAD_OFF_CURRENTS_NA}",
        )
    if config.lead_off_threshold_percent not in reg.LEAD_OFF_THRESHOLDS_PERCENT:
        raise FrontendError(
            Reason.BAD_CONFIG,
            f"lead-off threshold {config.lead_off_threshold_percent:g} % is not one the chip has",
            act=f"use one of {reg.LEAD_OFF_THRESHOLDS_PERCENT}",
        )
    if config.rl_check_every < 0:
        raise FrontendError(
            Reason.BAD_CONFIG, "rl_check_every is negative", act="use 0 for never, or frames"
        )
    values = {r.name: r.fixed | r.reset & r.unsure for r in reg.REGISTERS if not r.read_only}
    values["CONFIG1"] = reg.CONFIG1.encode(HR=1, DR=reg.DATA_RATE_500_HR)
    values["CONFIG3"] = reg.CONFIG3.encode(PD_REFBUF=1, RLDREF_INT=1, PD_RLD=1, RLD_LOFF_SENS=1)
    values["LOFF"] = reg.LOFF.encode(
        COMP_TH=reg.LEAD_OFF_THRESHOLDS_PERCENT.index(config.lead_off_threshold_percent),
        ILEAD_OFF=reg.LEAD_OFF_CURRENTS_NA.index(config.lead_off_current_na),
        FLEAD_OFF=reg.LeadOffFrequency.DC,
    )
    for channel in reg.CHANNELS:
        values[channel.name] = channel.encode(
            GAIN=reg.GAIN_CODES[config.gain], MUX=reg.Mux.ELECTRODE
        )
    values["RLD_SENSP"] = wiring.RLD_SENSP_VALUE
    values["RLD_SENSN"] = wiring.RLD_SENSN_VALUE
    values["LOFF_SENSP"] = wiring.LOFF_SENSP_VALUE
    values["LOFF_SENSN"] = wiring.LOFF_SENSN_VALUE
    values["GPIO"] = reg.GPIO.encode()  # outputs at 0: unused pins must not float
    values["CONFIG4"] = reg.CONFIG4.encode(PD_LOFF_COMP=1)
    values["WCT1"] = wiring.WCT1_VALUE
    values["WCT2"] = wiring.WCT2_VALUE
    return values
