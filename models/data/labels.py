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

_FORM = "ABQRS PVC STD_ VCLVH QWAVE LOWT NT_ PAC LPR INVT LVOLT HVOLT TAB_ STE_ PRC(S)"
_RHYTHM = "SR AFIB STACH SARRH SBRAD PACE SVARR BIGU AFLT SVTAC PSVT TRIGU"
STATEMENTS = (*SUPERCLASS_OF, *_FORM.split(), *_RHYTHM.split())
