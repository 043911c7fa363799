"""What all objects of one study share: identifiers, equipment, identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from edge.outputs.dicom.identity import write_identity
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.uids import IMPLEMENTATION, uid

MANUFACTURER = "sonocart"
RESEARCH_USE = "Research use only. Not a medical device; not for diagnosis or treatment."


@dataclass(frozen=True, slots=True)
class Study:
    """One study's own values, the same in all that is written of it. `software` is the kit's version."""

    uid: str
    identity: Order | Subject
    began: datetime
    software: str

    @property
    def dated(self) -> bool:
        """True if dates may be written: they belong to the identity (PS3.15 E)."""
        return isinstance(self.identity, Order)

    def series(self, name: str) -> str:
        """Series Instance UID of the series called `name`."""
        return uid(self.uid, name)

    def start(self, sop_class: str, transfer_syntax: str, instance: str) -> Dataset:
        """A dataset with file meta, identity, equipment and SOP Common; `instance` is its UID."""
        dataset = Dataset()
        self.finish(dataset, sop_class, transfer_syntax, instance)
        return dataset

    def finish(self, dataset: Dataset, sop_class: str, transfer_syntax: str, instance: str) -> None:
        """Overwrite the same values in a dataset that a library made."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(instance)
        meta.TransferSyntaxUID, meta.ImplementationClassUID = UID(transfer_syntax), UID(IMPLEMENTATION)
        meta.ImplementationVersionName = f"SONOCART_{self.software}"[:16]
        dataset.file_meta = meta
        write_identity(dataset, self.identity, self.began)
        dataset.StudyInstanceUID, dataset.SOPInstanceUID = self.uid, instance
        dataset.SOPClassUID = sop_class
        dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, "sonocart"
        dataset.SoftwareVersions = self.software
