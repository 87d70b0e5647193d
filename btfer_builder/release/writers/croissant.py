"""Write croissant.json: the metadata of a release in Croissant 1.0 with the RAI vocabulary."""

from pathlib import Path
from typing import Any

from btfer_builder.io.atomic import file_digest
from btfer_builder.io.json import write_json
from btfer_builder.release import schema
from btfer_builder.release.released_faces import ReleasedFace
from btfer_builder.release.statistics import ReleaseStatistics

#: The context of every Croissant 1.0 file (appendix 1 of the specification).
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

#: Data types of the columns in the vocabulary of schema.org; a column of another type has no field.
_TYPES = {
    "string": "sc:Text",
    "url": "sc:URL",
    "int64": "sc:Integer",
    "class_label": "sc:Integer",
    "float64": "sc:Float",
    "image": "sc:ImageObject",
}

_CITATION = (
    "Ipinze Tutuianu, Liu, Alamäki, Kauttonen: Benchmarking deep Facial Expression Recognition: An extensive "
    "protocol with balanced dataset in the wild. Engineering Applications of Artificial Intelligence, 2024. "
    "https://doi.org/10.1016/j.engappai.2024.108983"
)


def write_croissant(folder: Path, stats: ReleaseStatistics, faces: list[ReleasedFace]) -> None:
    """Write croissant.json; the table that it describes must exist."""
    urls = stats.recipe.urls_only
    table = schema.SOURCES if urls else schema.PARQUET
    form = "application/jsonlines" if urls else "application/x-parquet"
    digest = file_digest(folder / table)
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": stats.recipe.name,
        "description": (
            f"{stats.total} faces of {stats.size}×{stats.size} pixels for testing facial-expression recognition, "
            "each labelled with one of seven emotions by human reviewers."
        ),
        "version": f"{stats.version}.0.0",
        "url": f"urn:sha256:{stats.content_hash}",
        "license": _licenses(stats, faces),
        "citeAs": _CITATION,
        "creator": {"@type": "Organization", "name": stats.recipe.contact or stats.recipe.name},
        "isLiveDataset": False,
        # The day of the newest photo, so that the same set always has the same date.
        **({"datePublished": stats.period[-10:]} if stats.period else {}),
        **_responsibility(stats),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": table,
                "name": table,
                "contentUrl": table,
                "encodingFormat": form,
                "sha256": digest,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "faces",
                "name": "faces",
                "key": {"@id": "faces/face_id"},
                "field": [
                    _field(column, table) for column in schema.columns(table) if column.dtype in _TYPES
                ],
            }
        ],
    }
    write_json(folder / "croissant.json", content, ensure_ascii=False)


def _licenses(stats: ReleaseStatistics, faces: list[ReleasedFace]) -> list[str]:
    named = {face.license_url for face in faces} - {""}
    return sorted(named) + ([] if stats.redistributable else ["Not for redistribution: see LICENSES.csv"])


def _field(column: schema.Column, table: str) -> dict[str, Any]:
    source: dict[str, Any] = {"fileObject": {"@id": table}, "extract": {"column": column.name}}
    if column.dtype == "image":
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"faces/{column.name}",
        "name": column.name,
        "description": column.meaning,
        "dataType": _TYPES[column.dtype],
        "source": source,
    }


def _responsibility(stats: ReleaseStatistics) -> dict[str, Any]:
    """Return the fields of the Croissant RAI vocabulary 1.0."""
    reviewers = sum(count * n for count, n in stats.reviewers.items()) / stats.total
    web, own = stats.own < stats.total, stats.own > 0
    return {
        "rai:dataCollection": " ".join(
            [
                "Search engines were queried with phrases of ethnicity, gender, age and expression; the photos were "
                "downloaded with their licences and deduplicated, and the faces in them were detected and cropped."
            ]
            * web
            + [
                f"{stats.own} faces are from pictures of the authors of the set. {stats.consent_text} The photos were "
                "deduplicated, and the faces in them were detected and cropped."
            ]
            * own
        ),
        "rai:dataCollectionType": ["Web Scraping"] * web + ["Others"] * own,
        **({"rai:dataCollectionTimeFrame": stats.period} if stats.period else {}),
        "rai:dataPreprocessingProtocol": [
            "Exact and near duplicates removed",
            "Faces detected with MTCNN",
            f"Square crops scaled to {stats.size}×{stats.size} pixels, all metadata removed",
        ],
        "rai:dataAnnotationProtocol": "Reviewers accepted, rejected or relabelled each face in a local web page.",
        "rai:dataAnnotationPlatform": "btfer review",
        "rai:dataAnnotationAnalysis": (
            f"Mean agreement with the label {stats.agreement:.2f}; all reviewers agreed on {stats.unanimous:.0%} of "
            "the faces" + ("." if stats.kappa is None else f"; Fleiss' kappa {stats.kappa:.2f}.")
        ),
        "rai:annotationsPerItem": f"{reviewers:.1f}",
        "rai:machineAnnotationTools": ["MTCNN face detector"],
        "rai:dataUseCases": "Testing and comparing facial-expression models; studying their errors.",
        "rai:dataLimitations": (
            "Posed and staged photos from search engines; seven coarse labels; not for decisions about people, for "
            "identifying them, or for inferring what they feel."
        ),
        "rai:dataBiases": (
            f"Up to {stats.top_host:.0%} of the faces come from one web site; {stats.upscaled} of {stats.total} were "
            "enlarged; the attributes are search terms, and balanced only as far as the card shows."
        ),
        "rai:dataSocialImpact": (
            "Emotion recognition can harm the people it is used on; its use at work and in education is prohibited in "
            "the European Union (Regulation (EU) 2024/1689, Article 5(1)(f))."
        ),
        "rai:personalSensitiveInformation": [
            "Recognisable faces, which are personal data even without names",
            "Ethnicity, gender and age terms of the search phrases; they do not describe the persons",
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Photos are removed on request; each takedown makes a new version that lists the removed ids."
        ),
    }
