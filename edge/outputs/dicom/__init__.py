"""DICOM: pictures and a structured report of one examination, written, queued and sent to a PACS.

Needs the extra `dicom`. Only the modules of this package import pydicom, highdicom and pynetdicom; the rest
of the kit imports this package where it is used.
"""
