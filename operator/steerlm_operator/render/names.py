"""Names and labels of what a run creates. `<job>-<index>` never exceeds 63 characters."""

from dataclasses import dataclass
from typing import Final

GROUP: Final = "steerlm.dev"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "steerlm-operator"
RUN_LABEL: Final = f"{GROUP}/run"
RUN_UID_LABEL: Final = f"{GROUP}/run-uid"
STAGE_LABEL: Final = f"{GROUP}/stage"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
ROLE_LABEL: Final = f"{GROUP}/role"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
WORKLOAD_PRIORITY_LABEL: Final = "kueue.x-k8s.io/priority-class"
CONFIG_ANNOTATION: Final = f"{GROUP}/stage-config"
MODEL_DIGEST_ANNOTATION: Final = f"{GROUP}/model-digest"
MODEL_FINGERPRINT_ANNOTATION: Final = f"{GROUP}/model-fingerprint"
HASH_ANNOTATION: Final = f"{GROUP}/rendered-hash"
SERVER_ROLE: Final = "server"
PROBE_ROLE: Final = "probe"
FREEZE_ANNOTATION: Final = f"{GROUP}/reconcile"
FIELD_MANAGER: Final = MANAGER
_NAME_CHARACTERS: Final = 28
_UID_CHARACTERS: Final = 8
SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGER}"
"""Finds all that any run has created."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which object in the cluster a run is."""

    namespace: str
    name: str
    uid: str

    @property
    def stem(self) -> str:
        """The start of all names: a new run of the same name has another one."""
        return f"{self.name[:_NAME_CHARACTERS].rstrip('-')}-{self.uid[:_UID_CHARACTERS]}"

    def job_name(self, stage: str, attempt: int) -> str:
        """Return the name of an attempt's Job."""
        return f"{self.stem}-{stage}-{attempt}"

    def probe_name(self, stage: str, attempt: int) -> str:
        """Return the name of the Job that looks for the result of an attempt without a report."""
        return f"{self.stem}-{stage}-{attempt}p"

    @property
    def service_name(self) -> str:
        """Return the name of the headless Service, and of the NetworkPolicy."""
        return self.stem

    @property
    def server_name(self) -> str:
        """Return the name of the model server's Deployment and Service."""
        return f"{self.stem}-server"

    @property
    def labels(self) -> dict[str, str]:
        """What every object of the run carries."""
        return {
            MANAGED_BY_LABEL: MANAGER,
            "app.kubernetes.io/part-of": "steerlm",
            RUN_LABEL: self.name,
            RUN_UID_LABEL: self.uid,
        }

    def stage_labels(self, stage: str, attempt: int) -> dict[str, str]:
        """What a Job of a stage and its pods carry."""
        return {
            **self.labels,
            "app.kubernetes.io/name": "steerlm-stage",
            STAGE_LABEL: stage,
            ATTEMPT_LABEL: str(attempt),
        }

    @property
    def server_labels(self) -> dict[str, str]:
        """What the Deployment of the model server and its pods carry."""
        return {**self.labels, "app.kubernetes.io/name": "steerlm-server", ROLE_LABEL: SERVER_ROLE}

    @property
    def server_url(self) -> str:
        """Where callers within the cluster reach the model server."""
        return f"http://{self.server_name}.{self.namespace}.svc"
