"""Video containers, DICOM and images, as grey frames with their times."""
