"""The five papers, and what they print of their networks. Other data, other splits.

``ECGS_ENOUGH``: PTB-XL's five superclasses, fold 10: the one that can be held against ours, which
is fold 9. The others are of records or labels that are not public, or of other splits.
"""

from __future__ import annotations

from dataclasses import dataclass

PAPERS = {  # by the name that a network's architecture gives its paper
    "MATE": "Kayar E, Longato A, Cabrini L, Biagi L. MATE, Machine Approach To ECG (technical "
    "documentation of a device). 2025.",
    "ECG-SMART-NET": "Riek NT, Akcakaya M, Bouzid Z et al. ECG-SMART-NET: a deep learning "
    "architecture for precise ECG diagnosis of occlusion myocardial infarction. "
    "arXiv:2405.09567v1, 2024.",
    "Image VGG16": "Ao R, He G. Image based deep learning in 12-lead ECG diagnosis. Front Artif "
    "Intell 5:1087370, 2023.",
    "Are ECGs enough?": "Marques JDS, Oliveira AL. Are ECGs enough? Deep learning classification "
    "of cardiac anomalies using only electrocardiograms. arXiv:2503.08960v1, 2025.",
    "CNN-TE": "Ford A, Lan J. Detection of multiple cardiac abnormalities using Convolution, "
    "Positional Encoder and Transformer on 12-lead ECG recordings. medRxiv, 2024.",
}


@dataclass(frozen=True)
class Published:
    """``figure`` as printed, of what, and ``where`` it stands."""

    figure: str
    of: str
    where: str


# "Are ECGs enough?", table 2, PTB-XL: F1, MAP and G-mean in per cent
ECGS_ENOUGH = {
    "alexnet": (74.3, 76.1, 83.8),
    "vgg11-bn": (74.1, 77.3, 83.2),
    "resnet18": (75.1, 78.9, 83.9),
    "crnn-lstm": (75.8, 76.7, 84.6),
    "crnn-gru": (76.1, 76.7, 84.9),
    "att-resnet": (75.6, 77.1, 85.0),
    "transformer": (50.7, 44.0, 64.9),
    "res-transformer": (75.7, 76.6, 84.0),
}
CNN_TE_CORRELATION = -0.68  # CNN-TE, table 3: thresholds with the labels' shares

_OMI = "infarction by an occluded artery, 10 folds"
PUBLISHED = {
    "mate": Published(
        "accuracy .81 / .78, macro-F1 .60 / .62, AUC .967 / .955",
        "4 rhythm groups, women / men, external records",
        "MATE, tables 2 and 3",
    ),
    "ecg-smart-net": Published("AUC .889 ± .027, AP .587 ± .087", _OMI, "ECG-SMART-NET, table 4"),
    "mayo-alvd": Published("AUC .877 ± .032, AP .566 ± .106", _OMI, "ECG-SMART-NET, table 4"),
    "temporal-resnet18": Published(
        "AUC .871 ± .023, AP .532 ± .077", _OMI, "ECG-SMART-NET, table 4"
    ),
    "resnet18-beat": Published(
        "AUC .857 ± .033, AP .537 ± .087", f"{_OMI}, from ImageNet", "ECG-SMART-NET, table 4"
    ),
    **{
        name: Published(
            f"F1 {f1 / 100:.3f}, MAP {ap / 100:.3f}, G-mean {g_mean / 100:.3f}",
            "PTB-XL superclasses, fold 10",
            "Are ECGs enough?, table 2",
        )
        for name, (f1, ap, g_mean) in ECGS_ENOUGH.items()
    },
    "cnn-te": Published(
        "AUPRC .57 (MIs) to .96 (NSR), F1 .59 to .90",
        "13 labels, a random tenth of three sources",
        "CNN-TE, tables 2 and 3",
    ),
    "vgg16-page": Published(
        "AUROC .998 (NORM), .989 (MI), 1.000 (AFIB)",
        "PTB-XL pages, a random tenth, a network per diagnosis",
        "Image VGG16, table 1",
    ),
}
