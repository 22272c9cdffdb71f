"""GET /v1/policy: which policy is in force, and whether a newer file was refused."""

import hashlib

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from services.api.answers import json_answer
from services.api.context import ContextDependency

router = APIRouter(prefix="/v1", tags=["SLA"])


class PolicyAnswer(BaseModel):
    """The policy in force."""

    path: str | None = Field(description="The file; null for the policy that ships.")
    sha256: str | None = Field(description="Of the text in force; null where there is none yet.")
    refused: str | None = Field(description="Why a newer file is not in force; null when all is well.")
    policies: list[str] = Field(description="Names, in the order in which they are tried.")


@router.get("/policy", responses={200: {"model": PolicyAnswer}})
async def get_policy(context: ContextDependency) -> Response:
    """The policy that promises are judged by. A file that changes is read again within a second or two; a bad one is
    refused and the last good one stays in force."""
    watch = context.policy.look()
    return json_answer(
        {
            "path": None if context.policy.path is None else str(context.policy.path),
            "sha256": None if watch is None else hashlib.sha256(watch.file.text.encode()).hexdigest(),
            "refused": context.policy.refused,
            "policies": [] if watch is None else [policy.name for policy in watch.file.policies],
        }
    )
