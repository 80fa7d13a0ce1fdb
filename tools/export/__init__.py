"""Studies in the formats that hospitals take: DICOM, HL7 aECG, EDF+ and FHIR."""
