"""The processors of the boards, as qemu-user and LiteRT have to be told of them.

qemu-user shows programs the /proc/cpuinfo of the machine it runs on. LiteRT's cpuinfo library,
finding processors in /sys and no Arm in /proc/cpuinfo, reads through a null pointer: the process
dies. A cpuinfo of the board, mounted over it, is what the library would find there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """qemu : its name for the core (QEMU_CPU); part : the core's number in MIDR_EL1, for Arm Ltd"""

    name: str
    qemu: str
    part: str
    features: str

    @property
    def cpuinfo(self) -> str:
        """Four cores of it, as Linux lists them."""
        return "".join(
            f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\n"
            f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
            f"CPU part\t: {self.part}\nCPU revision\t: 3\n\n"
            for core in range(4)
        )


_ARMV8_0 = "fp asimd evtstrm crc32 cpuid"
_ARMV8_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm asimddp"
PI_4 = Board("Raspberry Pi 4", "cortex-a72", "0xd08", _ARMV8_0)
PI_5 = Board("Raspberry Pi 5", "cortex-a76", "0xd0b", f"{_ARMV8_2} lrcpc dcpop")
ZERO_2 = Board("Raspberry Pi Zero 2 W", "cortex-a53", "0xd03", _ARMV8_0)
BOARDS = {board.qemu: board for board in (PI_4, PI_5, ZERO_2)}
