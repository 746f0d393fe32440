"""Folders of a search in a store that its workers share, through Optuna's artifact stores: a folder, or S3."""

import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore, download_artifact, upload_artifact

from edgekd.contracts.errors import ConfigError, DataError

S3 = "s3://"


class Artifacts:
    """A store at `place`: a folder that all workers can reach, or s3://bucket. ConfigError when it cannot be used."""

    def __init__(self, place: str) -> None:
        self._store = _s3(place) if place.startswith(S3) else _folder(Path(place))
        self._place = place

    def put(self, folder: Path, study: optuna.Study) -> str:
        """Store the files of a folder; returns what `get` wants."""
        with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
            packed = Path(name) / f"{folder.name}.tar"
            packed.write_bytes(_packed(folder))
            return upload_artifact(artifact_store=self._store, file_path=str(packed), study_or_trial=study)

    def get(self, artifact: str, folder: Path) -> None:
        """Write the files of a stored folder into `folder`, which is empty. DataError when it is not there."""
        with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
            packed = Path(name) / "folder.tar"
            try:
                download_artifact(artifact_store=self._store, file_path=str(packed), artifact_id=artifact)
            except optuna.artifacts.exceptions.ArtifactNotFound:
                raise DataError(
                    f"{self._place} does not hold {artifact}, which the storage names",
                    hint="all workers of a storage need the same --artifacts",
                ) from None
            with tarfile.open(packed) as tar:
                tar.extractall(folder, filter="data")


def _packed(folder: Path) -> bytes:
    """The files of a folder as a tar: equal folders give equal bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)
    return content.getvalue()


def _folder(place: Path) -> Any:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--artifacts {place}: {error.strerror}") from None
    return FileSystemArtifactStore(base_path=place)


def _s3(place: str) -> Any:
    try:
        import boto3  # noqa: F401
    except ImportError:
        raise ConfigError(f"--artifacts {place} needs boto3", hint="pip install edgekd[s3], or boto3") from None
    return optuna.artifacts.Boto3ArtifactStore(place.removeprefix(S3).rstrip("/"))
