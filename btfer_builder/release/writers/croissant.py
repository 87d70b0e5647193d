"""croissant.json: the release as programs read it (Croissant 1.0, with the fields for responsible AI)."""

from pathlib import Path
from typing import Any

from btfer_builder.io.atomic import file_digest, write_json
from btfer_builder.release import schema
from btfer_builder.release.released_faces import ReleasedFace
from btfer_builder.release.statistics import ReleaseStatistics

#: The context every Croissant 1.0 file states (the specification's appendix 1).
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


def write_croissant(folder: Path, facts: ReleaseStatistics, faces: list[ReleasedFace]) -> None:
    """Write croissant.json; the table it describes must be there already."""
    urls = facts.recipe.urls_only
    table = schema.SOURCES if urls else schema.PARQUET
    form = "application/jsonlines" if urls else "application/x-parquet"
    digest = file_digest(folder / table)
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts.recipe.name,
        "description": (
            f"{facts.total} faces of {facts.size}×{facts.size} pixels for testing facial-expression recognition, "
            "each labelled with one of seven emotions by people who looked at it."
        ),
        "version": f"{facts.version}.0.0",
        "url": f"urn:sha256:{facts.content_hash}",
        "license": _licenses(facts, faces),
        "citeAs": _CITATION,
        "creator": {"@type": "Organization", "name": facts.recipe.contact or facts.recipe.name},
        "isLiveDataset": False,
        # When the newest photo was fetched, so that the same set has the same date whenever it is written.
        **({"datePublished": facts.period[-10:]} if facts.period else {}),
        **_responsibility(facts),
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


def _licenses(facts: ReleaseStatistics, faces: list[ReleasedFace]) -> list[str]:
    named = {face.license_url for face in faces} - {""}
    return sorted(named) + ([] if facts.redistributable else ["Not for redistribution: see LICENSES.csv"])


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


def _responsibility(facts: ReleaseStatistics) -> dict[str, Any]:
    """Return the fields of the Croissant RAI vocabulary 1.0."""
    reviewers = sum(count * n for count, n in facts.reviewers.items()) / facts.total
    return {
        "rai:dataCollection": (
            "Search engines were asked for phrases made of ethnicity, gender, age and expression; the photos they "
            "found were fetched with their licences, rid of duplicates, and the faces in them cut out."
        ),
        "rai:dataCollectionType": ["Web Scraping"],
        **({"rai:dataCollectionTimeFrame": facts.period} if facts.period else {}),
        "rai:dataPreprocessingProtocol": [
            "Exact and near duplicates removed",
            "Faces found with MTCNN",
            f"Square crops scaled to {facts.size}×{facts.size} pixels, all metadata removed",
        ],
        "rai:dataAnnotationProtocol": "Reviewers accepted, rejected or relabelled every face on a local page.",
        "rai:dataAnnotationPlatform": "btfer review",
        "rai:dataAnnotationAnalysis": (
            f"Mean agreement with the label {facts.agreement:.2f}; all reviewers agreed on {facts.unanimous:.0%} of "
            "the faces" + ("." if facts.kappa is None else f"; Fleiss' kappa {facts.kappa:.2f}.")
        ),
        "rai:annotationsPerItem": f"{reviewers:.1f}",
        "rai:machineAnnotationTools": ["MTCNN face detector"],
        "rai:dataUseCases": "Testing and comparing models of facial expressions; studying their errors.",
        "rai:dataLimitations": (
            "Posed and staged pictures as search engines show them; seven coarse labels; not for deciding about "
            "people, identifying them, or inferring what they feel."
        ),
        "rai:dataBiases": (
            f"Up to {facts.top_host:.0%} of the faces come from one web site; {facts.upscaled} of {facts.total} were "
            "enlarged; the attributes are what was searched for, and balanced only as far as the card shows."
        ),
        "rai:dataSocialImpact": (
            "Emotion recognition can harm those it is used on; its use at work and in education is prohibited in the "
            "European Union (Regulation (EU) 2024/1689, Article 5(1)(f))."
        ),
        "rai:personalSensitiveInformation": [
            "Recognisable faces: personal data, though without names",
            "Ethnicity, gender and age words of the search phrases; they do not describe the persons",
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Pictures are taken out on request; each takedown makes a new version that lists the removed ids."
        ),
    }
