"""Maternal-fetal planes from five African countries: 450 images; each country numbers its patients from 1."""

from data.sources.registry import ImageSource

SOURCE = ImageSource(
    name="african-planes",
    title="Maternal fetal US planes from low-resource imaging settings in five African countries",
    citation="Sendra-Balcells et al., Sci Rep 13, 2728 (2023)",
    licence="CC BY 4.0",
    table="African_planes_database.csv",
    image_column=("Image_name", "Filename"),
    site_column="Center",
    # Table 1 of the paper (arXiv 2209.09610).
    scanners={
        "Algeria": "Voluson S8",
        "Egypt": "Voluson P8",
        "Ghana": "EDAN DUS 60",
        "Malawi": "Mindray DC-N2",
        "Uganda": "ACUSON X600",
    },
    planes=("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax"),
    classes=("abdomen=Fetal abdomen", "head=Fetal brain", "femur=Fetal femur", "other=Fetal thorax"),
)
