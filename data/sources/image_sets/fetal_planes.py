"""FETAL_PLANES_DB: 12,400 images of 1,792 patients of two hospitals, five machines."""

from data.sources.registry import ImageSource

SOURCE = ImageSource(
    name="fetal-planes",
    title="FETAL_PLANES_DB",
    citation="Burgos-Artizzu et al., Sci Rep 10, 10200 (2020)",
    licence="CC BY 4.0",
    table="FETAL_PLANES_DB_data.csv",
    images="Images",
    scanner_column="US_Machine",
    planes=("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax", "Maternal cervix", "Other"),
    classes=(
        "abdomen=Fetal abdomen",
        "head=Fetal brain",
        "femur=Fetal femur",
        "other=Fetal thorax,Maternal cervix,Other",
    ),
)
