"""What the networks may say: MATE rhythm groups, PTB-XL superclasses and SCP statements."""

from __future__ import annotations

MATE4 = ("AFIB", "GSVT", "SB", "SR")
MATE4_TEXT = {
    "AFIB": "ATRIAL FIBRILLATION",
    "GSVT": "SINUS TACHY OR SVT",  # the group holds both; the words must not promise one
    "SB": "SINUS BRADYCARDIA",
    "SR": "SINUS RHYTHM",
}
MATE4_MEANS = {
    "AFIB": "atrial fibrillation or flutter",
    "GSVT": "sinus, atrial, AV-nodal re-entrant, AV re-entrant, supraventricular or paroxysmal"
    " supraventricular tachycardia, or wandering atrial rhythm",
    "SB": "sinus bradycardia",
    "SR": "sinus rhythm, sinus arrhythmia included",
}

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
SUPERCLASS_TEXT = {
    "NORM": "NORMAL ECG",
    "MI": "MYOCARDIAL INFARCTION",
    "STTC": "ST/T CHANGE",
    "CD": "CONDUCTION DISTURBANCE",
    "HYP": "HYPERTROPHY",
}

# The diagnostic statements of each superclass (PTB-XL's scp_statements.csv).
_DIAGNOSTIC = {
    "NORM": "NORM",
    "MI": "IMI ASMI ILMI AMI ALMI INJAS LMI INJAL IPLMI IPMI INJIN INJLA PMI INJIL",
    "STTC": "NDT NST_ DIG LNGQT ISC_ ISCAL ISCIN ISCIL ISCAS ISCLA ANEUR EL ISCAN",
    "CD": "LAFB IRBBB 1AVB IVCD CRBBB CLBBB LPFB WPW ILBBB 3AVB 2AVB",
    "HYP": "LVH LAO/LAE RVH RAO/RAE SEHYP",
}
SUPERCLASS_OF = {code: name for name, codes in _DIAGNOSTIC.items() for code in codes.split()}

# The 23 diagnostic subclasses of the same table, and the statements of those that join several;
# every other diagnostic statement is its own subclass.
_JOINED = {
    "AMI": "AMI ASMI ALMI INJAS INJAL INJLA",
    "IMI": "IMI ILMI IPMI IPLMI INJIN INJIL",
    "STTC": "NDT DIG LNGQT ANEUR EL",
    "ISCA": "ISCAL ISCAS ISCLA ISCAN",
    "ISCI": "ISCIN ISCIL",
    "LAFB/LPFB": "LAFB LPFB",
    "_AVB": "1AVB 2AVB 3AVB",
}
_SUBCLASS = {code: name for name, codes in _JOINED.items() for code in codes.split()}
SUBCLASS_OF = {code: _SUBCLASS.get(code, code) for code in SUPERCLASS_OF}
SUBCLASSES = tuple(dict.fromkeys(SUBCLASS_OF.values()))
# Four diagnostic statements describe form as well: 44 diagnostic, 19 form, 12 rhythm make 71.
_FORM_TOO = "NDT NST_ DIG LNGQT"

_FORM = "ABQRS PVC STD_ VCLVH QWAVE LOWT NT_ PAC LPR INVT LVOLT HVOLT TAB_ STE_ PRC(S)"
_RHYTHM = "SR AFIB STACH SARRH SBRAD PACE SVARR BIGU AFLT SVTAC PSVT TRIGU"
FORM, RHYTHM = tuple(_FORM.split()), tuple(_RHYTHM.split())
FORM_TASK = (*_FORM_TOO.split(), *FORM)
STATEMENTS = (*SUPERCLASS_OF, *FORM, *RHYTHM)

# CNN-TE's thirteen (its table 1) and the statements that the CinC 2020 mapping joins under each;
# LAD is no statement: it is measured (models/data/axis.py).
CNN_TE = {
    "NSR": ("SR",),
    "IAVB": ("1AVB",),
    "abQRS": ("ABQRS",),
    "AF": ("AFIB",),
    "LAnFB": ("LAFB",),
    "LAD": (),
    "LBBB": ("CLBBB",),
    "LVH": ("LVH",),
    "MI": tuple(_DIAGNOSTIC["MI"].split()),
    "MIs": ("ISC_", "ISCAL", "ISCIN", "ISCIL", "ISCAS", "ISCLA", "ISCAN"),
    "RBBB": ("CRBBB",),
    "SB": ("SBRAD",),
    "STach": ("STACH",),
}
