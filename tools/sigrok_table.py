"""Write the sigrok decoder's table from the declarations of registers, wiring and frame.

``python -m tools.sigrok_table`` rewrites ``tools/sigrok/ads1298/table.py``: copied into sigrok's
own folder, the decoder knows nothing of this firmware.
"""

from __future__ import annotations

from pathlib import Path

from hal.ads1298 import registers as reg
from hal.ads1298 import wiring
from hal.ads1298.frame import FRAME_BYTES, PREFIX, STATUS_BITS
from hal.frontend import Electrode

TABLE = Path(__file__).parent / "sigrok" / "ads1298" / "table.py"
_HEADER = '''\
"""What an ADS1298 says and hears. Written by python -m tools.sigrok_table: do not edit.

REGISTERS : (name, reset, ((field, high bit, low bit, {value: meaning}), ...)) by address
STATUS : bit of the status word -> electrode of a 12-lead ECG wired as TI's reference design
ALL_BUT_RA : its pattern when RL is off, and with it the hold of the body
"""

# fmt: off
'''


def render() -> str:
    """The text of the table."""
    lines = [_HEADER + "OPCODES = {"]
    lines += [f"    0x{opcode:02X}: {opcode.name!r}," for opcode in reg.Opcode]
    lines += ["}", "", "REGISTERS = ("]
    for register in reg.REGISTERS:
        lines.append(f"    ({register.name!r}, 0x{register.reset:02X}, (")
        for bits in register.fields:
            lines.append(f"        ({bits.name!r}, {bits.high}, {bits.low}, {{")
            lines += [f"            {int(n)}: {text!r}," for n, text in bits.meanings.items()]
            lines.append("        }),")
        lines.append("    )),")
    lines += [")", "", "STATUS = {"]
    lines += [f"    {bit}: {who.name!r}," for who, bit in wiring.STATUS_BITS.items()]
    others = (bit for who, bit in wiring.STATUS_BITS.items() if who is not Electrode.RA)
    lines += [
        "}",
        f"ALL_BUT_RA = 0x{sum(1 << bit for bit in others):06X}",
        "",
        f"LEADS = {tuple(entry.lead for entry in wiring.INPUTS)}",
        f"GAINS = {dict(sorted(reg.GAINS.items()))}",
        f"VREF_V = ({reg.VREF_V}, {reg.VREF_HIGH_V})  # by CONFIG3.VREF_4V",
        f"FULL_SCALE = {reg.FULL_SCALE}",
        f"FRAME_BYTES = {FRAME_BYTES}",
        f"STATUS_BITS = {STATUS_BITS}",
        f"PREFIX = 0b{PREFIX:b}  # the first four bits of every frame",
    ]
    return "\n".join(lines) + "\n# fmt: on\n"


def main() -> int:
    TABLE.write_text(render(), encoding="utf-8")
    print(f"wrote {TABLE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
